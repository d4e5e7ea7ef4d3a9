//! What the tests share: the programs that were built, and how to run them.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this")]

pub mod stored_runs;

use std::path::PathBuf;
use std::process::{Command, Output};

/// The generator under test.
pub fn loadgen() -> Command {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
}

/// Another program of the workspace, which a build of the whole workspace leaves beside ours.
pub fn sibling(name: &str) -> Command {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_loadgen")).with_file_name(name);
    assert!(path.is_file(), "{} is missing: build it first with `cargo build --workspace`", path.display());
    Command::new(path)
}

/// Bounds so wide that a slow machine does not make a run invalid: these tests are about what is told, not how fast.
pub const WIDE_BOUNDS: [&str; 6] = ["--max-send-lag", "10s", "--max-loop-lag", "10s", "--max-cpu", "64"];

/// Runs a command to its end; its exit code, standard output and standard error.
pub fn finish(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program speaks UTF-8");
    (status.code().expect("it was not killed"), text(stdout), text(stderr))
}
