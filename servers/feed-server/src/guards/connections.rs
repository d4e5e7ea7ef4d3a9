//! The bound on connections: one more is answered with 503 and closed, a few of those at a time, and the others only closed.

use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::time::timeout;

use super::count::Guard;
use crate::refusal::Refusal;
use crate::socket::Socket;

/// Connections that are being turned away at a time; when there are as many, the next is closed at once, without
/// an answer; both are counted.
pub(crate) const TURNED_AWAY_AT_ONCE: usize = 16;
/// How long a client may take to ask before it is told anyway.
const PATIENCE: Duration = Duration::from_secs(1);
/// Files that are open anyway: stdio, the listener, epoll, /proc, and the connections that are being turned away.
const SPARE_FILES: u64 = 64;

/// Raises the limit of open files as far as it goes, and says how many connections fit.
pub(crate) fn bound(asked: Option<u32>) -> anyhow::Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
            .context("cannot raise the limit of open files to the hard limit")?;
    }
    let files = limit.maximum.unwrap_or(u64::MAX);
    let fit = files.saturating_sub(SPARE_FILES);
    match asked {
        _ if fit == 0 => bail!(
            "the limit of {files} open files leaves no room for a connection: raise it (ulimit -Hn) to more than {SPARE_FILES}"
        ),
        Some(asked) if u64::from(asked) > fit => bail!(
            "--connections-max {asked} does not fit into the limit of {files} open files: ask for at most {fit}, or raise \
             the limit (ulimit -Hn) to {}",
            u64::from(asked) + SPARE_FILES
        ),
        Some(asked) => Ok(asked as usize),
        None => Ok(usize::try_from(fit).unwrap_or(usize::MAX)),
    }
}

/// 503, for it is the server that is full.
pub(crate) fn refusal(max: usize) -> Refusal {
    Refusal::overloaded(format!("{max} connections are open already: come back later")).by(Guard::ConnectionsMax)
}

/// Answers a request without looking at it; some clients take an answer to no request for a fault.
pub(crate) async fn turn_away(mut socket: Socket, refusal: Refusal) {
    let _ = timeout(PATIENCE, socket.ready(Interest::READABLE)).await;
    if socket.write_all(&refusal.last_answer()).await.is_ok() {
        socket.linger().await;
    }
}
