//! From a command line to a rendered report, with real processes and real sockets, and back again from what was written.

mod support;

use std::path::Path;

use results::{Ending, load};
use support::{WIDE_BOUNDS, assert_ended, assert_valid, finish, loadgen, reasons, sibling};

/// A run of a moment; its bounds are the caller's.
fn short_run(transport: &str, out: &Path, duration: &str) -> std::process::Command {
    sibling("feed-server");
    let mut command = loadgen();
    command
        .args(["run", "--transport", transport, "--clients", "40", "--rate", "10", "--payload", "150"])
        .args(["--warmup", "500ms", "--settle", "200ms", "--poll-interval", "400ms", "--duration", duration])
        .args(["--seed", "5", "--out"])
        .arg(out);
    command
}

#[test]
fn a_run_of_every_transport_ends_in_a_report_whose_numbers_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let transports = ["short-poll", "long-poll", "sse", "ws"];
    let runs: Vec<_> = transports.iter().map(|transport| folder.path().join(transport)).collect();
    for (transport, out) in transports.iter().zip(&runs) {
        let (code, stdout, stderr) = finish(short_run(transport, out, "3s").args(WIDE_BOUNDS));
        assert_valid(code, out, &format!("{transport}: {stdout}{stderr}"));
        assert!(stdout.contains("verdict valid") == (code == 0) && stdout.contains("lost 0"), "{stdout}");

        let loaded = load(out).unwrap();
        let (run, measured) = (&loaded.run, &loaded.run.measured);
        assert_eq!((run.asked.transport.as_str(), run.ending), (*transport, Ending::Complete));
        let books = &measured.deliveries;
        assert_eq!((books.expected, books.delivered, books.lost, books.duplicated), (1200, 1200, 0, 0), "{transport}");
        assert_eq!((measured.published.due, measured.published.accepted), (30, 30));
        assert_eq!(measured.latency.count, 1200);
        let logged: u64 = loaded.latency.iter().map(|span| span.histogram.len()).sum();
        assert_eq!(logged, 1200, "the log holds every delivery of the window once");
        assert_eq!(measured.bytes.received.payload, measured.bytes.deliveries * 150);
        assert!(measured.bytes.received.framing > 0);
        assert_eq!(measured.polls.is_some(), transport.ends_with("poll"));
        assert_eq!(measured.foreign, if transport.ends_with("poll") { None } else { Some(0) });
        let turns = measured.generator.turn_wait.as_ref().map(|wait| wait.count > 0);
        assert_eq!(turns, (*transport == "long-poll").then_some(true), "who polls again waits for its turn");
        assert_eq!(measured.connections.opened, 40);
        let server = measured.server.as_ref().expect("our own server tells its cost");
        assert_eq!(server.open_at_end, Some(40), "{transport}: the server counts the same connections");
        let by_process = server.cpu_by_process_s.expect("its process is our child");
        assert!((by_process - server.cpu_s).abs() < 0.01, "{transport}: {by_process} s and {} s", server.cpu_s);
        if let Some((user, system)) = server.cpu_user_s.zip(server.cpu_system_s) {
            assert!(
                (user + system - by_process).abs() < 1e-6,
                "{transport}: {user} s and {system} s of {by_process} s"
            );
        }
        let own = &measured.generator;
        let both = own.cpu_user_s.unwrap() + own.cpu_system_s.unwrap();
        assert!((both - own.cpu_s).abs() < 1e-6 && own.cpu_s > 0.0, "{transport}: {both} s and {} s", own.cpu_s);
        assert!(measured.reconciliation.len() >= 7, "{transport}: {:?}", measured.reconciliation);
        for row in &measured.reconciliation {
            assert_eq!(row.generator, row.server, "{transport}: {}", row.quantity);
        }
        let rows: Vec<_> = loaded.series.iter().map(|row| (row.phase.as_ref(), row.at_s, row.open)).collect();
        assert!(rows.iter().any(|(phase, _, open)| (*phase, *open) == ("measure", 40)), "{transport}: {rows:?}");
    }

    let report = folder.path().join("report");
    let (code, stdout, stderr) = finish(sibling("report").args(&runs).arg("--out").arg(&report));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let summary = std::fs::read_to_string(report.join("summary.csv")).unwrap();
    for (transport, out) in transports.iter().zip(&runs) {
        let p50_us = load(out).unwrap().run.measured.latency.p50_ns as f64 / 1e3;
        let header: Vec<&str> = summary.lines().next().unwrap().split(',').collect();
        let row: Vec<&str> = summary.lines().find(|line| line.starts_with(transport)).unwrap().split(',').collect();
        let cell = |name: &str| row[header.iter().position(|column| *column == name).unwrap()];
        assert_eq!((cell("expected"), cell("lost")), ("1200", "0"));
        assert_eq!(cell("verdict") == "valid", load(out).unwrap().run.verdict.is_valid(), "{}", cell("verdict"));
        let reported: f64 = cell("p50_us").parse().unwrap();
        assert!((reported - p50_us).abs() <= p50_us * 0.002, "{transport}: {reported} against {p50_us}");
    }
    let page = std::fs::read_to_string(report.join("index.html")).unwrap();
    assert!(transports.iter().all(|transport| page.contains(transport)));
    assert!(report.join("latency_percentiles.png").is_file());
}

