//! Leads several workers through one run, and puts together what they measured.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow, bail};
use rand::RngExt;
use results::{Run, RunFolder};
use tokio::sync::mpsc;

use super::obey::{CLOSE, START, STOP};
use super::overview::{of_all, place};
use super::process::{Event, Worker, words};
use super::servers::Servers;
use crate::commands::Usage;
use crate::commands::run::{NOT_SAVED, Order, Place, asked, plan};
use crate::conductor::MARK_LEAD;
use crate::cores::Cores;
use crate::display::{self, Display, Progress};
use crate::gate::{Gate, Said, Waiting};
use crate::interrupt::Interrupt;
use crate::merge::{self, Observed, Part};
use crate::plan::Plan;
use crate::reconciliation::Books;
use crate::server_process::ServerProcess;
use crate::shard::Shard;
use crate::{clock, preflight, scenario};

/// Between the last worker's being ready and the start: time for the order to reach all of them.
const START_LEAD: Duration = Duration::from_millis(500);
/// How long clients stay after all workers were stopped.
const AFTERMATH: Duration = Duration::from_millis(200);
/// What a worker may take for a phase beyond its length before the run is given up: starting, writing, a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays `order` from `workers` processes, which take the servers at `urls` in turn; without any, one is started for all. What was measured is
/// handed to `show` before it is written.
pub async fn lead(
    order: &Order,
    urls: &[String],
    workers: u32,
    out: &Path,
    cores: &Cores,
    interrupt: &Interrupt,
    show: impl FnOnce(&Run),
) -> anyhow::Result<Run> {
    let run = order.place.run.unwrap_or_else(|| rand::rng().random());
    let shards: Vec<Shard> = Shard::all(workers).collect();
    let plan_of = |shard| {
        let place = Place { shard, run: Some(run), gate: Gate::Open };
        plan(&Order { place, ..order.clone() })
    };
    let whole = Arc::new(plan_of(Shard::WHOLE)?);
    let mut named = Vec::new();
    for url in urls {
        named.push(order.reach(url).await?);
    }
    if order.server_pid.is_some() && named.len() > 1 {
        return Err(Usage(anyhow!("--server-pid is the process of one server: name one --url")).into());
    }
    for shard in &shards {
        preflight::room_for(&plan_of(*shard)?, named.first())?;
    }
    // The same for all of them.
    preflight::shares(&plan_of(shards[0])?, None).map_err(Usage)?;
    let server = if named.is_empty() { Some(start_server(order, &whole, cores).await?) } else { None };
    let targets = match &server {
        Some(server) => vec![order.resolve(&server.url)?],
        None => named,
    };
    for target in &targets {
        preflight::probe(&whole, target, order.load.connect_timeout).await?;
    }
    let folder = RunFolder::create(out)?;
    let mut servers =
        Servers::new(order.transport, &targets, server.as_ref().map(|server| server.pid), order.server_pid)?;
    servers.read_before().await;

    let program = std::env::current_exe().context("cannot find this program, to start workers of it")?;
    let threads = (cores.of_generator() as u32 / workers).max(1);
    // What a scenario says is written out, so that the leader keeps for itself what is its own.
    let flags = scenario::expand(std::env::args_os().collect())?;
    let (events, inbox) = mpsc::unbounded_channel();
    let mut crew = Vec::new();
    let mut folders = Vec::new();
    for (shard, target) in shards.iter().zip(targets.iter().cycle()) {
        let folder = out.join(format!("shard-{}", shard.index + 1));
        let words = words(flags.iter().cloned(), *shard, run, target.url.as_str(), &folder, threads);
        crew.push(Worker::start(&program, &words, *shard, &events)?);
        folders.push(folder);
    }
    let title = format!("{}, {workers} workers", order.title);
    let mut leader = Leader {
        plan: &whole,
        crew,
        inbox,
        servers,
        interrupt,
        display: display::for_run(&title),
        progress: vec![None; shards.len()],
        ready: vec![false; shards.len()],
        opened: vec![None; shards.len()],
        gone: vec![false; shards.len()],
        was_stopped: false,
    };
    let led = leader.lead().await;
    leader.display.finish();
    led?;
    let run = conclude(&folders, leader.servers, order, &whole, cores).await?;
    show(&run.run);
    run.write(&folder).context(NOT_SAVED)?;
    // After the writing: a server that does not end must not cost what was measured.
    if let Some(server) = server {
        server.stop().await?;
    }
    Ok(run.run)
}

