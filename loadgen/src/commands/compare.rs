//! `loadgen compare`: several transports in interleaved rounds, each run in a fresh server process.

use std::time::SystemTime;

use feed::Transport;
use results::{Comparison, ComparisonRun, FolderError, Run, SCHEMA};

use super::End;
use super::run::{Order, default_folder, end_of, measure};
use crate::config::CompareArgs;
use crate::cores::Cores;
use crate::interrupt::Interrupt;
use crate::output;

/// Measures every transport in every round and prints the medians.
pub async fn exec(args: CompareArgs) -> anyhow::Result<End> {
    let out = args.out.unwrap_or_else(|| default_folder("compare"));
    if out.exists() {
        return Err(FolderError::Exists(out).into());
    }
    let cores = Cores::divide(args.load.pin, true)?;
    let interrupt = Interrupt::listen();
    let mut comparison = Comparison {
        schema: SCHEMA,
        started_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        transports: args.transports.iter().map(|transport| transport.name().to_owned()).collect(),
        rounds: args.rounds,
        runs: Vec::new(),
    };
    let mut runs: Vec<Run> = Vec::new();
    for (round, transport) in order_of_runs(&args.transports, args.rounds) {
        let folder = format!("round-{round}-{transport}");
        let order = Order {
            transport,
            url: None,
            load: args.load.clone(),
            conditions: Vec::new(),
            title: format!("round {round}/{} {transport}", args.rounds),
        };
        let run = measure(&order, &out.join(&folder), &cores, &interrupt).await?;
        println!("{}", one_line(round, &run));
        comparison.runs.push(ComparisonRun { round, transport: transport.name().into(), folder });
        // Written anew after each run: nothing that was measured is lost if a later one fails.
        comparison.write(&out)?;
        runs.push(run);
        if interrupt.is_wanted() {
            break;
        }
    }
    print!("{}", output::comparison_table(&comparison.transports, &runs));
    println!("results: {}", out.display());
    Ok(runs.iter().map(end_of).max().unwrap_or(End::Fine))
}

/// Rounds in order, every second one mirrored: A B C D, D C B A, ...
fn order_of_runs(transports: &[Transport], rounds: u32) -> impl Iterator<Item = (u32, Transport)> + '_ {
    (1..=rounds).flat_map(move |round| {
        let mirrored = round % 2 == 0;
        let len = transports.len();
        (0..len).map(move |at| (round, transports[if mirrored { len - 1 - at } else { at }]))
    })
}

fn one_line(round: u32, run: &Run) -> String {
    use crate::numbers::{count, time_ns};
    let measured = &run.measured;
    let reasons: Vec<&str> = run.verdict.reasons.iter().map(|reason| reason.check.as_str()).collect();
    format!(
        "round {round} {:<10} {}{} p50 {} p99 {} lost {} of {}",
        run.asked.transport,
        run.verdict.word(),
        if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) },
        time_ns(measured.latency.p50_ns),
        time_ns(measured.latency.p99_ns),
        count(measured.deliveries.lost),
        count(measured.deliveries.expected)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_round_is_mirrored() {
        let order: Vec<_> = order_of_runs(&[Transport::Sse, Transport::Ws], 3).collect();
        let transports = order.iter().map(|(_, transport)| transport.name()).collect::<Vec<_>>();
        assert_eq!(transports, ["sse", "ws", "ws", "sse", "sse", "ws"]);
        assert_eq!(order.iter().map(|(round, _)| *round).collect::<Vec<_>>(), [1, 1, 2, 2, 3, 3]);
    }
}
