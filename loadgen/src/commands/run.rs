//! `loadgen run`: one transport, one run folder, one table.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, anyhow, bail, ensure};
use feed::{TopicName, Transport};
use rand::RngExt;
use results::{Asked, Ending, Run, RunFolder, SCHEMA};

use super::{End, Usage};
use crate::assertion::Condition;
use crate::conductor::{self, Setup};
use crate::config::{LoadArgs, PartArgs, RunArgs, StartAt};
use crate::cores::Cores;
use crate::faults::{Fault, OwnServer, What};
use crate::gate::Gate;
use crate::interrupt::Interrupt;
use crate::output;
use crate::plan::Plan;
use crate::server_flags::ServerFlags;
use crate::server_process::{self, ServerProcess};
use crate::shard::Shard;
use crate::target::{Target, TargetFile, Token, Trust, redacted, redacted_words};
use crate::target_args::contender_label;
use crate::workers::{self, Leader};
use crate::{display, junit, machine, merge, preflight};

/// Postmarks have four hexadecimal digits for the publisher: one for each topic and shard.
const MOST_PUBLISHERS: u32 = 65_536;
/// What is said of a run whose files could not be written.
pub const NOT_SAVED: &str = "the results of this run are not saved, beyond what was printed";
/// Where results go when nothing else is said.
const RUNS: &str = "wirelab-runs";

/// Measures one transport.
pub async fn exec(args: RunArgs) -> anyhow::Result<End> {
    let title = contender_label(args.transport, &args.target.file);
    let out = args.out.unwrap_or_else(|| default_folder(&title));
    args.junit.as_deref().map(junit::prove_writable).transpose()?;
    let cores = Cores::divide(args.load.pin, args.url.is_empty())?;
    let (place, leader) = place(&args.part)?;
    let mut order = Order {
        transport: args.transport,
        token: args.target.token()?,
        trust: args.target.trust,
        target: args.target.file,
        url: args.url.first().cloned(),
        server_pid: args.server_pid,
        server_flags: args.server.read().map_err(Usage)?,
        load: args.load,
        faults: args.faults,
        conditions: args.assertions,
        place,
        title,
    };
    order.check()?;
    if !order.faults.is_empty()
        && (leader.is_some() || args.part.workers.is_some_and(|workers| workers > 1) || !order.place.shard.is_whole())
    {
        let why = anyhow!(
            "--fault needs one process that plays all clients: expected neither --workers nor --shard beside it"
        );
        return Err(Usage(why).into());
    }
    if let Some(leader) = leader {
        measure(&order, &out, &cores, &leader.interrupt, |_| ()).await?;
        return Ok(End::Fine);
    }
    let interrupt = Interrupt::listen()?;
    let show = |run: &Run| results::out!("{}", output::run_table(run));
    let run = match args.part.workers.filter(|&workers| workers > 1) {
        Some(workers) => {
            order.url = (!args.url.is_empty()).then(|| args.url.join(","));
            workers::lead(&order, &args.url, workers, &out, &cores, &interrupt, show).await?
        }
        None if args.url.len() > 1 => {
            return Err(Usage(anyhow!("one process talks to one server: name one --url, or add --workers")).into());
        }
        None => measure(&order, &out, &cores, &interrupt, show).await?,
    };
    results::outln!("{:<14} {}", "results", out.display());
    args.junit.as_deref().map(|path| junit::write(path, &run)).transpose()?;
    Ok(end_of(&run))
}

