//! A Redis of the test's own, on a free port, which keeps nothing.

use std::net::TcpListener;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::bounded;

/// Tries to find a port that nobody else takes between our asking and Redis's.
const TRIES: usize = 5;

/// A Redis that runs until it is dropped.
pub(crate) struct Redis {
    _child: Child,
    /// Its URL, `redis://127.0.0.1:PORT`.
    pub(crate) url: String,
}

impl Redis {
    /// Starts it; `None` where the program is not installed.
    pub(crate) async fn start() -> Option<Self> {
        for _ in 0..TRIES {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
            let mut child = Command::new("redis-server")
                .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .ok()?;
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            while let Some(line) = bounded(lines.next_line()).await.unwrap() {
                if line.contains("Ready to accept connections") {
                    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                    return Some(Self { _child: child, url: format!("redis://127.0.0.1:{port}") });
                }
            }
        }
        panic!("redis-server did not start on any of {TRIES} ports");
    }
}
