//! `loadgen compare`: several transports in interleaved rounds, each run in a fresh server process.

use std::time::SystemTime;

use feed::Transport;
use results::{Comparison, ComparisonRun, FolderError, Run, SCHEMA};

use super::End;
use super::run::{Order, Place, default_folder, end_of, measure};
use crate::config::CompareArgs;
use crate::cores::Cores;
use crate::interrupt::Interrupt;
use crate::side_by_side::{Contender, findings, table};

/// Measures every transport in every round, prints the medians, and says which differences are none.
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
    let labels = labels(&args.transports);
    let named = |label: &Option<String>, transport: Transport| label.clone().unwrap_or(transport.name().to_owned());
    let mut contenders: Vec<Contender> = labels
        .iter()
        .zip(&args.transports)
        .map(|(label, transport)| Contender { label: named(label, *transport), runs: Vec::new() })
        .collect();
    for (round, place) in order_of_runs(args.transports.len(), args.rounds) {
        let transport = args.transports[place];
        let label = named(&labels[place], transport);
        let folder = format!("round-{round}-{}", label.replace(" (", "-").replace(')', ""));
        let order = Order {
            transport,
            url: None,
            load: args.load.clone(),
            conditions: Vec::new(),
            place: Place::default(),
            title: format!("round {round}/{} {label}", args.rounds),
        };
        let run = measure(&order, &out.join(&folder), &cores, &interrupt).await?;
        println!("{}", one_line(round, &label, &run));
        let label = labels[place].clone();
        comparison.runs.push(ComparisonRun { round, transport: transport.name().into(), label, folder });
        // Written anew after each run: nothing that was measured is lost if a later one fails.
        comparison.write(&out)?;
        contenders[place].runs.push((Some(round), run));
        if interrupt.is_wanted() {
            break;
        }
    }
    print!("{}{}", table(&contenders), findings(&contenders));
    println!("results: {}", out.display());
    Ok(outcome(&contenders))
}

/// Rounds that were left out and named do not spoil the rest, unless they leave a contender without a valid one.
fn outcome(contenders: &[Contender]) -> End {
    let ends = |contender: &Contender| contender.runs.iter().map(|(_, run)| end_of(run)).collect::<Vec<_>>();
    let of_contender = |contender: &Contender| match ends(contender) {
        ends if ends.iter().all(|end| *end == End::Invalid) => End::Invalid,
        ends => ends.into_iter().filter(|end| *end != End::Invalid).max().unwrap_or(End::Fine),
    };
    contenders.iter().map(of_contender).max().unwrap_or(End::Fine)
}

/// `ws (1)`, `ws (2)` for a transport that is asked for more than once; nothing for the others.
fn labels(transports: &[Transport]) -> Vec<Option<String>> {
    let label = |(place, transport): (usize, &Transport)| {
        let so_far = transports[..=place].iter().filter(|other| *other == transport).count();
        let all = transports.iter().filter(|other| *other == transport).count();
        (all > 1).then(|| format!("{} ({so_far})", transport.name()))
    };
    transports.iter().enumerate().map(label).collect()
}

/// Round and place of every run; every second round is mirrored: A B C D, D C B A, ...
fn order_of_runs(contenders: usize, rounds: u32) -> impl Iterator<Item = (u32, usize)> {
    (1..=rounds).flat_map(move |round| {
        let mirrored = round % 2 == 0;
        (0..contenders).map(move |at| (round, if mirrored { contenders - 1 - at } else { at }))
    })
}

fn one_line(round: u32, label: &str, run: &Run) -> String {
    use results::numbers::{count, time_ns};
    let measured = &run.measured;
    let reasons: Vec<&str> = run.verdict.reasons.iter().map(|reason| reason.check.as_str()).collect();
    format!(
        "round {round} {label:<10} {}{} p50 {} p99 {} lost {} of {}",
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
        let order: Vec<_> = order_of_runs(2, 3).collect();
        assert_eq!(order, [(1, 0), (1, 1), (2, 1), (2, 0), (3, 0), (3, 1)]);
    }

    #[test]
    fn a_transport_against_itself_is_two_contenders() {
        let labels = labels(&[Transport::Ws, Transport::Sse, Transport::Ws]);
        assert_eq!(labels, [Some("ws (1)".to_owned()), None, Some("ws (2)".to_owned())]);
    }
}
