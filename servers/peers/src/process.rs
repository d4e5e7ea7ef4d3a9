//! A peer as a child process: it ends with the test that started it.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::{PeerError, folder, set_up};

/// Longest wait for a peer to listen: interpreters take seconds on a busy machine.
const START_BOUND: Duration = Duration::from_secs(30);
/// Longest wait for a peer to end once it was asked to.
const STOP_BOUND: Duration = Duration::from_secs(10);
/// What stands before the address in the line that says that the peer is ready.
const READY: &str = "listening on ";

/// A peer that runs and listens.
#[derive(Debug)]
pub struct Peer {
    name: String,
    child: Child,
    /// Its base URL, `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Peer {
    /// Sets the peer `name` up and starts it with its defaults.
    ///
    /// # Errors
    /// As [`Peer::start_with`].
    pub async fn start(name: &str) -> Result<Self, PeerError> {
        Self::start_with(name, &[]).await
    }

    /// Sets the peer `name` up and starts it on a free port with these environment variables, which its README names.
    ///
    /// # Errors
    /// [`PeerError::CannotHave`] when this machine cannot have it; any other error is a fault of the peer.
    pub async fn start_with(name: &str, environment: &[(&str, &str)]) -> Result<Self, PeerError> {
        set_up(name).await?;
        let run = folder(name).join("run");
        let mut child = Command::new(&run)
            .current_dir(folder(name))
            .env("PORT", "0")
            .envs(environment.iter().map(|(key, value)| (OsStr::new(key), OsStr::new(value))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| PeerError::Spawn { program: run.display().to_string(), source })?;
        let mut lines = BufReader::new(child.stdout.take().expect("its standard output is piped"));
        let url = match tokio::time::timeout(START_BOUND, ready(&mut lines)).await {
            Ok(Ok(url)) => url,
            Ok(Err(said)) => {
                return Err(PeerError::Ended { name: name.to_owned(), status: end_of(&mut child).await, said });
            }
            Err(_) => return Err(PeerError::Silent { name: name.to_owned(), bound: START_BOUND }),
        };
        tokio::spawn(async move { tokio::io::copy(&mut lines, &mut tokio::io::sink()).await });
        Ok(Self { name: name.to_owned(), child, url })
    }

    /// Starts the peer for a test. Where this machine cannot have it, `SKIPPED peer NAME: reason` is printed and there is none.
    ///
    /// # Panics
    /// On every other error: the peer is at fault.
    pub async fn for_test(name: &str, environment: &[(&str, &str)]) -> Option<Self> {
        match Self::start_with(name, environment).await {
            Ok(peer) => Some(peer),
            Err(reason @ PeerError::CannotHave { .. }) => {
                skip(name, &reason);
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// The URL of a path with the scheme `ws`.
    pub fn ws(&self, path: &str) -> String {
        format!("{}{path}", self.url.replacen("http", "ws", 1))
    }

    /// The URL of a path with the scheme `http`.
    pub fn http(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The process id of the server.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether the server still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the peer by ending its standard input.
    ///
    /// # Errors
    /// [`PeerError::Endless`] if it goes on.
    pub async fn close_stdin(mut self) -> Result<ExitStatus, PeerError> {
        drop(self.child.stdin.take());
        self.ended("end of its standard input").await
    }

    /// Waits for the end of a peer that was sent a signal.
    ///
    /// # Errors
    /// [`PeerError::Endless`] if it goes on.
    pub async fn ended(&mut self, how: &'static str) -> Result<ExitStatus, PeerError> {
        match tokio::time::timeout(STOP_BOUND, self.child.wait()).await {
            Ok(Ok(status)) => Ok(status),
            _ => Err(PeerError::Endless { name: self.name.clone(), how, bound: STOP_BOUND }),
        }
    }
}

/// Says by name that a test is skipped, and why: the test whose thread this is, or all that need the peer `name`.
pub fn skip(name: &str, reason: &impl std::fmt::Display) {
    let test = crate::skip::current_test().unwrap_or_else(|| format!("peer {name}"));
    crate::skip::skipped(&test, &format!("peer {name}: {reason}"));
}

/// Reads until the line that names the address. The error is the last line of an output that ended before.
async fn ready(lines: &mut BufReader<ChildStdout>) -> Result<String, String> {
    let mut last = String::new();
    let mut line = String::new();
    while lines.read_line(&mut line).await.is_ok_and(|len| len > 0) {
        if let Some((_, url)) = line.split_once(READY) {
            return Ok(url.trim().to_owned());
        }
        line.trim().clone_into(&mut last);
        line.clear();
    }
    Err(last)
}

/// How a peer ended whose output did.
async fn end_of(child: &mut Child) -> String {
    match tokio::time::timeout(STOP_BOUND, child.wait()).await {
        Ok(Ok(status)) => status.to_string(),
        _ => "without output it runs on".to_owned(),
    }
}
