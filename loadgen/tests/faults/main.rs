//! Faults that a run commits on purpose, each on a real feed-server: who is hit, who comes back, what is lost, what is told.

mod behind_redis;
mod clients;
mod given_up;
#[path = "../../../servers/feed-server/tests/lab/redis.rs"]
#[allow(dead_code, reason = "these tests use their own part of it")]
mod redis;
mod refusals;
mod scenarios;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use results::{LoadedRun, load};
use support::{WIDE_BOUNDS, assert_valid, finish, loadgen, sibling, skip};
use tempfile::TempDir;

/// Clients of every run here.
const CLIENTS: u64 = 40;

/// A run over `transport` that lasts four seconds, with 20 notifications a second, unless `more` says otherwise.
fn run(transport: &str, faults: &[&str], more: &[&str]) -> LoadedRun {
    sibling("feed-server");
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("run");
    let (code, stdout, stderr) = finish(command(transport, faults, more).arg("--out").arg(&out));
    assert_valid(code, &out, &format!("{transport} {faults:?}: {stdout}{stderr}"));
    load(&out).unwrap()
}

fn command(transport: &str, faults: &[&str], more: &[&str]) -> Command {
    let mut command = loadgen();
    command.args(["run", "--transport", transport, "--seed", "3"]);
    for (flag, usual) in [
        ("--clients", "40"),
        ("--rate", "20"),
        ("--warmup", "300ms"),
        ("--settle", "100ms"),
        ("--poll-interval", "200ms"),
        ("--duration", "4s"),
        ("--drain", "8s"),
        ("--reconnect-first", "400ms"),
    ] {
        if !more.contains(&flag) {
            command.args([flag, usual]);
        }
    }
    command.args(WIDE_BOUNDS).args(more);
    for fault in faults {
        command.args(["--fault", fault]);
    }
    command
}

/// A feed-server of the test's own, with flags of its own.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        let mut child = sibling("feed-server")
            .args(["--listen", "127.0.0.1:0", "--exit-on-stdin-close"])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split("listening on ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let url = url.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// True when a file is there and not empty.
fn is_written(folder: &Path, name: &str) -> bool {
    std::fs::metadata(folder.join(name)).is_ok_and(|file| file.len() > 0)
}
