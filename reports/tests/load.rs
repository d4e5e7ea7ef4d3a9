//! The load that was offered and the load that was carried, in every table.

mod examples;

use std::fs;

use examples::{run, runs};
use reports::groups::contenders;
use reports::summary::{HEADINGS, Summary, csv, markdown, summaries};
use results::LoadedRun;

fn summed(runs: &[LoadedRun]) -> Summary {
    summaries(&contenders(runs)).remove(0)
}

fn load_of(summary: &Summary) -> [Option<f64>; 3] {
    [summary.offered_per_s, summary.accepted_per_s, summary.deliveries_per_s]
}

/// 400 notifications due in ten seconds, 300 of them accepted, 120,000 deliveries.
fn overloaded() -> LoadedRun {
    let mut run = run("ws");
    run.run.measured.published.due = 400;
    run.run.measured.published.accepted = 300;
    run.run.measured.deliveries.expected = 150_000;
    run.run.measured.deliveries.delivered = 120_000;
    run
}

#[test]
fn what_was_offered_accepted_and_carried_are_three_figures() {
    assert_eq!(load_of(&summed(&[overloaded()])), [Some(40.0), Some(30.0), Some(12_000.0)]);
}

#[test]
fn an_interrupted_window_is_as_long_as_it_was_and_not_as_asked() {
    let mut run = overloaded();
    let window = run.run.measured.phases.iter_mut().find(|phase| phase.name == "measure").unwrap();
    window.end_s = window.start_s + 5.0;
    assert_eq!(load_of(&summed(&[run])), [Some(80.0), Some(60.0), Some(24_000.0)]);
}

#[test]
fn a_phase_that_ends_late_does_not_make_the_load_smaller() {
    let mut run = overloaded();
    run.run.measured.phases.iter_mut().find(|phase| phase.name == "measure").unwrap().end_s += 0.2;
    assert_eq!(load_of(&summed(&[run])), [Some(40.0), Some(30.0), Some(12_000.0)]);
}

#[test]
fn a_run_without_a_window_has_no_load_to_tell() {
    let mut run = overloaded();
    run.run.measured.phases.retain(|phase| phase.name != "measure");
    let summary = summed(&[run]);
    assert_eq!(load_of(&summary), [None; 3]);
    let place = HEADINGS.iter().position(|heading| *heading == "offered per s").unwrap();
    assert_eq!(summary.cells()[place..place + 3], ["not measured", "not measured", "not measured"]);
}

#[test]
fn a_server_that_refuses_everything_carries_nothing_and_a_missing_ledger_is_not_nothing() {
    let mut refused = overloaded();
    refused.run.measured.published.accepted = 0;
    refused.run.measured.deliveries = results::Deliveries::default();
    assert_eq!(load_of(&summed(&[refused])), [Some(40.0), Some(0.0), Some(0.0)]);
    let mut unwatched = overloaded();
    unwatched.run.measured.deliveries = results::Deliveries::default();
    assert_eq!(load_of(&summed(&[unwatched])), [Some(40.0), Some(30.0), None]);
}

#[test]
fn the_load_of_several_rounds_is_their_median() {
    let mut slower = overloaded();
    slower.run.measured.deliveries.delivered = 100_000;
    assert_eq!(summed(&[overloaded(), slower, overloaded()]).deliveries_per_s, Some(12_000.0));
}

#[test]
fn the_load_stands_in_all_three_tables() {
    let runs = [overloaded()];
    let summaries = summaries(&contenders(&runs));
    let markdown = markdown(&[], "", &[], &summaries);
    assert!(markdown.contains("| offered per s | accepted per s | deliveries per s | lost |"), "{markdown}");
    assert!(markdown.contains("| 40 | 30 | 12,000 | 0 |"), "{markdown}");
    let csv = csv(&summaries).unwrap();
    assert!(csv.lines().next().unwrap().ends_with(",gaps,offered_per_s,accepted_per_s,deliveries_per_s"), "{csv}");
    assert!(csv.lines().nth(1).unwrap().ends_with(",40.0000,30.0000,12000.0000"), "{csv}");

    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("report");
    reports::report(&[examples::folder()], &out).unwrap();
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("<th>offered per s</th><th>accepted per s</th><th>deliveries per s</th>"));
    assert_eq!(page.matches("<td>4</td><td>4</td><td>2,000</td>").count(), self::runs().len());
    for term in ["offered, accepted per s", "deliveries per s"] {
        assert!(page.contains(&format!("<dt>{term}</dt>")), "{term}");
    }
}
