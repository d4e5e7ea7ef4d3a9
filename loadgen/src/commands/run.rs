//! `loadgen run`: one transport, one run folder, one table.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use feed::{TopicName, Transport};
use rand::RngExt;
use results::{Asked, Ending, Run, RunFolder, SCHEMA};

use super::{End, Usage};
use crate::assertion::Condition;
use crate::conductor::{self, Setup};
use crate::config::{LoadArgs, RunArgs};
use crate::cores::Cores;
use crate::interrupt::Interrupt;
use crate::output;
use crate::plan::Plan;
use crate::server_process::{self, ServerProcess};
use crate::target::{Target, TargetFile, Token, redacted, redacted_words};
use crate::target_args::contender_label;
use crate::{display, junit, machine, preflight};

/// Where results go when nothing else is said.
const RUNS: &str = "wirelab-runs";

/// Measures one transport.
pub async fn exec(args: RunArgs) -> anyhow::Result<End> {
    let title = contender_label(args.transport, &args.target.file);
    let out = args.out.unwrap_or_else(|| default_folder(&title));
    args.junit.as_deref().map(junit::prove_writable).transpose()?;
    let order = Order {
        transport: args.transport,
        token: args.target.token()?,
        target: args.target.file,
        url: args.url,
        server_pid: args.server_pid,
        load: args.load,
        conditions: args.assertions,
        title,
    };
    order.check()?;
    let cores = Cores::divide(order.load.pin, order.url.is_none())?;
    let run = measure(&order, &out, &cores, &Interrupt::listen()).await?;
    args.junit.as_deref().map(|path| junit::write(path, &run)).transpose()?;
    print!("{}", output::run_table(&run));
    println!("{:<14} {}", "results", out.display());
    Ok(end_of(&run))
}

/// How a run ended, as an exit code.
pub fn end_of(run: &Run) -> End {
    if !run.verdict.is_valid() {
        End::Invalid
    } else if run.ending == Ending::Interrupted {
        End::Unfinished
    } else if run.assertions.iter().any(|assertion| !assertion.holds) {
        End::AssertionFailed
    } else {
        End::Fine
    }
}

/// A run that is wanted.
#[derive(Debug, Clone)]
pub struct Order {
    /// How notifications are carried.
    pub transport: Transport,
    /// How one speaks with the server.
    pub target: Arc<TargetFile>,
    /// The secret that lets clients in, if the server wants one.
    pub token: Option<Token>,
    /// The server, or none to start one.
    pub url: Option<String>,
    /// Its process, if somebody named it.
    pub server_pid: Option<u32>,
    /// The load.
    pub load: LoadArgs,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// What the display calls the run.
    pub title: String,
}

impl Order {
    /// Whether it can be carried out at all; what makes no sense is a [`Usage`] error.
    pub fn check(&self) -> anyhow::Result<()> {
        let file = &self.target;
        file.ready(self.transport, self.load.topics, self.token.is_some()).map_err(Usage)?;
        if self.url.is_none() && file.server.is_none() && !file.is_feed() {
            let why = anyhow!(
                "the target `{}` does not say how to start its server: name a running one with --url",
                file.name
            );
            return Err(Usage(why).into());
        }
        Ok(())
    }

    /// Starts the target's own server, on its cores.
    async fn start_server(&self, cores: &Cores) -> anyhow::Result<ServerProcess> {
        let own = if self.target.server.is_none() { Some(server_process::find_server()?) } else { None };
        cores.lend_to_server()?;
        let started = match (&self.target.server, own) {
            (Some(start), _) => ServerProcess::start_target(&self.target.name, start, self.token.as_ref()).await,
            (None, Some(program)) => ServerProcess::start(&program).await,
            (None, None) => unreachable!("our own server was just looked for"),
        };
        cores.take_own()?;
        started
    }
}

/// `wirelab-runs/<time>-<what>`.
pub fn default_folder(what: &str) -> PathBuf {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(':', "-");
    Path::new(RUNS).join(format!("{time}-{what}"))
}

