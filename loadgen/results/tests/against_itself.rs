//! A transport compared with itself comes out as not distinguishable, on rounds that were recorded; a real difference does not.

use std::path::Path;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use results::{Finding, Layers, Quantity, Rounds, Run, differences, load};

const REPETITIONS: u64 = 20;
/// What the claim allows: one repetition of twenty may call some quantity different.
const MOST_ALARMS: usize = 1;

#[derive(serde::Deserialize)]
struct Recorded {
    rounds: Vec<[Figures; 2]>,
}

#[derive(Clone, serde::Deserialize)]
struct Figures {
    valid: bool,
    p50_ns: u64,
    p99_ns: u64,
    wire_bytes: f64,
    server_cpu_ns: f64,
    server_rss_bytes: f64,
}

impl Figures {
    fn run(&self, like: &Run) -> Run {
        const DELIVERIES: u64 = 1_000;
        let mut run = like.clone();
        let measured = &mut run.measured;
        (measured.latency.p50_ns, measured.latency.p99_ns) = (self.p50_ns, self.p99_ns);
        let framing = (self.wire_bytes * DELIVERIES as f64).round() as u64;
        measured.bytes.deliveries = DELIVERIES;
        measured.bytes.received = Layers { framing, tcp_ip: Some(0), ..Layers::default() };
        measured.bytes.sent = Layers { tcp_ip: Some(0), ..Layers::default() };
        let server = measured.server.as_mut().unwrap();
        server.cpu_us_per_delivery = Some(self.server_cpu_ns / 1e3);
        server.rss_per_connection_bytes = self.server_rss_bytes;
        run
    }
}

/// Rounds of which both runs are valid.
fn recorded() -> Vec<[Run; 2]> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let like = load(&root.join("examples/v1/ws")).unwrap().run;
    let text = std::fs::read_to_string(root.join("tests/data/ws_against_itself.json")).unwrap();
    let recorded: Recorded = serde_json::from_str(&text).unwrap();
    let valid = recorded.rounds.into_iter().filter(|pair| pair.iter().all(|figures| figures.valid));
    valid.map(|pair| pair.map(|figures| figures.run(&like))).collect()
}

/// Some of the recorded rounds, each with its two runs in an order that a coin decided.
fn drawn(recorded: &[[Run; 2]], rounds: usize, seed: u64) -> Vec<(Run, Run)> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut shuffled = recorded.to_vec();
    shuffled.shuffle(&mut rng);
    let decide = |[a, b]: [Run; 2]| if rng.random_range(0..2) == 0 { (a, b) } else { (b, a) };
    shuffled.into_iter().take(rounds).map(decide).collect()
}

fn side<'a>(label: &str, runs: impl Iterator<Item = &'a Run>, paired: bool) -> Rounds<'a> {
    let number = |round| paired.then_some(round);
    Rounds { label: label.to_owned(), runs: runs.enumerate().map(|(round, run)| (number(round), run)).collect() }
}

fn findings(rounds: &[(Run, Run)], paired: bool) -> Vec<(Quantity, Finding)> {
    let first = side("ws (1)", rounds.iter().map(|(a, _)| a), paired);
    let second = side("ws (2)", rounds.iter().map(|(_, b)| b), paired);
    differences(&first, &second).iter().map(|difference| (difference.quantity, difference.finding())).collect()
}

#[test]
fn the_same_transport_twice_is_not_distinguishable_in_all_five_quantities_in_nineteen_of_twenty_repetitions() {
    let recorded = recorded();
    assert!(recorded.len() >= 10, "{} valid rounds", recorded.len());
    for (rounds, paired) in [(2, true), (3, true), (5, true), (8, true), (3, false), (5, false)] {
        let alarms: Vec<_> = (0..REPETITIONS)
            .map(|seed| findings(&drawn(&recorded, rounds, seed), paired))
            .map(|findings| {
                assert_eq!(findings.len(), 5);
                findings.into_iter().filter(|(_, finding)| *finding != Finding::NotDistinguishable).collect::<Vec<_>>()
            })
            .filter(|alarms| !alarms.is_empty())
            .collect();
        assert!(alarms.len() <= MOST_ALARMS, "{rounds} rounds, paired {paired}: {alarms:?}");
    }
}

#[test]
fn twice_the_cost_is_told_in_every_repetition_of_eight_rounds() {
    let recorded = recorded();
    for seed in 0..REPETITIONS {
        let mut rounds = drawn(&recorded, 8, seed);
        for (_, dearer) in &mut rounds {
            let server = dearer.measured.server.as_mut().unwrap();
            server.cpu_us_per_delivery = server.cpu_us_per_delivery.map(|us| us * 2.0);
            server.rss_per_connection_bytes *= 2.0;
        }
        let told = findings(&rounds, true);
        assert!(told.contains(&(Quantity::ServerCpu, Finding::Lower)), "repetition {seed}: {told:?}");
        assert!(told.contains(&(Quantity::ServerRss, Finding::Lower)), "repetition {seed}: {told:?}");
        assert!(told.contains(&(Quantity::WireBytes, Finding::NotDistinguishable)), "repetition {seed}: {told:?}");
    }
}
