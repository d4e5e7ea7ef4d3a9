//! What the tests share: the programs that were built, and how to run them.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this")]

#[path = "../../../servers/feed-server/tests/lab/skip.rs"]
pub mod skip;
pub mod stored_runs;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use results::{Run, load_all, load_search};

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

/// Bounds so wide that a slow machine does not make a run invalid: these tests are about what is told, not how fast. One bound is beyond
/// any flag: a publication must not be sent later than the next one is due. See [`assert_valid`].
pub const WIDE_BOUNDS: [&str; 6] = ["--max-send-lag", "10s", "--max-loop-lag", "10s", "--max-cpu", "64"];

/// The checks of a verdict that speak of nothing but how busy the machine was.
const BUSY: [&str; 2] = ["send-lag", "loop-lag"];

/// The usual bound on loop lag, which these tests widen, ns.
const BUSY_LAG_NS: u64 = 20_000_000;

/// The checks that speak against a run, but for those that speak of how busy the machine was.
pub fn reasons(run: &Run) -> Vec<&str> {
    let checks = run.verdict.reasons.iter().map(|reason| reason.check.as_str());
    // Where the machine was too busy for the generator, it was for the server of the test: of the few that are published here, one waits for an
    // answer that is late. On a machine that has time it is a reason like any other.
    let was_busy =
        checks.clone().any(|check| BUSY.contains(&check)) || run.measured.generator.loop_lag.p99_ns > BUSY_LAG_NS;
    let is_excused = |check: &str| BUSY.contains(&check) || was_busy && check == "publish-connections";
    checks.filter(|check| !is_excused(check)).collect()
}

/// True of a run that nothing speaks against but that the machine was busy.
pub fn is_sound(run: &Run) -> bool {
    reasons(run).is_empty()
}

/// True when something does, and all that does is that the machine was busy, for all runs of the run, comparison or search in `out`.
fn was_disturbed(out: &Path) -> bool {
    let runs = match load_search(out) {
        Ok(Some((_, runs))) => runs,
        _ => load_all(&[out.to_owned()]).unwrap_or_default(),
    };
    runs.iter().all(|run| is_sound(&run.run)) && runs.iter().any(|run| !run.run.verdict.is_valid())
}

/// Runs a command that writes to `out` to its end, as [`finish`] does; again, five times at most, while its runs are invalid for nothing but
/// that the machine was busy. For what cannot be told of such a run: a comparison, a search.
pub fn finish_undisturbed(command: &mut Command, out: &Path) -> (i32, String, String) {
    for _ in 0..4 {
        let ended = finish(command);
        if !was_disturbed(out) {
            return ended;
        }
        std::fs::remove_dir_all(out).expect("it was written");
    }
    finish(command)
}

/// Asserts that the run or comparison in `out` ended with `code` 0, or with 3 for nothing but that the machine was busy, which is not what a
/// test of something else is about. `told` is what to print if not.
pub fn assert_valid(code: i32, out: &Path, told: &str) {
    assert_ended(code, 0, out, told);
}

/// The same of a command that ends with `expected` where the machine has time.
pub fn assert_ended(code: i32, expected: i32, out: &Path, told: &str) {
    assert!(code == expected || code == 3, "exit code {code}, not {expected}: {told}");
    let runs = load_all(&[out.to_owned()]).unwrap_or_else(|error| panic!("{error}: {told}"));
    assert!(!runs.is_empty() && runs.iter().all(|run| is_sound(&run.run)), "{told}");
}

/// Reads the lines of a run's progress until it has measured for some time. Its first line of the window comes when nothing was due yet.
pub fn await_measured(lines: &mut impl Iterator<Item = String>) {
    lines.find(|line| line.contains("measure")).expect("the window begins");
    lines.find(|line| line.contains("measure") && line.contains("p50")).expect("it measures");
}

/// Puts a program at another path: a link where that is possible, else a copy.
pub fn place(program: &Path, at: &Path) {
    std::fs::hard_link(program, at).or_else(|_| std::fs::copy(program, at).map(|_| ())).unwrap();
}

/// Runs a command to its end; its exit code, standard output and standard error.
pub fn finish(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program speaks UTF-8");
    (status.code().expect("it was not killed"), text(stdout), text(stderr))
}
