//! Ctrl-c ends a run cleanly: what was measured is kept and marked, and no server is left behind.

mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use results::{Ending, load};
use support::{WIDE_BOUNDS, loadgen, sibling};

#[test]
fn what_was_measured_until_ctrl_c_is_kept_and_marked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    sibling("feed-server");
    let mut child = loadgen()
        .args([
            "run",
            "--transport",
            "ws",
            "--clients",
            "5",
            "--rate",
            "20",
            "--duration",
            "10min",
            "--warmup",
            "200ms",
        ])
        .args(WIDE_BOUNDS)
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The progress lines say when there is something measured to keep.
    let progress = BufReader::new(child.stderr.take().unwrap());
    let mut lines = progress.lines().map(Result::unwrap);
    lines.find(|line| line.contains("measure") && line.contains("p50")).expect("it measures");
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.trim_start().starts_with("INTERRUPTED"), "{stdout}");
    assert_eq!(output.status.code(), Some(1), "{stdout}");

    let run = load(&out).unwrap().run;
    assert_eq!(run.ending, Ending::Interrupted);
    let books = &run.measured.deliveries;
    assert!(books.delivered > 0 && books.lost == 0, "{books:?}");
    assert_eq!(books.delivered, run.measured.latency.count);
}
