//! Commands of several runs, with real processes: a transport against itself, searches and their ends, JUnit files.

mod support;

use std::path::Path;

use results::{COMPARISON_FILE, Comparison, SearchEnding, StepFinding, load_search};
use support::{WIDE_BOUNDS, finish, finish_undisturbed, loadgen, sibling};

/// A load of a moment. So low a rate that a machine has to be very busy to send a notification after the next is due.
const BRIEF: [&str; 8] = ["--duration", "1s", "--warmup", "100ms", "--settle", "100ms", "--rate", "4"];

fn command(words: &[&str], out: &Path) -> std::process::Command {
    sibling("feed-server");
    let mut command = loadgen();
    command.args(words).args(BRIEF).args(WIDE_BOUNDS).arg("--out").arg(out);
    command
}

#[test]
fn a_transport_against_itself_is_told_as_two_contenders_and_reported_as_two() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("compare");
    let words = ["compare", "--transports", "ws,ws", "--rounds", "2", "--clients", "10"];
    let (code, stdout, stderr) = finish_undisturbed(&mut command(&words, &out), &out);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("ws (1)      2/2") && stdout.contains("ws (1) - ws (2)\n"), "{stdout}");
    assert!(stdout.contains("not distinguishable"), "{stdout}");

    let text = std::fs::read(out.join(COMPARISON_FILE)).unwrap();
    let comparison: Comparison = serde_json::from_slice(&text).unwrap();
    let runs: Vec<_> = comparison.runs.iter().map(|run| (run.contender(), run.folder.as_str())).collect();
    let first = [("ws (1)", "round-1-ws-1"), ("ws (2)", "round-1-ws-2")];
    let second = [("ws (2)", "round-2-ws-2"), ("ws (1)", "round-2-ws-1")];
    assert_eq!(runs, [first, second].concat(), "the second round is mirrored");

    let report = place.path().join("report");
    let (code, stdout, stderr) = finish(sibling("report").arg(&out).arg("--out").arg(&report));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let summary = std::fs::read_to_string(report.join("summary.csv")).unwrap();
    assert!(summary.contains("\nws (1),ws,") && summary.contains("\nws (2),ws,"), "{summary}");
}

#[test]
fn a_search_that_nothing_stops_ends_at_its_most_and_can_be_reported() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("search");
    let words = ["find-max", "--transport", "sse", "--vary", "clients", "--clients", "4", "--most", "8"];
    let (code, stdout, stderr) = finish_undisturbed(command(&words, &out).args(["--slo", "p99<60s,lost==0"]), &out);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let stdout = stdout.replace('\n', " ");
    assert!(stdout.contains("sse holds p99<60s, lost==0 up to 8 clients, the most that was allowed"), "{stdout}");
    let (search, runs) = load_search(&out).unwrap().unwrap();
    assert_eq!((search.ending, search.highest_that_holds(), runs.len()), (SearchEnding::NotReached, Some(8.0), 3));
    let loads: Vec<f64> = search.steps.iter().map(|step| step.load).collect();
    assert_eq!(loads, [4.0, 8.0, 8.0], "the highest that holds is confirmed as one that does not would be");

    let report = place.path().join("report");
    let (code, stdout, stderr) = finish(sibling("report").arg(&out).arg("--out").arg(&report));
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(report.join("search.png").is_file());
}

#[test]
fn a_search_in_which_nothing_holds_says_so() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("search");
    let words = ["find-max", "--transport", "sse", "--vary", "clients", "--clients", "1"];
    let (code, stdout, stderr) = finish_undisturbed(command(&words, &out).args(["--slo", "p99<1ns"]), &out);
    assert_eq!(code, 4, "{stdout}{stderr}");
    assert!(stdout.contains("sse does not hold p99<1ns at 1 client ("), "{stdout}");
    let (search, _) = load_search(&out).unwrap().unwrap();
    assert_eq!(search.steps.len(), 2, "a load is broken when two runs agree");
}

#[test]
fn an_invalid_step_ends_a_search_without_a_number() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("search");
    let words = ["find-max", "--transport", "sse", "--vary", "clients", "--clients", "4"];
    let mut search = loadgen();
    search.args(words).args(BRIEF).args(["--slo", "lost==0", "--max-cpu", "0.000001"]).arg("--out").arg(&out);
    let (code, stdout, stderr) = finish(&mut search);
    assert_eq!(code, 3, "{stdout}{stderr}");
    // Prose is broken into lines at blanks.
    let stdout = stdout.replace('\n', " ");
    let told = "The search ended without a limit: at 4 clients the measurement is invalid (";
    assert!(stdout.contains(told) && stdout.contains("generator-cpu"), "{stdout}");
    assert!(stdout.contains("The generator was the limit there"), "{stdout}");
    let (search, _) = load_search(&out).unwrap().unwrap();
    let findings: Vec<_> = search.steps.iter().map(|step| step.finding).collect();
    assert_eq!(findings, [StepFinding::Invalid], "one is enough");
}

#[test]
fn a_failed_assertion_is_a_failure_in_the_junit_file_and_a_code() {
    let place = tempfile::tempdir().unwrap();
    let (junit, out) = (place.path().join("junit.xml"), place.path().join("run"));
    let words = ["run", "--transport", "ws", "--clients", "4", "--assert", "p99<1ns", "--assert", "lost==0"];
    let (code, stdout, stderr) = finish_undisturbed(command(&words, &out).arg("--junit").arg(&junit), &out);
    assert_eq!(code, 4, "{stdout}{stderr}");
    let document = std::fs::read_to_string(&junit).unwrap();
    assert!(document.contains(r#"<testsuites tests="3" failures="1" errors="0""#), "{document}");
    assert!(document.contains(r#"name="p99&lt;1ns"><failure message="p99&lt;1ns does not hold: "#), "{document}");
}

#[test]
fn a_junit_file_that_cannot_be_written_is_said_before_the_run() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("run");
    let missing = place.path().join("missing/junit.xml");
    let (code, _, stderr) = finish(command(&["run", "--transport", "ws"], &out).arg("--junit").arg(&missing));
    assert!(code == 1 && stderr.contains("cannot write the JUnit file"), "{stderr}");
    assert!(!out.exists());
}
