//! Output that nobody reads any more ends quietly; output that cannot be written is an error. The exit code is the command's own.

mod support;

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Stdio};

use support::stored_runs::rounds;
use support::{WIDE_BOUNDS, assert_ended, loadgen, sibling};

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A disk without room.
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// Its exit code and what it said on standard error.
fn end(command: &mut Command, stdout: Stdio) -> (i32, String) {
    let output = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// What is said where standard output has no room.
fn no_room(code: i32) -> String {
    format!(
        "error: cannot write to standard output: No space left on device (os error 28); the exit code would have been {code}\n"
    )
}

/// Asserts that `command` ends with `code` where nobody reads its output, and that a disk without room is told, with `code` or else 1.
fn assert_ends(mut command: impl FnMut() -> Command, code: i32) {
    assert_eq!(end(&mut command(), closed()), (code, String::new()), "{:?}", command());
    assert_eq!(end(&mut command(), full()), (code.max(1), no_room(code)), "{:?}", command());
}

fn with(words: &[&str]) -> Command {
    let mut command = loadgen();
    command.args(words);
    command
}

#[test]
fn help_and_versions_end_as_they_would() {
    let commands = ["run", "compare", "merge", "find-max", "diff", "check", "selftest"];
    for words in [vec!["--help"], vec!["--version"]].into_iter().chain(commands.map(|name| vec![name, "--help"])) {
        assert_ends(|| with(&words), 0);
    }
}

#[test]
fn a_diff_ends_with_what_it_found() {
    let place = tempfile::tempdir().unwrap();
    let before = rounds(place.path(), "before", &[1.0, 1.01, 0.99]);
    let after = rounds(place.path(), "after", &[1.3, 1.31, 1.29]);
    let diff = |a: &Path, b: &Path| with(&["diff", a.to_str().unwrap(), b.to_str().unwrap()]);
    assert_ends(|| diff(&before, &after), 4);
    assert_ends(|| diff(&after, &before), 0);
}

#[test]
fn a_run_whose_table_nobody_reads_is_kept_and_ends_with_its_own_code() {
    sibling("feed-server");
    for (stdout, code) in [(closed as fn() -> Stdio, 0), (full, 1)] {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("run");
        let words =
            ["run", "--transport", "ws", "--clients", "2", "--rate", "20", "--warmup", "100ms", "--settle", "100ms"];
        let mut command = with(&words);
        command.args(["--duration", "500ms"]).args(WIDE_BOUNDS).arg("--out").arg(&out);
        let (ended, stderr) = end(&mut command, stdout());
        assert_ended(ended, code, &out, &stderr);
        assert_eq!(stderr.contains("error: cannot write to standard output"), code == 1, "{stderr}");
    }
}

#[test]
fn a_comparison_goes_on_when_nobody_reads_its_rounds() {
    sibling("feed-server");
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("compare");
    let words =
        ["compare", "--transports", "ws,sse", "--rounds", "1", "--clients", "2", "--rate", "20", "--warmup", "100ms"];
    let mut command = with(&words);
    command.args(["--settle", "100ms", "--duration", "500ms"]).args(WIDE_BOUNDS).arg("--out").arg(&out);
    let (code, stderr) = end(&mut command, closed());
    assert_ended(code, 0, &out, &stderr);
    assert_eq!(results::load_all(&[out]).unwrap().len(), 2);
}

/// As when the terminal is gone, or `2>&1 | head -1`.
#[test]
fn a_run_goes_on_when_nobody_hears_it() {
    sibling("feed-server");
    for stderr in [closed as fn() -> Stdio, full] {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("run");
        let words =
            ["run", "--transport", "ws", "--workers", "2", "--clients", "4", "--rate", "20", "--warmup", "100ms"];
        let mut command = with(&words);
        command.args(["--settle", "100ms", "--duration", "1s"]).args(WIDE_BOUNDS).arg("--out").arg(&out);
        let status = command.stdout(closed()).stderr(stderr()).status().unwrap();
        assert_ended(status.code().unwrap(), 0, &out, "nobody hears it");
    }
}

#[test]
fn what_is_wrong_with_a_command_line_keeps_its_code_when_nobody_hears_it() {
    for words in [vec!["--nonsense"], vec!["run", "--scenario", "nonsense"], vec!["check", "--target", "chat"]] {
        let status = with(&words).stdout(closed()).stderr(closed()).status().unwrap();
        assert_eq!(status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn a_stub_serves_though_nobody_reads_where() {
    assert_ends(|| with(&["stub", "--exit-on-stdin-close"]), 0);
}