#[test]
fn an_assertion_that_fails_is_exit_code_four_and_in_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut command = short_run("ws", &out, "1s");
    let (code, stdout, _) = finish(command.args(WIDE_BOUNDS).args(["--assert", "p50<1ns", "--assert", "lost==0"]));
    assert_ended(code, 4, &out, &stdout);
    assert!(stdout.contains("p50<1ns FAILED") && stdout.contains("lost==0 holds: 0"), "{stdout}");
    let assertions = load(&out).unwrap().run.assertions;
    assert_eq!(assertions.iter().map(|assertion| assertion.holds).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn an_invalid_run_says_so_first_and_ends_with_three() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let (code, stdout, _) = finish(short_run("sse", &out, "1s").args(&WIDE_BOUNDS[..4]).args(["--max-cpu", "0"]));
    assert_eq!(code, 3, "{stdout}");
    assert!(stdout.trim_start().starts_with("INVALID MEASUREMENT"), "{stdout}");
    assert!(stdout.contains("generator-cpu"), "{stdout}");
    assert_eq!(reasons(&load(&out).unwrap().run), ["generator-cpu"]);
}

#[test]
fn many_topics_and_poisson_arrivals_are_accounted_for_as_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let words = ["--topics", "7", "--arrival", "poisson", "--rate", "5", "--duration", "2s"];
    let mut command = loadgen();
    command.args(["run", "--transport", "ws", "--clients", "40", "--warmup", "500ms", "--settle", "0s", "--out"]);
    let (code, stdout, stderr) = finish(command.arg(&out).args(words).args(WIDE_BOUNDS));
    assert_valid(code, &out, &format!("{stdout}{stderr}"));
    let measured = load(&out).unwrap().run.measured;
    assert_eq!(measured.deliveries.lost + measured.deliveries.duplicated, 0);
    assert_eq!(measured.deliveries.delivered, measured.latency.count);
    assert!(measured.deliveries.expected > measured.published.accepted, "each has several subscribers");
}

#[test]
fn a_comparison_runs_every_second_round_mirrored_and_keeps_all_runs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("comparison");
    sibling("feed-server");
    let mut command = loadgen();
    command.args(["compare", "--transports", "sse,ws", "--rounds", "2", "--clients", "10", "--rate", "10"]);
    command.args(["--duration", "1s", "--warmup", "200ms", "--settle", "0s"]).args(WIDE_BOUNDS);
    let (code, stdout, stderr) = finish(command.arg("--out").arg(&out));
    assert_valid(code, &out, &format!("{stdout}{stderr}"));
    let runs = results::load_all(std::slice::from_ref(&out)).unwrap();
    let order: Vec<&str> = runs.iter().map(|loaded| loaded.run.asked.transport.as_str()).collect();
    assert_eq!(order, ["sse", "ws", "ws", "sse"]);
}
