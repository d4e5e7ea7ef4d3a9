//! `loadgen run`: one transport, one run folder, one table.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use feed::{TopicName, Transport};
use rand::RngExt;
use results::{Asked, Ending, Run, RunFolder, SCHEMA};

use super::End;
use crate::assertion::Condition;
use crate::conductor::{self, Setup};
use crate::config::{LoadArgs, RunArgs};
use crate::cores::Cores;
use crate::interrupt::Interrupt;
use crate::output;
use crate::plan::Plan;
use crate::server_process::{self, ServerProcess};
use crate::target::Target;
use crate::{display, junit, machine, preflight};

/// Where results go when nothing else is said.
const RUNS: &str = "wirelab-runs";

/// Measures one transport.
pub async fn exec(args: RunArgs) -> anyhow::Result<End> {
    let out = args.out.unwrap_or_else(|| default_folder(args.transport.name()));
    args.junit.as_deref().map(junit::prove_writable).transpose()?;
    let order = Order {
        transport: args.transport,
        url: args.url,
        load: args.load,
        conditions: args.assertions,
        title: args.transport.name().into(),
    };
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
    /// The server, or none to start one.
    pub url: Option<String>,
    /// The load.
    pub load: LoadArgs,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// What the display calls the run.
    pub title: String,
}

/// `wirelab-runs/<time>-<what>`.
pub fn default_folder(what: &str) -> PathBuf {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(':', "-");
    Path::new(RUNS).join(format!("{time}-{what}"))
}

/// Carries out one run and writes its folder, which is created before anything is measured.
pub async fn measure(order: &Order, out: &Path, cores: &Cores, interrupt: &Interrupt) -> anyhow::Result<Run> {
    let plan = Arc::new(plan(order)?);
    let named = order.url.as_deref().map(Target::resolve).transpose()?;
    let descriptors = preflight::room_for(&plan, named.as_ref())?;
    let program = if named.is_none() { Some(server_process::find_server()?) } else { None };
    let server = match &program {
        Some(program) => {
            cores.lend_to_server()?;
            let started = ServerProcess::start(program).await;
            cores.take_own()?;
            Some(started?)
        }
        None => None,
    };
    let target = match (named, &server) {
        (Some(target), _) => target,
        (None, Some(server)) => Target::resolve(&server.url)?,
        (None, None) => unreachable!("a server is started where none is named"),
    };
    preflight::probe(&plan, &target, order.load.connect_timeout).await?;
    let folder = RunFolder::create(out)?;

    let started = SystemTime::now();
    let setup = Setup {
        plan: Arc::clone(&plan),
        target,
        child: server.as_ref().map(|server| server.pid),
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
        command: std::env::args().collect(),
        transport: order.transport.name().into(),
        url: order.url.clone(),
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