/// Which part of a load the command line asks this process for, and who leads it, if somebody does.
fn place(part: &PartArgs) -> anyhow::Result<(Place, Option<Leader>)> {
    let leader = (part.start_at == Some(StartAt::Leader)).then(workers::obey).transpose()?;
    let gate = match (&leader, part.start_at) {
        (Some(leader), _) => leader.gate.clone(),
        (None, Some(StartAt::Time(time))) => Gate::At(time),
        (None, _) => Gate::Open,
    };
    Ok((Place { shard: part.shard.unwrap_or(Shard::WHOLE), run: part.run_id, gate }, leader))
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
    /// Whom it is believed over TLS.
    pub trust: Trust,
    /// The server, or none to start one.
    pub url: Option<String>,
    /// Its process, if somebody named it.
    pub server_pid: Option<u32>,
    /// What the server that is started is told beyond that.
    pub server_flags: ServerFlags,
    /// The load.
    pub load: LoadArgs,
    /// What is done to the run on purpose.
    pub faults: Vec<Fault>,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// Which part of the load is played.
    pub place: Place,
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
        self.check_server_flags().map_err(Usage)?;
        self.check_faults().map_err(|error| Usage(error).into())
    }

    /// True when the run starts a feed-server, whose flags are known.
    pub fn starts_feed_server(&self) -> bool {
        self.url.is_none() && self.target.is_feed() && self.target.server.is_none()
    }

    /// Whether there is a server that flags could be given to, and whether it can be what they say.
    fn check_server_flags(&self) -> anyhow::Result<()> {
        ensure!(
            self.server_flags.is_empty() || self.starts_feed_server(),
            "--server-flags are for the feed-server that loadgen starts: expected neither --url nor --target beside them; what another \
             server is told stands in `start` of its target file"
        );
        if let Some(fault) = self.faults.iter().find(|fault| fault.ends_server())
            && self.server_flags.have("--tls-self-signed")
        {
            ensure!(
                self.trust.insecure,
                "the fault `{fault}` has the server make another certificate when it starts again: expected --insecure beside \
                 --tls-self-signed, or --tls-cert and --tls-key in its stead"
            );
        }
        Ok(())
    }

    /// Whether every fault can be had.
    fn check_faults(&self) -> anyhow::Result<()> {
        for fault in &self.faults {
            let is_own = self.starts_feed_server();
            let is_known = self.url.is_none() || self.server_pid.is_some();
            if let Some(misfit) = fault.misfit(self.load.duration) {
                bail!(misfit);
            }
            match fault.what {
                What::RestartServer(_) | What::DrainServer(_) if !is_own => bail!(
                    "the fault `{fault}` needs a server that loadgen can start again at the same address: expected neither --url nor \
                     --target beside it"
                ),
                What::PauseServer(_) if !is_known => bail!(
                    "the fault `{fault}` needs to know the server's process: expected --server-pid, or no --url, so that a server is \
                     started"
                ),
                What::Vanish(_) if !cfg!(target_os = "linux") => {
                    bail!("the fault `{fault}` needs a socket filter of Linux: expected another fault on this system")
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The server at `url`, as it is spoken with.
    pub fn resolve(&self, url: &str) -> anyhow::Result<Target> {
        Target::resolve_as(url, Arc::clone(&self.target), self.token.clone(), &self.trust)
    }

    /// The same at the first of its addresses to answer, which is told where others were tried.
    pub async fn reach(&self, url: &str) -> anyhow::Result<Target> {
        let (target, told) = self.resolve(url)?.reach(self.load.connect_timeout).await?;
        if let Some(told) = told {
            results::errln!("note: {told} for the run");
        }
        Ok(target)
    }

    /// The server's URL as it may be shown.
    pub fn shown_url(&self) -> Option<String> {
        self.url.as_deref().map(|url| redacted(self.token.as_ref(), url))
    }

    /// Starts the target's own server, on its cores.
    pub async fn start_server(&self, cores: &Cores) -> anyhow::Result<ServerProcess> {
        let own = if self.target.server.is_none() { Some(server_process::find_server()?) } else { None };
        cores.lend_to_server()?;
        let started = match (&self.target.server, own) {
            (Some(start), _) => ServerProcess::start_target(&self.target.name, start, self.token.as_ref()).await,
            (None, Some(program)) => ServerProcess::start(&program, &self.server_flags).await,
            (None, None) => unreachable!("our own server was just looked for"),
        };
        cores.take_own()?;
        started
    }
}

/// Which part of a load one process plays.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its shard.
    pub shard: Shard,
    /// Number of the run, where several processes must agree upon one.
    pub run: Option<u32>,
    /// What it waits for.
    pub gate: Gate,
}

impl Default for Place {
    fn default() -> Self {
        Self { shard: Shard::WHOLE, run: None, gate: Gate::Open }
    }
}

/// `wirelab-runs/<time>-<what>`.
pub fn default_folder(what: &str) -> PathBuf {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(':', "-");
    Path::new(RUNS).join(format!("{time}-{what}"))
}

/// Carries out one run and writes its folder, which is created before anything is measured. What was measured is handed to `show` before it is
/// written: a full disk must not cost it.
pub async fn measure(
    order: &Order,
    out: &Path,
    cores: &Cores,
    interrupt: &Interrupt,
    show: impl FnOnce(&Run),
) -> anyhow::Result<Run> {
    let plan = Arc::new(plan(order)?);
    let named = match &order.url {
        Some(url) => Some(order.reach(url).await?),
        None => None,
    };
    let descriptors = preflight::room_for(&plan, named.as_ref())?;
    if let Some(warning) = preflight::port_warning(&plan, named.as_ref()) {
        results::errln!("warning: {warning}");
    }
    let server = if named.is_none() { Some(order.start_server(cores).await?) } else { None };
    let child = server.as_ref().map(|server| server.pid);
    let target = match (named, &server) {
        (Some(target), _) => target,
        (None, Some(server)) => order.resolve(&server.url)?,
        (None, None) => unreachable!("a server is started where none is named"),
    };
    let (server, own_server) = lend(order, server, cores)?;
    let is_led = matches!(order.place.gate, Gate::Leader(_));
    // A leader has looked for all, once.
    if !is_led {
        preflight::shares(&plan, order.place.gate.appointment()).map_err(Usage)?;
        preflight::probe(&plan, &target, order.load.connect_timeout).await?;
    }
    let folder = RunFolder::create(out)?;

    let started = SystemTime::now();
    let setup = Setup {
        plan: Arc::clone(&plan),
        target: target.clone(),
        child,
        own_server: own_server.clone(),
        server_pid: order.server_pid,
        cores: cores.clone(),
        threads: order.load.threads.unwrap_or(cores.of_generator() as u32).min(plan.own_clients().len() as u32).max(1),
        gate: order.place.gate.clone(),
        connect_timeout: order.load.connect_timeout,
        bounds: order.load.bounds.clone(),
    };
    let mut display = if is_led { display::for_leader() } else { display::for_run(&order.title) };
    let mut outcome = conductor::conduct(&setup, folder.begin_logs(started)?, &mut *display, interrupt).await?;
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
        shards: Vec::new(),
    };
    show(&run);
    let mut write = || -> anyhow::Result<()> {
        if !plan.shard.is_whole() {
            merge::keep(
                &plan,
                &target.shown_url(),
                &cores.of_shard(),
                &order.load.bounds,
                &outcome.parts,
                &mut outcome.log,
            )?
            .write(folder.path())?;
        }
        if run.measured.recovery.is_some() {
            folder.write_recovery(&outcome.recovery)?;
        }
        Ok(folder.write(&run, &outcome.log, started, &outcome.rows)?)
    };
    write().context(NOT_SAVED)?;
    // After the writing: a server that does not end must not cost what was measured.
    if let Some(server) = server {
        server.stop().await?;
    }
    if let Some(server) = own_server {
        server.stop().await?;
    }
    Ok(run)
}

/// A server that faults may end is handed to who commits them.
fn lend(
    order: &Order,
    server: Option<ServerProcess>,
    cores: &Cores,
) -> anyhow::Result<(Option<ServerProcess>, Option<OwnServer>)> {
    match server {
        Some(server) if order.faults.iter().any(Fault::ends_server) => {
            let program = server_process::find_server()?;
            Ok((None, Some(OwnServer::new(server, program, order.server_flags.clone(), cores.clone()))))
        }
        server => Ok((server, None)),
    }
}

/// The load that was asked for, with a number of its own if none was given.
pub fn plan(order: &Order) -> anyhow::Result<Plan> {
    let load = &order.load;
    let of = order.place.shard.of;
    if load.topics * of > MOST_PUBLISHERS {
        bail!(
            "{} topics in {of} shards are too many: at most {MOST_PUBLISHERS} publishers can be told apart",
            load.topics
        );
    }
    let run: u32 = order.place.run.unwrap_or_else(|| rand::rng().random());
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
        shard: order.place.shard,
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
        reconnection: load.reconnection.clone(),
        faults: order.faults.clone(),
        publish_connections: load.publish_connections,
        publish_pipelined: load.publish_pipelined,
    })
}

/// What was asked for, as the record of a run says it.
pub fn asked(order: &Order, plan: &Plan) -> Asked {
    let load = &order.load;
    Asked {
        command: redacted_words(order.token.as_ref(), std::env::args()),
        transport: order.transport.name().into(),
        target: Some(order.target.name.clone()).filter(|_| !order.target.is_feed()),
        url: order.shown_url(),
        server_flags: redacted_words(order.token.as_ref(), order.server_flags.words().iter().cloned()),
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
        publish_connections: Some(load.publish_connections),
        publish_pipelined: load.publish_pipelined,
        socketio: (order.transport == Transport::SocketIo).then(|| load.socketio.name().into()),
        reconnect: Some(load.reconnection.policy.name().into()),
        faults: order.faults.iter().map(ToString::to_string).collect(),
        pin: format!("{:?}", load.pin).to_lowercase(),
        shard: (!plan.shard.is_whole()).then(|| plan.shard.to_string()),
    }
}
