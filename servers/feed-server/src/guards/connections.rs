//! The bound on connections: one more is answered with 503 and closed, a few of those at a time, and the others only closed.

use std::time::Duration;

use anyhow::{Context, bail};
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::time::timeout;

use crate::refusal::Refusal;
use crate::socket::Socket;
use crate::takeover;

/// Connections that are being turned away at a time; when there are as many, the next is closed at once, without
/// an answer; both count as `connections-max`.
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
        Some(asked) if u64::from(asked) > fit => bail!(
            "--connections-max {asked} does not fit into the limit of {files} open files: ask for at most {fit}, or raise \
             the limit (ulimit -Hn) to {}",
            u64::from(asked) + SPARE_FILES
        ),
        Some(asked) => Ok(asked as usize),
        None => Ok(usize::try_from(fit).unwrap_or(usize::MAX)),
    }
}

/// Answers a request without looking at it; some clients take an answer to no request for a fault.
pub(crate) async fn turn_away(mut socket: Socket, max: usize) {
    let _ = timeout(PATIENCE, socket.ready(Interest::READABLE)).await;
    let refusal = Refusal::overloaded(format!("{max} connections are open already: come back later"));
    let body = refusal.body();
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CONTENT_LENGTH, body.len().into()),
        (RETRY_AFTER, HeaderValue::from_static("1")),
        (CONNECTION, HeaderValue::from_static("close")),
    ];
    let mut answer = takeover::head(StatusCode::SERVICE_UNAVAILABLE, &headers.into_iter().collect());
    answer.extend_from_slice(body.as_bytes());
    if socket.write_all(&answer).await.is_ok() {
        socket.linger().await;
    }
}
