//! How often `loadgen diff` calls equal builds a regression, and how often it sees a real one, on rounds that were recorded.
//!
//! `cargo run -p results --example false_alarms -- FOLDER [ROUNDS [DRAWS [TOLERANCE]]]` draws DRAWS (1000) comparisons of ROUNDS
//! (5) against as many from the valid rounds of one program in FOLDER and judges each as `diff` does. `scripts/false_alarms.sh`
//! records such a folder.

use std::path::Path;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use results::numbers::percent;
use results::{Ending, Quantity, Regressions, Rounds, Run, load_rounds};

const SEED: u64 = 15;
/// How much worse one side is made, as a share.
const WORSE: [f64; 3] = [0.1, 0.2, 0.5];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let folder = words.first().ok_or("expected a folder of rounds of one program")?;
    let rounds: usize = words.get(1).map_or(Ok(5), |word| word.parse())?;
    let draws: usize = words.get(2).map_or(Ok(1000), |word| word.parse())?;
    let tolerance: f64 = words.get(3).map_or(Ok(0.1), |word| word.parse())?;
    let all = load_rounds(Path::new(folder))?;
    let recorded = all.len();
    let mut runs: Vec<Run> = all.into_iter().map(|loaded| loaded.run).collect();
    runs.retain(|run| run.verdict.is_valid() && run.ending == Ending::Complete);
    if rounds < 2 || runs.len() < 4 * rounds {
        return Err(format!("expected at least {} valid rounds, there are {}", 4 * rounds.max(2), runs.len()).into());
    }
    println!(
        "{recorded} runs of one program, {} of them valid, from {} to {}",
        runs.len(),
        runs[0].started_at,
        runs[runs.len() - 1].started_at
    );
    println!(
        "{draws} comparisons of {rounds} rounds against {rounds}, seed {SEED}, regression beyond {}",
        percent(tolerance)
    );
    spread(&runs);
    let quantities: Vec<Quantity> =
        Quantity::ALL.into_iter().filter(|quantity| quantity.of(&runs[0]).is_some()).collect();
    println!("\nFalse alarms: share of comparisons of equal builds that are called a regression");
    head("rounds of both builds", &quantities, "any of them  different draws");
    for drawing in [Drawing::Shuffled, Drawing::InTurn, Drawing::Neighbours, Drawing::Halves] {
        let cases: Vec<_> = drawn(drawing, runs.len(), rounds, draws);
        let alarms: Vec<Vec<Quantity>> = cases.iter().map(|case| alarms(&runs, case, None, tolerance)).collect();
        let different = cases.iter().collect::<std::collections::BTreeSet<_>>().len();
        row(drawing.name(), &quantities, &alarms, different);
    }
    for (title, drawing) in [("shuffled", Drawing::Shuffled), ("one build after the other", Drawing::Neighbours)] {
        println!("\nPower, rounds {title}: share that is called a regression when this quantity alone is worse by");
        head("", &quantities, "");
        for share in WORSE {
            let cases = drawn(drawing, runs.len(), rounds, draws);
            let seen = quantities.iter().map(|quantity| {
                let is_seen =
                    |case: &&Case| alarms(&runs, case, Some((*quantity, share)), tolerance).contains(quantity);
                cases.iter().filter(is_seen).count()
            });
            let cells: Vec<String> = seen.map(|seen| format!("{:>13}", percent(seen as f64 / draws as f64))).collect();
            println!("{:<26}{}", percent(share), cells.concat());
        }
    }
    Ok(())
}

/// How the rounds of two builds lie in time.
#[derive(Clone, Copy)]
enum Drawing {
    /// Any, in any order.
    Shuffled,
    /// In turn, of consecutive rounds: A B A B.
    InTurn,
    /// One build after the other, of consecutive rounds: A A B B.
    Neighbours,
    /// Any of the first half against any of the second.
    Halves,
}

impl Drawing {
    fn name(self) -> &'static str {
        match self {
            Self::Shuffled => "shuffled",
            Self::InTurn => "in turn (A B A B)",
            Self::Neighbours => "one after the other",
            Self::Halves => "first half, second half",
        }
    }
}

/// The places of the rounds of both builds.
type Case = [Vec<usize>; 2];