/// Carries out one run and writes its folder, which is created before anything is measured.
pub async fn measure(order: &Order, out: &Path, cores: &Cores, interrupt: &Interrupt) -> anyhow::Result<Run> {
    let plan = Arc::new(plan(order)?);
    let resolve = |url: &str| Target::resolve_as(url, Arc::clone(&order.target), order.token.clone());
    let named = order.url.as_deref().map(resolve).transpose()?;
    let descriptors = preflight::room_for(&plan, named.as_ref())?;
    let server = if named.is_none() { Some(order.start_server(cores).await?) } else { None };
    let target = match (named, &server) {
        (Some(target), _) => target,
        (None, Some(server)) => resolve(&server.url)?,
        (None, None) => unreachable!("a server is started where none is named"),
    };
    preflight::probe(&plan, &target, order.load.connect_timeout).await?;
    let folder = RunFolder::create(out)?;

    let started = SystemTime::now();
    let setup = Setup {
        plan: Arc::clone(&plan),
        target,
        child: server.as_ref().map(|server| server.pid),
        server_pid: order.server_pid,
        cores: cores.clone(),
        workers: order.load.workers.unwrap_or(cores.of_generator() as u32).min(plan.clients),
        connect_timeout: order.load.connect_timeout,
        bounds: order.load.bounds.clone(),
    };
    let outcome = conductor::conduct(&setup, &mut *display::for_run(&order.title), interrupt).await?;
    let run = Run {
        schema: SCHEMA,
        id: format!("{:08x}", plan.run),
        started_at: humantime::format_rfc3339_seconds(started).to_string(),
        ending: if outcome.interrupted { Ending::Interrupted } else { Ending::Complete },
        verdict: outcome.verdict,
        assertions: order.conditions.iter().map(|condition| condition.check(&outcome.measured)).collect(),
        asked: asked(order, &plan),
        machine: machine::describe(descriptors),
        measured: outcome.measured,
    };
    folder.write(&run, &outcome.log, started, &outcome.rows)?;
    // After the writing: a server that does not end must not cost what was measured.
    if let Some(server) = server {
        server.stop().await?;
    }
    Ok(run)
}

fn plan(order: &Order) -> anyhow::Result<Plan> {
    let load = &order.load;
    let run: u32 = rand::rng().random();
    let base = load.topic.as_ref().map_or_else(|| format!("run-{run:08x}"), |topic| topic.as_str().to_owned());
    let topics = (0..load.topics).map(|index| {
        let name = if load.topics == 1 { base.clone() } else { format!("{base}-{index}") };
        name.parse::<TopicName>()
    });
    let topics = topics.collect::<Result<Vec<_>, _>>().context("--topic is too long for numbered topics")?;
    Ok(Plan {
        run,
        transport: order.transport,
        clients: load.clients,
        topics,
        rate: load.rate,
        payload: load.payload as usize,
        arrival: load.arrival,
        seed: load.seed,
        connect_rate: load.connect_rate,
        settle: load.settle,
        warmup: load.warmup,
        duration: load.duration,
        drain: load.drain,
        poll_interval: load.poll_interval,
        wait: load.wait,
        connection: load.connection,
        socketio: load.socketio,
        hold_up: None,
    })
}

fn asked(order: &Order, plan: &Plan) -> Asked {
    let load = &order.load;
    Asked {
        command: redacted_words(order.token.as_ref(), std::env::args()),
        transport: order.transport.name().into(),
        target: Some(order.target.name.clone()).filter(|_| !order.target.is_feed()),
        url: order.url.as_deref().map(|url| redacted(order.token.as_ref(), url)),
        clients: load.clients,
        rate_per_s: load.rate,
        payload_bytes: load.payload,
        topics: load.topics,
        topic: plan.topics[0].as_str().to_owned(),
        arrival: load.arrival.name().into(),
        seed: load.seed,
        duration_s: load.duration.as_secs_f64(),
        warmup_s: load.warmup.as_secs_f64(),
        drain_s: load.drain.as_secs_f64(),
        connect_rate_per_s: load.connect_rate,
        poll_interval_s: load.poll_interval.as_secs_f64(),
        wait_s: load.wait.as_secs_f64(),
        connection: load.connection.name().into(),
        socketio: (order.transport == Transport::SocketIo).then(|| load.socketio.name().into()),
        pin: format!("{:?}", load.pin).to_lowercase(),
    }
}
