//! Runs with faults have one more plot and one more table; runs without have neither.

mod examples;

use examples::{run, runs};
use reports::groups::contenders;
use reports::page::{Contents, page};
use reports::plots::{all, recovery};
use results::{ClientGroup, FaultReport, LoadedRun, Percentiles, Recovery, RecoveryRow};

/// The same run, whose clients were all cut off after five seconds of ten and came back one after the other.
fn struck(mut run: LoadedRun) -> LoadedRun {
    let clients = run.run.measured.connections.asked;
    run.run.asked.faults = vec!["cut 100% at 5s".to_owned()];
    run.run.asked.reconnect = Some("backoff-jitter".to_owned());
    run.recovery = (1..=100)
        .map(|n: u64| {
            let live = if n <= 50 { clients } else { clients * (n - 50) / 50 };
            RecoveryRow { at_s: n as f64 / 10.0, live, delivered: live, ..RecoveryRow::default() }
        })
        .collect();
    let fault = FaultReport {
        fault: "cut 100% at 5s".to_owned(),
        at_s: Some(5.0),
        clients: Some(clients),
        interrupted: clients,
        half_live_s: Some(2.5),
        most_live_s: Some(4.8),
        all_live_s: Some(5.0),
        ..FaultReport::default()
    };
    run.run.measured.recovery = Some(Recovery { faults: vec![fault], ..Recovery::default() });
    run
}

#[test]
fn the_plot_of_a_recovery_is_drawn_where_there_were_faults_and_nothing_lies_on_anything() {
    let struck: Vec<LoadedRun> = runs().into_iter().map(struck).collect();
    let plots = all(&contenders(&struck));
    let plot = plots.iter().find(|plot| plot.file == recovery::FILE).expect("there were faults");
    assert!(plot.drawing.misplaced_labels().is_empty(), "{:?}", plot.drawing.misplaced_labels());
    let texts: Vec<&str> = plot.drawing.labels().map(|label| label.text.as_str()).collect();
    assert!(texts.contains(&"cut 100% at 5s") && texts.contains(&"100 %"), "{texts:?}");
    assert!(texts.contains(&"ws: all live again after 5 s at most"), "{texts:?}");
    assert!(all(&contenders(&runs())).iter().all(|plot| plot.file != recovery::FILE));
}

#[test]
fn all_are_said_to_be_live_again_after_the_longest_time_of_all_rounds_or_not_at_all() {
    let label = |returns: [Option<f64>; 3]| {
        let rounds = returns.map(|all_live_s| {
            let mut run = struck(run("ws"));
            run.run.measured.recovery.as_mut().unwrap().faults[0].all_live_s = all_live_s;
            run
        });
        recovery::select(&contenders(&rounds))[0].label.clone()
    };
    assert_eq!(label([Some(5.0), Some(9.0), Some(6.0)]), "ws: all live again after 9 s at most");
    assert_eq!(label([Some(5.0), None, Some(6.0)]), "ws", "in one round somebody never came back");
}

#[test]
fn shares_are_of_the_clients_and_deliveries_of_a_second() {
    let runs = [struck(run("ws"))];
    let lines = recovery::select(&contenders(&runs));
    let clients = runs[0].run.measured.connections.asked as f64;
    let at = |step: i64| lines[0].steps.iter().find(|(own, ..)| *own == step).copied().unwrap();
    assert_eq!(at(50), (50, 100.0, clients * 10.0));
    assert!((at(75).1 - 50.0).abs() < 1.0, "{:?}", at(75));
    assert_eq!(lines[0].faults, [("cut 100% at 5s".to_owned(), 5.0, None)]);
}

#[test]
fn the_page_tells_the_latency_of_bystanders_apart_where_somebody_was_struck() {
    let page_of = |runs: &[LoadedRun]| {
        let contenders = contenders(runs);
        page(&Contents {
            marks: &[],
            answer: "",
            comparisons: &[],
            differences: &[],
            summaries: &[],
            plots: &[],
            search: None,
            contenders: &contenders,
        })
    };
    let mut told = struck(run("ws"));
    assert!(!page_of(&[told.clone()]).contains("bystanders"), "an older run, which does not tell");
    let latency = |p99_ns| Some(Percentiles { count: 9, p99_ns, ..Percentiles::default() });
    let recovery = told.run.measured.recovery.as_mut().unwrap();
    recovery.struck = Some(ClientGroup { clients: 200, latency: latency(7_900_000_000) });
    recovery.bystanders = Some(ClientGroup { clients: 1_800, latency: latency(12_300_000) });
    let page = page_of(&[told.clone()]);
    assert!(page.contains("<td>bystanders</td><td>1,800</td>") && page.contains("<td>12.3 ms</td>"), "{page}");
    assert!(page.contains("<td>struck</td><td>200</td>") && page.contains("<td>7.9 s</td>"), "{page}");

    told.run.measured.recovery.as_mut().unwrap().bystanders = Some(ClientGroup { clients: 1_800, latency: None });
    assert!(page_of(&[told]).contains("<td>1,800</td><td>-</td>"), "nothing that came is no latency of zero");
}
