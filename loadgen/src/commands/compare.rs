//! `loadgen compare`: several transports in interleaved rounds, each run in a fresh server process.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::anyhow;
use results::{Comparison, ComparisonRun, Ending, FolderError, Run, SCHEMA};

use super::run::{Order, Place, default_folder, end_of, measure};
use super::{End, Usage};
use crate::config::CompareArgs;
use crate::cores::Cores;
use crate::interrupt::Interrupt;
use crate::server_flags::ServerFlags;
use crate::side_by_side::{Contender, findings, table};
use crate::target::TargetFile;
use crate::target_args::{ContenderName, contender_label};

/// Measures every transport in every round, prints the medians, and says which differences are none.
pub async fn exec(args: CompareArgs) -> anyhow::Result<End> {
    let out = args.out.unwrap_or_else(|| default_folder("compare"));
    if out.exists() {
        return Err(FolderError::Exists(out).into());
    }
    let token = args.target.token()?;
    let targets: Vec<Arc<TargetFile>> =
        args.transports.iter().map(|name| Arc::clone(name.target.as_ref().unwrap_or(&args.target.file))).collect();
    let labels = labels(&args.transports, &targets);
    let flags = args.server.read().map_err(Usage)?;
    let is_ours = |target: &TargetFile| target.is_feed() && target.server.is_none();
    if !flags.is_empty() && !targets.iter().any(|target| is_ours(target)) {
        let why =
            anyhow!("--server-flags are for feed-servers that loadgen starts: expected a contender without @TARGET");
        return Err(Usage(why).into());
    }
    let orders: Vec<Order> = std::iter::zip(&args.transports, &targets)
        .map(|(name, target)| Order {
            transport: name.transport,
            target: Arc::clone(target),
            token: token.clone(),
            trust: args.target.trust.clone(),
            url: None,
            server_pid: None,
            server_flags: if is_ours(target) { flags.clone() } else { ServerFlags::default() },
            load: args.load.clone(),
            faults: args.faults.clone(),
            conditions: Vec::new(),
            place: Place::default(),
            title: String::new(),
        })
        .collect();
    orders.iter().try_for_each(Order::check)?;
    let cores = Cores::divide(args.load.pin, true)?;
    let interrupt = Interrupt::listen()?;
    let mut comparison = Comparison {
        schema: SCHEMA,
        started_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        transports: args.transports.iter().map(|name| name.transport.name().to_owned()).collect(),
        rounds: args.rounds,
        runs: Vec::new(),
    };
    let mut contenders: Vec<Contender> =
        labels.iter().map(|label| Contender { label: label.clone(), runs: Vec::new() }).collect();
    let all_rounds = async {
        for (round, place) in order_of_runs(orders.len(), args.rounds) {
            let (label, transport) = (&labels[place], orders[place].transport);
            let folder = format!("round-{round}-{}", label.replace(" (", "-").replace(')', ""));
            let order = Order { title: format!("round {round}/{} {label}", args.rounds), ..orders[place].clone() };
            let runs = &mut contenders[place].runs;
            let show = |run: &Run| {
                if run.ending == Ending::Interrupted {
                    // Shorter than the others, so it is no round; what it measured stays in its folder.
                    results::outln!("round {round} {label:<12} interrupted: left out");
                } else {
                    results::outln!("{}", one_line(round, label, run));
                    runs.push((Some(round), run.clone()));
                }
            };
            let run = measure(&order, &out.join(&folder), &cores, &interrupt, show).await?;
            if run.ending == Ending::Interrupted {
                break;
            }
            let label = Some(label.clone()).filter(|label| label != transport.name());
            comparison.runs.push(ComparisonRun { round, transport: transport.name().into(), label, folder });
            // Written anew after each run: nothing that was measured is lost if a later one fails.
            comparison.write(&out)?;
            if interrupt.is_wanted() {
                break;
            }
        }
        anyhow::Ok(())
    };
    let led = all_rounds.await;
    if led.is_ok() || contenders.iter().any(|contender| !contender.runs.is_empty()) {
        results::out!("{}{}", table(&contenders), findings(&contenders));
    }
    led?;
    results::outln!("results: {}", out.display());
    let end = outcome(&contenders);
    Ok(if interrupt.is_wanted() { end.max(End::Unfinished) } else { end })
}

/// Rounds that were left out and named do not spoil the rest, unless they leave a contender without a valid one.
fn outcome(contenders: &[Contender]) -> End {
    let ends = |contender: &Contender| contender.runs.iter().map(|(_, run)| end_of(run)).collect::<Vec<_>>();
    let of_contender = |contender: &Contender| match ends(contender) {
        // The user stopped before its first.
        ends if ends.is_empty() => End::Unfinished,
        ends if ends.iter().all(|end| *end == End::Invalid) => End::Invalid,
        ends => ends.into_iter().filter(|end| *end != End::Invalid).max().unwrap_or(End::Fine),
    };
    contenders.iter().map(of_contender).max().unwrap_or(End::Fine)
}

/// `ws`, `ws@node-ws` on a server that is not the feed's; `ws (1)`, `ws (2)` for what is asked for more than once.
fn labels(names: &[ContenderName], targets: &[Arc<TargetFile>]) -> Vec<String> {
    let plain: Vec<String> =
        std::iter::zip(names, targets).map(|(name, target)| contender_label(name.transport, target)).collect();
    let label = |(place, own): (usize, &String)| {
        let so_far = plain[..=place].iter().filter(|other| *other == own).count();
        let all = plain.iter().filter(|other| *other == own).count();
        if all > 1 { format!("{own} ({so_far})") } else { own.clone() }
    };
    plain.iter().enumerate().map(label).collect()
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
        "round {round} {label:<12} {}{} p50 {} p99 {} lost {} of {}",
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
    fn what_is_asked_for_twice_is_numbered_and_foreign_servers_are_named() {
        let names: Vec<ContenderName> = ["ws", "sse", "ws", "ws@nchan"].map(|name| name.parse().unwrap()).into();
        let feed = Arc::new(TargetFile::feed());
        let targets: Vec<_> = names.iter().map(|name| name.target.clone().unwrap_or(Arc::clone(&feed))).collect();
        assert_eq!(labels(&names, &targets), ["ws (1)", "sse", "ws (2)", "ws@nchan"]);
    }
}
