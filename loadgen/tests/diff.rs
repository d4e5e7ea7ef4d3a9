//! `loadgen diff` on stored results: its words and its exit codes.

mod support;

use std::fs;
use std::path::Path;

use support::stored_runs::{changed_rounds, diff, example, rounds, write};

const FIVE: [f64; 5] = [1.0, 1.01, 0.99, 1.02, 0.98];

#[test]
fn rounds_that_cost_more_are_a_regression_beyond_the_tolerance_only() {
    let place = tempfile::tempdir().unwrap();
    let before = rounds(place.path(), "before", &[1.0, 1.01, 0.99]);
    let after = rounds(place.path(), "after", &[1.3, 1.31, 1.29]);
    let (code, told) = diff(&before, &after, &[]);
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("REGRESSION beyond 10 %: server CPU +"), "{told}");
    assert!(told.contains("ws B costs 1.30x [1."), "{told}");
    assert!(
        told.contains("(3 rounds against 3, 5 quantities together; so few are taken to be about normally"),
        "{told}"
    );
    assert_eq!(diff(&before, &after, &["--tolerance", "50%"]).0, Some(0));
    assert_eq!(diff(&after, &before, &[]).0, Some(0), "cheaper is no regression");
}

#[test]
fn rounds_that_scatter_are_no_regression() {
    let place = tempfile::tempdir().unwrap();
    let before = rounds(place.path(), "before", &[1.0, 1.4, 0.8]);
    let after = rounds(place.path(), "after", &[1.3, 0.9, 1.6]);
    let (code, told) = diff(&before, &after, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("No regression beyond 10 %"), "{told}");
}

#[test]
fn of_five_rounds_each_must_be_worse_than_each_before_and_how_often_that_is_chance_is_said() {
    let place = tempfile::tempdir().unwrap();
    let before = rounds(place.path(), "before", &FIVE);
    let (code, told) = diff(&before, &rounds(place.path(), "apart", &[1.03, 1.2, 1.4, 1.6, 2.0]), &[]);
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("equal builds are called a regression in at most 1.98 % of comparisons"), "{told}");
    assert!(told.contains("(5 rounds against 5, 5 quantities together).\n"), "{told}");
    let (code, told) = diff(&before, &rounds(place.path(), "overlapping", &[1.015, 1.2, 1.4, 1.6, 2.0]), &[]);
    assert_eq!(code, Some(0), "{told}");
    let named = "No regression beyond 10 % in p50, p99, bytes, server CPU or server RSS.";
    assert!(told.contains(named), "{told}");
}

#[test]
fn one_run_against_one_run_gives_the_figures_and_no_verdict() {
    let place = tempfile::tempdir().unwrap();
    let after = rounds(place.path(), "after", &[1.3]);
    let five = rounds(place.path(), "five", &FIVE);
    for (before, after) in [(&example("ws"), &after.join("round-0")), (&five, &after), (&after, &five)] {
        let (code, told) = diff(before, after, &[]);
        assert_eq!(code, Some(0), "{told}");
        let first = told.lines().next().unwrap();
        assert!(
            first.starts_with("NO VERDICT: ") && first.contains("one run cannot tell a change from chance"),
            "{told}"
        );
        assert!(told.contains("loadgen compare --transports ws --rounds 5 --out"), "{told}");
        assert!(told.contains("server CPU") && !told.to_lowercase().contains("regression"), "{told}");
    }
}

/// p50 and p99 in ns, bytes on the wire per delivery, server CPU per delivery in ns, server memory per connection in bytes.
type Figures = (u64, u64, f64, f64, f64);

/// The first valid runs of one program as they were recorded, see `ws_against_itself.json`.
fn recorded(count: usize) -> Vec<Figures> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/tests/data/ws_against_itself.json");
    let text: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let runs = text["rounds"].as_array().unwrap().iter().flat_map(|round| round.as_array().unwrap());
    let figures = |run: &serde_json::Value| {
        let [wire, cpu, rss] =
            ["wire_bytes", "server_cpu_ns", "server_rss_bytes"].map(|key| run[key].as_f64().unwrap());
        (run["p50_ns"].as_u64().unwrap(), run["p99_ns"].as_u64().unwrap(), wire, cpu, rss)
    };
    runs.filter(|run| run["valid"] == true).map(figures).take(count).collect()
}