/// Starts the one server of all workers, which must have room for all clients.
async fn start_server(order: &Order, whole: &Plan, cores: &Cores) -> anyhow::Result<ServerProcess> {
    preflight::room_for(whole, None).context(
        "one server would hold all of them: start several, for example with scripts/cluster.sh, and name each with --url",
    )?;
    order.start_server(cores).await
}

struct Leader<'a> {
    plan: &'a Plan,
    crew: Vec<Worker>,
    inbox: mpsc::UnboundedReceiver<(usize, Event)>,
    servers: Servers,
    interrupt: &'a Interrupt,
    display: Box<dyn Display>,
    progress: Vec<Option<Progress>>,
    /// Who waits for the start.
    ready: Vec<bool>,
    /// Who waits for leave to close, and how many connections it had opened.
    opened: Vec<Option<u64>>,
    /// Who has ended, its results written.
    gone: Vec<bool>,
    was_stopped: bool,
}

impl Leader<'_> {
    /// Through all phases, to the end of every worker.
    async fn lead(&mut self) -> anyhow::Result<()> {
        let plan = self.plan;
        let connecting = Duration::from_secs_f64(f64::from(plan.clients) / plan.connect_rate);
        let patience = clock::now() + connecting + PATIENCE;
        self.hear_until(patience, Self::all_settle).await?;
        self.servers.read(|readings| &mut readings.settled).await;
        self.hear_until(patience + plan.settle, |leader| leader.ready.iter().all(|ready| *ready)).await?;
        self.servers.read(|readings| &mut readings.connected).await;

        let start = SystemTime::now() + START_LEAD;
        let begin = clock::instant_of(start);
        self.tell_all(&format!("{START}{}", humantime::format_rfc3339_nanos(start))).await;
        let window = begin + plan.warmup..begin + plan.warmup + plan.duration;
        self.hear_till(window.start - MARK_LEAD).await?;
        self.servers.read(|readings| &mut readings.start).await;
        self.hear_till(window.end).await?;
        self.servers.read(|readings| &mut readings.end).await;

        let patience = clock::now() + plan.drain + plan.poll_interval + PATIENCE;
        self.hear_until(patience, |leader| leader.opened.iter().all(Option::is_some)).await?;
        if self.interrupt.is_wanted() {
            // What the last of them published before it stopped is still on its way to the clients of the others.
            clock::sleep_until(clock::now() + AFTERMATH).await;
        } else {
            let opened = self.opened.iter().flatten().sum();
            self.servers.await_opened(opened).await;
        }
        self.tell_all(CLOSE).await;
        self.hear_until(clock::now() + PATIENCE, |_| false).await
    }

    /// True when every worker's clients are live, or it no longer waits for them.
    fn all_settle(&self) -> bool {
        self.progress.iter().all(|progress| progress.as_ref().is_some_and(|progress| place(&progress.phase) > 0))
    }

    async fn tell_all(&mut self, order: &str) {
        for worker in &mut self.crew {
            worker.tell(order).await;
        }
    }

    /// Hears the workers out until an instant.
    async fn hear_till(&mut self, instant: Instant) -> anyhow::Result<()> {
        while clock::now() < instant && !self.are_all_gone() && !self.was_stopped {
            self.hear(instant).await?;
        }
        Ok(())
    }

    /// Hears the workers out until `done`, or until all have ended; that neither has come by `patience` is an error.
    async fn hear_until(&mut self, patience: Instant, done: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        while !done(self) && !self.are_all_gone() {
            if clock::now() >= patience {
                bail!(
                    "the workers did not get any further within {}: is this machine overloaded?",
                    humantime::format_duration(PATIENCE)
                );
            }
            self.hear(patience).await?;
        }
        Ok(())
    }

    fn are_all_gone(&self) -> bool {
        self.gone.iter().all(|gone| *gone)
    }

    /// Takes in what happens next, if anything does until `latest`.
    async fn hear(&mut self, latest: Instant) -> anyhow::Result<()> {
        let event = tokio::select! {
            event = self.inbox.recv() => event,
            () = clock::sleep_until(latest) => None,
            () = self.interrupt.wanted(), if !self.was_stopped => {
                self.was_stopped = true;
                self.tell_all(STOP).await;
                None
            }
        };
        let Some((index, event)) = event else { return Ok(()) };
        match event {
            Event::Said(Said::Progress(progress)) => {
                self.progress[index] = Some(progress);
                if let Some(progress) = of_all(&self.progress, u64::from(self.plan.clients)) {
                    self.display.show(&progress);
                }
            }
            Event::Said(Said::Stopping) => self.interrupt.want(),
            Event::Said(Said::Waiting(Waiting::Start)) => self.ready[index] = true,
            Event::Said(Said::Waiting(Waiting::Close(opened))) => self.opened[index] = Some(opened),
            Event::Ended(Ok(status), _) if status.success() => self.gone[index] = true,
            Event::Ended(status, last_words) => {
                let shard = Shard { index: index as u32, of: self.crew.len() as u32 };
                bail!("worker {shard} {}: its share of the run is lost, so all of it is", told(status, &last_words));
            }
        }
        Ok(())
    }
}