fn drawn(drawing: Drawing, all: usize, rounds: usize, draws: usize) -> Vec<Case> {
    let mut rng = SmallRng::seed_from_u64(SEED);
    let mut draw = || {
        let first = rng.random_range(0..=all - 2 * rounds);
        let consecutive = first..first + 2 * rounds;
        let mut places: Vec<usize> = (0..all).collect();
        places.shuffle(&mut rng);
        let within =
            |from: usize, to: usize| places.iter().copied().filter(|at| (from..to).contains(at)).take(rounds).collect();
        let (one, other): (Vec<usize>, Vec<usize>) = match drawing {
            Drawing::Shuffled => (places[..rounds].to_vec(), places[rounds..2 * rounds].to_vec()),
            Drawing::InTurn => consecutive.partition(|at| (at - first) % 2 == 0),
            Drawing::Neighbours => consecutive.partition(|at| at - first < rounds),
            Drawing::Halves => (within(0, all / 2), within(all / 2, all)),
        };
        if rng.random_range(0..2) == 0 { [one, other] } else { [other, one] }
    };
    (0..draws).map(|_| draw()).collect()
}

/// What `diff` calls a regression, the second side being after; one quantity of it made worse if asked.
fn alarms(runs: &[Run], [before, after]: &Case, worse: Option<(Quantity, f64)>, tolerance: f64) -> Vec<Quantity> {
    let after: Vec<Run> = after.iter().map(|&at| made_worse(&runs[at], worse)).collect();
    let side = |label: &str, runs: Vec<_>| Rounds { label: label.to_owned(), runs };
    let before = side("A", before.iter().map(|&at| (None, &runs[at])).collect());
    let after = side("B", after.iter().map(|run| (None, run)).collect());
    let regressions = Regressions::between(&after, &before, tolerance);
    regressions.map_or_else(Vec::new, |found| found.worse.iter().map(|difference| difference.quantity).collect())
}

fn made_worse(run: &Run, worse: Option<(Quantity, f64)>) -> Run {
    let mut run = run.clone();
    let Some((quantity, share)) = worse else { return run };
    let factor = 1.0 + share;
    let measured = &mut run.measured;
    let scaled = |value: u64| (value as f64 * factor).round() as u64;
    match quantity {
        Quantity::P50 => measured.latency.p50_ns = scaled(measured.latency.p50_ns),
        Quantity::P99 => measured.latency.p99_ns = scaled(measured.latency.p99_ns),
        Quantity::WireBytes | Quantity::StreamBytes => {
            let more = measured.bytes.per_delivery().unwrap_or_default() * share * measured.bytes.deliveries as f64;
            measured.bytes.received.framing += more.round() as u64;
        }
        Quantity::ServerCpu => {
            if let Some(server) = &mut measured.server {
                server.cpu_us_per_delivery = server.cpu_us_per_delivery.map(|us| us * factor);
            }
        }
        Quantity::ServerRss => {
            if let Some(server) = &mut measured.server {
                server.rss_per_connection_bytes *= factor;
            }
        }
    }
    run
}

/// Median of every quantity, and its standard deviation as a share of the mean.
fn spread(runs: &[Run]) {
    println!("\nWhat was recorded: median, and standard deviation as a share of the mean");
    for quantity in Quantity::ALL {
        let mut values: Vec<f64> = runs.iter().filter_map(|run| quantity.of(run)).collect();
        if values.is_empty() {
            continue;
        }
        values.sort_by(f64::total_cmp);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0);
        println!("{:<14}{:>14.1}{:>10}", quantity.name(), values[values.len() / 2], percent(variance.sqrt() / mean));
    }
}

fn head(first: &str, quantities: &[Quantity], last: &str) {
    let names: Vec<String> = quantities.iter().map(|quantity| format!("{:>13}", quantity.name())).collect();
    println!("{}", format!("{first:<26}{}  {last}", names.concat()).trim_end());
}

fn row(name: &str, quantities: &[Quantity], alarms: &[Vec<Quantity>], different: usize) {
    let share = |count: usize| format!("{:>13}", percent(count as f64 / alarms.len().max(1) as f64));
    let of = |quantity: &Quantity| share(alarms.iter().filter(|alarms| alarms.contains(quantity)).count());
    let cells: Vec<String> = quantities.iter().map(of).collect();
    let any = share(alarms.iter().filter(|alarms| !alarms.is_empty()).count());
    println!("{name:<26}{}{any}{different:>17}", cells.concat());
}