#[test]
fn one_program_run_eight_times_makes_56_ordered_pairs_and_none_is_a_regression() {
    let place = tempfile::tempdir().unwrap();
    let folders: Vec<_> = (0..8).map(|run| place.path().join(format!("run-{run}"))).collect();
    for (folder, (p50, p99, wire, cpu, rss)) in folders.iter().zip(recorded(8)) {
        write(folder, |run| {
            let measured = &mut run.measured;
            (measured.latency.p50_ns, measured.latency.p99_ns) = (p50, p99);
            let other = measured.bytes.per_delivery().unwrap() * measured.bytes.deliveries as f64;
            let framing = measured.bytes.received.framing as f64 - other + wire * measured.bytes.deliveries as f64;
            measured.bytes.received.framing = framing.round() as u64;
            let server = measured.server.as_mut().unwrap();
            server.cpu_us_per_delivery = Some(cpu / 1e3);
            server.rss_per_connection_bytes = rss;
        });
    }
    let pairs = folders.iter().flat_map(|a| folders.iter().filter(move |b| a != *b).map(move |b| (a, b)));
    let codes: Vec<_> = pairs.map(|(a, b)| diff(a, b, &[]).0).collect();
    let regressions = codes.iter().filter(|code| **code == Some(4)).count();
    assert_eq!((codes.len(), regressions), (56, 0));
    assert!(codes.iter().all(|code| *code == Some(0)), "{codes:?}");
}

#[test]
fn comparisons_of_one_round_are_matched_by_name_and_give_no_verdict() {
    let (code, told) = diff(&example(""), &example(""), &[]);
    assert_eq!(code, Some(0), "{told}");
    for transport in ["short-poll", "long-poll", "sse", "ws"] {
        assert!(told.contains(&format!("{transport} A")) && told.contains(&format!("{transport} B")), "{told}");
    }
}

#[test]
fn a_quantity_that_one_side_did_not_measure_is_named() {
    let place = tempfile::tempdir().unwrap();
    let before = rounds(place.path(), "before", &FIVE);
    let after = changed_rounds(place.path(), "after", &FIVE, |_, run| run.measured.server = None);
    let (code, told) = diff(&before, &after, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("NOT COMPARED, measured in ws A alone: server CPU, server RSS."), "{told}");
    assert!(told.contains("No regression beyond 10 % in p50, p99 or bytes."), "{told}");
}

#[test]
fn a_regression_between_two_blocks_of_rounds_is_told_with_what_else_may_have_changed() {
    let place = tempfile::tempdir().unwrap();
    let at = |minute: usize| format!("2025-01-15T12:{minute:02}:00Z");
    let side = |name, cpu: f64, minute: fn(usize) -> usize| {
        changed_rounds(place.path(), name, &FIVE.map(|value| value * cpu), |round, run| {
            run.started_at = at(minute(round));
        })
    };
    let before = side("before", 1.0, |round| 2 * round);
    let (code, told) = diff(&before, &side("later", 1.5, |round| 20 + 2 * round), &[]);
    let warning = "All rounds of one side are older than those of the other";
    assert!(code == Some(4) && told.contains(warning), "{told}");
    let (code, told) = diff(&before, &side("between", 1.5, |round| 2 * round + 1), &[]);
    assert!(code == Some(4) && !told.contains(warning), "{told}");
}

#[test]
fn what_cannot_be_read_or_understood_is_said() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("empty")).unwrap();
    let (code, told) = diff(&example("ws"), &place.path().join("empty"), &[]);
    assert!(code == Some(1) && told.contains("is not a run folder"), "{told}");
    let (code, told) = diff(&example("ws"), &example("ws"), &["--tolerance", "much"]);
    assert!(code == Some(2) && told.contains("expected per cent"), "{told}");
}
