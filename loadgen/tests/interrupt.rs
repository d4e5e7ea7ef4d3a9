//! Ctrl-c ends a run cleanly: what was measured is kept and marked, what is no whole run is in no comparison, and no server is left behind.

mod foreign;
mod support;

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use foreign::{example, late, short_run};
use results::{COMPARISON_FILE, Comparison, Ending, load};
use rustix::process::{Pid, Signal, kill_process};
use support::{WIDE_BOUNDS, assert_ended, loadgen, sibling};

/// Starts loadgen with `words`, interrupts it at the first line of progress that `is_time`, and returns its exit code and what it printed.
fn interrupt(words: &[&str], out: &Path, is_time: impl Fn(&str) -> bool) -> (i32, String) {
    sibling("feed-server");
    let mut command = loadgen();
    command.args(words).args(["--clients", "5", "--rate", "20", "--warmup", "200ms"]).args(WIDE_BOUNDS);
    let mut child =
        command.arg("--out").arg(out).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| is_time(line)).expect("the time comes");
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    (output.status.code().expect("it was not killed"), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_was_measured_until_ctrl_c_is_kept_and_marked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let words = ["run", "--transport", "ws", "--duration", "10min"];
    // The progress lines say when there is something measured to keep: the first of the window comes when nothing was due yet.
    let seen = Cell::new(0);
    let (code, stdout) = interrupt(&words, &out, |line| {
        line.contains("measure") && seen.replace(seen.get() + 1) > 0 && line.contains("p50")
    });
    assert!(stdout.trim_start().starts_with("INTERRUPTED"), "{stdout}");
    assert_ended(code, 1, &out, &stdout);

    let run = load(&out).unwrap().run;
    assert_eq!(run.ending, Ending::Interrupted);
    let books = &run.measured.deliveries;
    assert!(books.delivered > 0 && books.lost == 0, "{books:?}");
    assert_eq!(books.delivered, run.measured.latency.count);
}

#[test]
fn a_round_that_ctrl_c_cuts_short_is_in_no_comparison() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("compare");
    let words = ["compare", "--transports", "ws,sse", "--rounds", "1", "--duration", "3s", "--settle", "100ms"];
    let (code, stdout) = interrupt(&words, &out, |line| line.starts_with("round 1/1 sse: measure"));
    assert_ended(code, 1, &out, &stdout);
    assert!(stdout.contains("round 1 sse          interrupted: left out"), "{stdout}");

    let comparison: Comparison = serde_json::from_slice(&std::fs::read(out.join(COMPARISON_FILE)).unwrap()).unwrap();
    let folders: Vec<_> = comparison.runs.iter().map(|run| run.folder.as_str()).collect();
    assert_eq!(folders, ["round-1-ws"]);
    assert!(stdout.contains("sse         0/0"), "{stdout}");
    assert_eq!(load(&out.join("round-1-sse")).unwrap().run.ending, Ending::Interrupted, "what was measured is kept");
}

#[tokio::test]
async fn what_is_under_way_at_ctrl_c_is_waited_for() {
    let (target, url) = (example("rest"), late::serve(usize::MAX).await);
    let words = ["--transport", "short-poll", "--target", target.to_str().unwrap(), "--url", &url];
    let (mut command, folder) = short_run(&words);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        lines.find(|line| line.contains(" measure ")).expect("it measures");
        // Not waiting for something to happen: this is how much of the window is measured.
        std::thread::sleep(late::DELAY * 2);
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
        lines.for_each(drop);
        child.wait().unwrap()
    });
    let (code, out) = (ended.await.unwrap().code().expect("it was not killed"), folder.path().join("run"));
    assert_ended(code, 1, &out, "what was measured is kept");
    let run = load(&out).unwrap().run;
    let books = &run.measured.deliveries;
    assert!(run.ending == Ending::Interrupted && books.delivered >= 24, "{books:?}");
    assert_eq!((books.lost, books.late), (0, 0), "two or three were under way: {books:?}");
}
