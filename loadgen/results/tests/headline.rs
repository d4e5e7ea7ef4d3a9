//! The sentence that leads a comparison says what the figures say.

use std::path::Path;

use results::words::headline;
use results::{Rounds, Run, load};

/// Three rounds that differ by a per cent, with p50 and server CPU as given.
fn rounds(p50_us: u64, cpu_us: f64) -> Vec<Run> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/v1/ws");
    let like = load(&folder).unwrap().run;
    let round = |place: u64| {
        let mut run = like.clone();
        run.measured.latency.p50_ns = p50_us * (1_000 + 10 * place);
        run.measured.server.as_mut().unwrap().cpu_us_per_delivery = Some(cpu_us * (1.0 + 0.01 * place as f64));
        run
    };
    (0..3).map(round).collect()
}

fn side<'a>(label: &str, runs: &'a [Run]) -> Rounds<'a> {
    Rounds { label: label.to_owned(), runs: runs.iter().enumerate().map(|(round, run)| (Some(round), run)).collect() }
}

#[test]
fn equals_are_named_and_the_costliest_is_told_as_a_multiple() {
    let (sse, ws, poll) = (rounds(1_000, 8.0), rounds(1_000, 8.0), rounds(1_000, 24.0));
    let told = headline(&[side("sse", &sse), side("ws", &ws), side("long-poll", &poll)]);
    let expected = "all of sse, ws and long-poll cannot be told apart in p50, p99, bytes or server RSS here; \
                    long-poll costs 3.0x [2.8, 3.2] the server CPU of sse.";
    assert_eq!(told, expected);
}

#[test]
fn a_tie_for_the_lowest_latency_is_told_beside_the_highest() {
    let (sse, ws, poll) = (rounds(1_000, 8.0), rounds(1_000, 8.0), rounds(500_000, 8.0));
    let told = headline(&[side("short-poll", &poll), side("sse", &sse), side("ws", &ws)]);
    let first = "sse and ws cannot be told apart in p50 here; short-poll takes 500x [456, 544] the p50 of sse; all of ";
    assert!(told.starts_with(first), "{told}");
}

#[test]
fn one_round_each_is_said_to_tell_nothing() {
    let (sse, ws) = (rounds(1_000, 8.0), rounds(2_000, 24.0));
    let told = headline(&[side("sse", &sse[..1]), side("ws", &ws[..1])]);
    assert_eq!(told, "One valid round each carries no spread: which differences are chance is not known.");
}
