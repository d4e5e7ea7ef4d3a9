//! Several processes that one command starts: one table, one verdict, and nobody left behind.

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use results::{Ending, load};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use support::skip::skipped;
use support::{WIDE_BOUNDS, assert_ended, assert_valid, await_measured, finish, loadgen, sibling};

fn two_workers(out: &Path, duration: &str) -> Command {
    sibling("feed-server");
    let mut command = loadgen();
    command
        .args(["run", "--transport", "ws", "--workers", "2", "--clients", "30", "--rate", "20", "--duration", duration])
        .args(["--warmup", "500ms", "--settle", "200ms"])
        .args(WIDE_BOUNDS)
        .arg("--out")
        .arg(out);
    command
}

/// Starts one, and waits until it measures; its workers, and the rest of its progress lines.
fn measuring(out: &Path) -> (Child, Vec<Pid>, impl Iterator<Item = String> + use<>) {
    let mut child = two_workers(out, "1min").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    await_measured(&mut lines);
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    let is_worker = |pid: &i32| {
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.contains("--shard")
    };
    let pids = children.split_whitespace().map(|pid| pid.parse().unwrap()).filter(is_worker);
    let workers: Vec<Pid> = pids.map(|pid| Pid::from_raw(pid).unwrap()).collect();
    assert_eq!(workers.len(), 2, "{children}");
    (child, workers, lines)
}

/// Waits, for a bounded time, until none of them is there.
fn assert_gone(workers: &[Pid]) {
    let bound = SystemTime::now() + Duration::from_secs(10);
    while workers.iter().any(|pid| test_kill_process(*pid).is_ok()) {
        assert!(SystemTime::now() < bound, "a worker was left behind");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_workers_are_one_run_with_one_table_and_books_that_the_server_agrees_with() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("run");
    let words = ["--assert", "lost==0", "--assert", "p99<60s"];
    let (code, stdout, stderr) = finish(two_workers(&out, "3s").args(words));
    assert_valid(code, &out, &format!("{stdout}{stderr}"));
    let is_valid = load(&out).unwrap().run.verdict.is_valid();
    assert_eq!(stdout.matches("verdict valid").count(), usize::from(is_valid), "one table: {stdout}");
    assert!(stdout.contains("shard 2/2"), "{stdout}");
    assert!(stderr.contains("ws, 2 workers: measure"), "{stderr}");

    let loaded = load(&out).unwrap();
    let (run, measured) = (&loaded.run, &loaded.run.measured);
    let books = &measured.deliveries;
    assert_eq!((books.expected, books.delivered, books.lost, books.duplicated), (1800, 1800, 0, 0));
    assert_eq!((run.asked.url.as_ref(), run.asked.clients, run.shards.len()), (None, 30, 2));
    assert_eq!(measured.latency.count, 900, "half of what each client received is its own worker's");
    assert!(measured.reconciliation.len() >= 7, "{:?}", measured.reconciliation);
    for row in &measured.reconciliation {
        assert_eq!(row.generator, row.server, "{}", row.quantity);
    }
    assert_eq!(measured.server.as_ref().expect("our own server tells").open_at_end, Some(30));
    assert_eq!(run.assertions.len(), 2);

    let report = place.path().join("report");
    let (code, stdout, stderr) = finish(sibling("report").arg(&out).arg("--out").arg(&report));
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(std::fs::read_to_string(report.join("summary.csv")).unwrap().contains("1800"));
}

#[test]
fn a_worker_that_dies_ends_the_run_with_its_name_and_takes_nobody_along() {
    let place = tempfile::tempdir().unwrap();
    let (child, workers, lines) = measuring(&place.path().join("run"));
    kill_process(workers[1], Signal::KILL).unwrap();
    let told: Vec<String> = lines.collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{told:?}");
    let error = told.iter().find(|line| line.starts_with("error:")).expect("it says so");
    assert!(error.contains("worker ") && error.contains("/2 ended with signal: 9"), "{error}");
    assert_gone(&workers);
}

#[test]
fn ctrl_c_ends_all_workers_and_keeps_what_they_measured() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("run");
    let (child, workers, lines) = measuring(&out);
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_ended(output.status.code().expect("it was not killed"), 1, &out, &stdout);
    assert!(stdout.trim_start().starts_with("INTERRUPTED"), "{stdout}");
    assert_gone(&workers);
    let run = load(&out).unwrap().run;
    assert_eq!((run.ending, run.shards.len()), (Ending::Interrupted, 2));
    let books = &run.measured.deliveries;
    assert!(books.delivered > 0 && books.lost == 0, "{books:?}");
}

#[test]
fn who_stops_first_stays_for_what_the_others_still_publish() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("run");
    let (child, workers, lines) = measuring(&out);
    // One of them hears of the end half a second later, and publishes first what was due meanwhile.
    kill_process(workers[1], Signal::STOP).unwrap();
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    kill_process(workers[1], Signal::CONT).unwrap();
    lines.for_each(drop);
    let stdout = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let run = load(&out).unwrap().run;
    // Half a second of send lag is what it should be called.
    assert!(!run.verdict.is_valid() && run.verdict.reasons[0].check == "send-lag", "{stdout}");
    assert_eq!((run.ending, run.measured.deliveries.lost), (Ending::Interrupted, 0), "{stdout}");
}

#[test]
fn workers_are_not_left_behind_by_a_leader_that_is_killed() {
    let place = tempfile::tempdir().unwrap();
    let (mut child, workers, _lines) = measuring(&place.path().join("run"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_gone(&workers);
}

#[test]
fn more_clients_than_one_server_or_one_worker_has_room_for_are_refused_with_a_way_out() {
    let place = tempfile::tempdir().unwrap();
    let refused = |words: &[&str]| {
        let mut command = loadgen();
        command.args(["run", "--transport", "ws", "--clients", "1000000", "--rate", "10"]).args(words);
        let (code, _, stderr) = finish(command.arg("--out").arg(place.path().join("run")));
        assert_eq!(code, 1, "{stderr}");
        stderr
    };
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    if limit.is_none_or(|limit| limit > 1_000_000) {
        return skipped(
            "more_clients_than_one_server_or_one_worker_has_room_for_are_refused_with_a_way_out",
            "this machine has room for a million descriptors a process",
        );
    }
    assert!(refused(&[]).contains("(--workers)"));
    assert!(refused(&["--workers", "64"]).contains("one server would hold all of them"));
}
