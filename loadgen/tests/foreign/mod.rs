//! Servers that are no feed, each as small as its kind can be, and how to measure them.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this")]

pub mod chat;
pub mod doubled;
pub mod events;
pub mod gated;
pub mod hosted;
pub mod late;
pub mod odd_posts;
pub mod partial;
pub mod raw;
pub mod rest;
pub mod rude;
pub mod sayers;

use std::path::{Path, PathBuf};
use std::process::Command;

use results::Run;

use crate::support::{WIDE_BOUNDS, assert_valid, finish, loadgen};

/// A target file of the examples.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("targets/examples/{name}.toml"))
}

/// What a run left behind.
pub struct Measured {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub out: PathBuf,
    _folder: tempfile::TempDir,
}

impl Measured {
    /// The run; nothing may speak against it but that the machine was busy.
    pub fn run(&self) -> Run {
        assert_valid(self.code, &self.out, &format!("{}{}", self.stdout, self.stderr));
        results::load(&self.out).unwrap().run
    }

    /// The run, of which nothing may be lost, repeated or swapped: `clients` times what was due.
    pub fn exact(&self, clients: u64) -> Run {
        let run = self.run();
        let books = &run.measured.deliveries;
        let expected = run.measured.published.due * clients;
        assert!(expected > 0);
        assert_eq!((books.expected, books.delivered), (expected, expected), "{books:?}");
        assert_eq!((books.lost, books.duplicated, books.reordered, books.late), (0, 0, 0, 0));
        assert_eq!(run.measured.published.accepted, run.measured.published.due);
        run
    }

    /// All that it said and wrote.
    pub fn everything(&self) -> String {
        let file = |name: &str| std::fs::read_to_string(self.out.join(name)).unwrap_or_default();
        [&self.stdout, &self.stderr, &file("run.json"), &file("series.csv"), &file("latency.hlog")]
            .map(String::as_str)
            .join("\n")
    }
}

/// A run of a moment of 12 clients: 14 notifications, 12 of them in the window. So low a rate that a busy machine does not send
/// one after the next is due, which would make the run invalid.
pub fn short_run(words: &[&str]) -> (Command, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = loadgen();
    command.env_remove("WIRELAB_TOKEN").arg("run").args(words);
    command.args(["--clients", "12", "--rate", "4", "--warmup", "500ms", "--settle", "200ms", "--duration", "3s"]);
    command.args(["--poll-interval", "200ms", "--connect-rate", "200", "--pin", "off"]).args(WIDE_BOUNDS);
    command.arg("--out").arg(folder.path().join("run"));
    (command, folder)
}

/// Carries it out while this thread's servers go on.
pub async fn measure(words: &[&str]) -> Measured {
    let (command, folder) = short_run(words);
    carry_out(command, folder).await
}

/// Carries a command out while this thread's servers go on.
pub async fn carry_out(mut command: Command, folder: tempfile::TempDir) -> Measured {
    let (code, stdout, stderr) = tokio::task::spawn_blocking(move || finish(&mut command)).await.unwrap();
    Measured { code, stdout, stderr, out: folder.path().join("run"), _folder: folder }
}
