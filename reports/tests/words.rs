//! The answer and the comparisons say what the figures say, no more.

mod examples;

use examples::{invalid, run, runs};
use reports::groups::contenders;
use reports::summary::{answer, comparisons, summaries};
use results::LoadedRun;

fn told(runs: &[LoadedRun]) -> (String, Vec<String>) {
    let contenders = contenders(runs);
    let summaries = summaries(&contenders);
    (answer(&summaries), comparisons(&contenders, &summaries))
}

fn with_cpu(mut run: LoadedRun, us: f64) -> LoadedRun {
    run.run.measured.server.as_mut().unwrap().cpu_us_per_delivery = Some(us);
    run
}

#[test]
fn the_answer_starts_with_the_quickest_and_names_all() {
    let (answer, _) = told(&runs());
    assert!(answer.starts_with("Over ws a notification arrives in "), "{answer}");
    let places: Vec<_> = ["; sse takes ", "; long-poll takes ", "; short-poll takes "].map(|c| answer.find(c)).to_vec();
    assert!(places.is_sorted() && places[0].is_some(), "{answer}");
}

#[test]
fn losses_and_invalid_figures_are_part_of_the_answer() {
    let mut lossy = invalid(run("ws"), "loop-lag");
    lossy.run.measured.deliveries.lost = 200;
    let (answer, _) = told(&[lossy]);
    assert!(answer.starts_with("Over ws (invalid) a notification"), "{answer}");
    assert!(answer.ends_with("and 1 % of its deliveries are lost."), "{answer}");
}

#[test]
fn a_difference_within_the_spread_is_not_distinguishable() {
    let near = [8.0, 12.0, 9.0].map(|us| with_cpu(run("ws"), us));
    let far = [8.5, 11.0, 9.5].map(|us| with_cpu(run("sse"), us));
    let runs: Vec<_> = near.into_iter().chain(far).collect();
    let (_, sentences) = told(&runs);
    let cpu = sentences.iter().find(|sentence| sentence.starts_with("Server CPU")).unwrap();
    assert_eq!(
        cpu,
        "Server CPU per delivery: ws is lowest with 9 us; sse (9.5 us) is not distinguishable from it in 3 rounds."
    );
}

#[test]
fn a_clear_difference_is_told_as_a_ratio() {
    let near = [8.0, 8.2, 8.1].map(|us| with_cpu(run("ws"), us));
    let far = [27.0, 27.4, 27.2].map(|us| with_cpu(run("long-poll"), us));
    let runs: Vec<_> = near.into_iter().chain(far).collect();
    let (_, sentences) = told(&runs);
    let told = "Server CPU per delivery: ws is lowest with 8.1 us; long-poll needs 3.4x [3.2, 3.6] as much (27.2 us).";
    assert!(sentences.iter().any(|sentence| sentence == told), "{sentences:#?}");
    assert!(!sentences.iter().any(|sentence| sentence.starts_with("One round")), "{sentences:#?}");
}

#[test]
fn one_round_is_said_to_carry_no_interval() {
    let (_, sentences) = told(&runs());
    assert!(sentences.iter().any(|sentence| sentence.starts_with("One round carries no interval")));
}

#[test]
fn bytes_with_and_without_tcp_ip_are_not_compared() {
    let mut bare = run("sse");
    bare.run.measured.bytes.received.tcp_ip = None;
    bare.run.measured.bytes.sent.tcp_ip = None;
    let (answer, sentences) = told(&[bare, run("ws")]);
    assert!(answer.contains("232 B of the stream"), "{answer}");
    assert!(!sentences.iter().any(|sentence| sentence.starts_with("Bytes")), "{sentences:#?}");
}
