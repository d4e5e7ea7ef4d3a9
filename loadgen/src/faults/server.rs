//! What is done to the server: it is killed, asked to end, or stopped for a while, and where it ended, started again in the same place.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::sync::Mutex;

use super::{Fault, Stopped, What};
use crate::clock;
use crate::cores::Cores;
use crate::server_flags::ServerFlags;
use crate::server_process::ServerProcess;

/// Longest wait for a server that was asked to end, before it is killed: more than any drain that it is likely to be given.
const DRAIN_BOUND: Duration = Duration::from_secs(60);

/// When a fault of the server was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerFault {
    /// Index of the fault.
    pub fault: usize,
    /// When it began.
    pub at: Instant,
    /// When it was over: the server listens again, or goes on.
    pub until: Instant,
}

/// The server that a run has started, and can start again.
#[derive(Debug, Clone)]
pub struct OwnServer {
    process: Arc<Mutex<Option<ServerProcess>>>,
    program: PathBuf,
    flags: ServerFlags,
    url: String,
    cores: Cores,
}

impl OwnServer {
    /// Takes over `process`, a feed-server that was started from `program` with `flags`, on its share of the `cores`.
    pub fn new(process: ServerProcess, program: PathBuf, flags: ServerFlags, cores: Cores) -> Self {
        let url = process.url.clone();
        Self { process: Arc::new(Mutex::new(Some(process))), program, flags, url, cores }
    }

    /// Ends it as [`ServerProcess::stop`] does, if it is there.
    pub async fn stop(self) -> anyhow::Result<()> {
        match self.process.lock().await.take() {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// Kills it, or asks it to end and waits for that, and starts it again where it was, `away` after it was told at the earliest.
    async fn restart(&self, is_gentle: bool, away: Option<Duration>) -> anyhow::Result<()> {
        let back = clock::now() + away.unwrap_or_default();
        let mut place = self.process.lock().await;
        let process = place.take().context("the server has ended before")?;
        if is_gentle { process.terminate(DRAIN_BOUND).await } else { process.kill().await }?;
        clock::sleep_until(back).await;
        let (_, address) = self.url.split_once("://").context("our own server says its URL when it starts")?;
        self.cores.lend_to_server()?;
        let started = ServerProcess::start_at(&self.program, address, &self.flags).await;
        self.cores.take_own()?;
        let process = started.with_context(|| format!("the server did not come back to {address}"))?;
        if process.url != self.url {
            bail!("the server came back at {} instead of {}", process.url, self.url);
        }
        *place = Some(process);
        Ok(())
    }

    async fn pid(&self) -> Option<u32> {
        self.process.lock().await.as_ref().map(|process| process.pid)
    }
}

/// Commits the `faults` of a server, in order of time, one after the other, the window beginning at `start`. `own` is the server if
/// the run started it and may end it; else `child` is its process if it is our child, `named` if somebody named it.
pub async fn commit(
    faults: Vec<Fault>,
    own: Option<OwnServer>,
    child: Option<u32>,
    named: Option<u32>,
    start: Instant,
) -> anyhow::Result<Vec<ServerFault>> {
    let mut due: Vec<(usize, Fault)> =
        faults.into_iter().enumerate().filter(|(_, fault)| fault.is_of_server()).collect();
    due.sort_by_key(|(_, fault)| fault.start());
    let mut committed = Vec::new();
    for (fault, asked) in due {
        clock::sleep_until(start + asked.start()).await;
        let at = clock::now();
        match (&asked.what, &own) {
            (What::RestartServer(away), Some(server)) => server.restart(false, *away).await,
            (What::DrainServer(away), Some(server)) => server.restart(true, *away).await,
            (What::PauseServer(length), _) => {
                let child = match &own {
                    Some(server) => server.pid().await,
                    None => child,
                };
                pause(child, named, *length).await
            }
            _ => unreachable!("that the run can start its server again is asked before it begins"),
        }
        .with_context(|| format!("the fault `{asked}` could not be committed"))?;
        committed.push(ServerFault { fault, at, until: clock::now() });
    }
    Ok(committed)
}

async fn pause(child: Option<u32>, named: Option<u32>, length: Duration) -> anyhow::Result<()> {
    let _stopped = match (child, named) {
        (Some(child), _) => Stopped::child(child)?,
        (None, Some(named)) => Stopped::tree(named)?,
        (None, None) => bail!("nobody knows the server's process"),
    };
    clock::sleep_until(clock::now() + length).await;
    Ok(())
}
