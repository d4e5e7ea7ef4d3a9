//! A search becomes a plot with its knee, a table of steps and its sentence.

mod examples;

use std::fs;
use std::path::{Path, PathBuf};

use examples::run;
use reports::plots::{of_search, search};
use results::{LatencyLog, LoadedRun, RunFolder, SCHEMA, Search, SearchEnding, SearchStep, StepFinding, Vary};

fn searched(steps: &[(u32, StepFinding)], ending: SearchEnding) -> (Search, Vec<LoadedRun>) {
    let runs = steps.iter().map(|(clients, _)| {
        let mut run = run("sse");
        run.run.asked.clients = *clients;
        run.run.measured.latency.p99_ns = u64::from(*clients) * 10_000;
        run
    });
    let step = |(place, (clients, finding)): (usize, &(u32, StepFinding))| SearchStep {
        load: f64::from(*clients),
        finding: *finding,
        folder: format!("step-{place}"),
    };
    let search = Search {
        schema: SCHEMA,
        started_at: "2025-01-15T12:00:00Z".to_owned(),
        transport: "sse".to_owned(),
        label: None,
        vary: Vary::Clients,
        slo: vec!["p99<50ms".to_owned()],
        resolution: 0.5,
        steps: steps.iter().enumerate().map(step).collect(),
        ending,
        limited_by: None,
        outcome: "sse holds p99<50ms up to 4,000 clients.".to_owned(),
    };
    (search, runs.collect())
}

fn ordinary() -> (Search, Vec<LoadedRun>) {
    use StepFinding::{Broken, Holds};
    searched(&[(2_000, Holds), (8_000, Broken), (4_000, Holds), (6_000, Broken)], SearchEnding::Found)
}

fn written(place: &Path, (search, runs): &(Search, Vec<LoadedRun>)) -> PathBuf {
    let folder = place.join("search");
    for (step, loaded) in search.steps.iter().zip(runs) {
        let mut log = LatencyLog::default();
        for span in &loaded.latency {
            log.push(None, span.start, span.length, &span.histogram).unwrap();
        }
        let created = RunFolder::create(&folder.join(&step.folder)).unwrap();
        created.write(&loaded.run, &log, std::time::SystemTime::UNIX_EPOCH, &loaded.series).unwrap();
    }
    search.write(&folder).unwrap();
    folder
}

#[test]
fn steps_are_sorted_by_load_and_the_knee_is_the_highest_that_holds() {
    let (search, runs) = ordinary();
    let curve = search::select(&search, &runs);
    let loads: Vec<f64> = curve.points.iter().map(|point| point.load).collect();
    assert_eq!((loads, curve.knee), (vec![2_000.0, 4_000.0, 6_000.0, 8_000.0], Some(4_000.0)));
    assert_eq!(curve.points[3].p99_us, Some(80_000.0));
}

#[test]
fn a_search_that_ended_on_an_invalid_step_marks_no_knee() {
    use StepFinding::{Holds, Invalid};
    let (search, runs) = searched(&[(2_000, Holds), (4_000, Invalid)], SearchEnding::Invalid);
    assert_eq!(search::select(&search, &runs).knee, None);
}

#[test]
fn the_plot_is_legible_whatever_was_found() {
    use StepFinding::{Broken, Holds, Invalid};
    let rows: [&[(u32, StepFinding)]; 4] = [
        &[(1, Broken)],
        &[(1_000_000, Holds)],
        &[(1, Holds), (2, Broken)],
        &[(500, Holds), (1_000, Holds), (2_000, Invalid), (2_000, Invalid)],
    ];
    for steps in rows {
        let (search, runs) = searched(steps, SearchEnding::Found);
        let misplaced = of_search(&search, &runs, &[]).drawing.misplaced_labels();
        assert!(misplaced.is_empty(), "{steps:?}: {misplaced:#?}");
    }
}

#[test]
fn a_search_folder_becomes_a_page_that_leads_with_its_outcome() {
    let place = tempfile::tempdir().unwrap();
    let folder = written(place.path(), &ordinary());
    let out = place.path().join("report");
    reports::report(&[folder], &out).unwrap();
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("<p class=\"answer\">sse holds p99&lt;50ms up to 4,000 clients.</p>"));
    assert!(page.contains("<td>8,000 clients</td><td>does not hold</td>"), "the steps are told");
    let twice = page.split("<h2>Measured twice</h2>").nth(1).unwrap();
    assert!(twice.contains("<tr><td>8,000 clients</td>"), "every step is held against its second measurement");
    assert!(page.contains("<figure id=\"search\">") && !page.contains("<figure id=\"ledger\">"));
    assert!(fs::read(out.join("search.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn a_search_and_a_comparison_share_a_page() {
    let place = tempfile::tempdir().unwrap();
    let folder = written(place.path(), &ordinary());
    let out = place.path().join("report");
    reports::report(&[folder, examples::folder()], &out).unwrap();
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("<figure id=\"search\">") && page.contains("<figure id=\"ledger\">"));
    assert!(page.contains("<p class=\"answer\">Over ws a notification arrives"));
}