fn told(status: std::io::Result<ExitStatus>, last_words: &str) -> String {
    let ended = match status {
        Ok(status) => format!("ended with {status}"),
        Err(error) => format!("was lost ({error})"),
    };
    if last_words.is_empty() { ended } else { format!("{ended} ({last_words})") }
}

/// Merges what the workers left.
async fn conclude(
    folders: &[PathBuf],
    mut servers: Servers,
    order: &Order,
    plan: &Plan,
    cores: &Cores,
) -> anyhow::Result<merge::Merged> {
    let parts = folders.iter().map(|folder| merge::read(folder)).collect::<anyhow::Result<Vec<_>>>()?;
    let books = books(&parts);
    servers.read_last(books.opened).await;
    let deliveries = parts.iter().map(|part| part.run.measured.bytes.deliveries).sum();
    let cost = servers.cost(order.load.clients, deliveries, &cores.server);
    let reconciliation = servers.reconcile(&books);
    let has_told = cost.is_some() && reconciliation.is_some();
    let observed = Observed {
        asked: asked(order, plan),
        server: cost,
        reconciliation: reconciliation.unwrap_or_default(),
        server_restarted: servers.have_restarted(),
        server_fell_silent: servers.must_tell() && !has_told,
        cpus: cores.generator.clone(),
    };
    merge::merge(parts, Some(&observed), &order.conditions)
}

/// The whole run as all workers counted it.
fn books(parts: &[Part]) -> Books {
    let all = || parts.iter().map(|part| part.record.books);
    Books {
        published: all().map(|books| books.published).sum(),
        unanswered: all().map(|books| books.unanswered).sum(),
        deliveries: all().map(|books| books.deliveries).sum(),
        bytes_received: all().map(|books| books.bytes_received).sum(),
        bytes_sent: all().map(|books| books.bytes_sent).sum(),
        opened: all().map(|books| books.opened).sum(),
        open_at_window_end: all().map(|books| books.open_at_window_end).sum(),
        was_disturbed: all().any(|books| books.was_disturbed),
    }
}
