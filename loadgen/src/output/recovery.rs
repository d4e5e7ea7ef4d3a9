//! The faults of a run, for people: one by one, whom each hit, how long it took until they were back, what it cost.

use std::fmt::Write;

use results::numbers::{count, number};
use results::{ClientGroup, FaultReport, Percentiles, Recovery, Run};

use super::{cells, header};

/// Writes nothing for a run without faults.
pub(super) fn write(out: &mut String, run: &Run) {
    let Some(recovery) = &run.measured.recovery else { return };
    header(out, &["at", "interrupted", "50 % back", "95 % back", "all back", "connects/s"]);
    for (place, fault) in recovery.faults.iter().enumerate() {
        cells(out, &format!("fault {}", place + 1), &row(fault));
    }
    for (place, fault) in recovery.faults.iter().enumerate() {
        let _ = writeln!(out, "  {}: {}{}", place + 1, fault.fault, told(fault));
    }
    let policy = run.asked.reconnect.as_deref().unwrap_or("backoff-jitter");
    let _ = writeln!(out, "recovery       {}; --reconnect {policy}", summary(recovery, run.measured.connections.asked));
}

/// The latency of those whom faults were aimed at, and of the bystanders, where a run tells them apart; `none` stands for what nobody
/// received.
pub(super) fn latencies<'a>(
    run: &'a Run,
    none: &'a Percentiles,
) -> impl Iterator<Item = (&'static str, &'a Percentiles)> {
    let groups = run
        .measured
        .recovery
        .iter()
        .flat_map(|recovery| [("  bystanders", &recovery.bystanders), ("  struck", &recovery.struck)]);
    groups.filter_map(move |(name, group)| Some((name, group.as_ref()?.latency.as_ref().unwrap_or(none))))
}

/// True when faults had the server's process end, so that another one took its place.
pub(super) fn is_of_several_servers(run: &Run) -> bool {
    let ends =
        |fault: &FaultReport| fault.fault.starts_with("restart-server") || fault.fault.starts_with("drain-server");
    run.measured.recovery.as_ref().is_some_and(|recovery| recovery.faults.iter().any(ends))
}

/// Its times and counts. What was not seen, or cannot be, is no number.
fn row(fault: &FaultReport) -> Vec<String> {
    let time = |seconds: Option<f64>| {
        seconds.map_or_else(|| "-".to_owned(), |s| format!("{} s", number((s * 1e3).round() / 1e3)))
    };
    let at = time(fault.at_s);
    let backs = [fault.half_live_s, fault.most_live_s, fault.all_live_s].map(time);
    let counts = [count(fault.interrupted), count(fault.peak_attempts_per_s)];
    let [interrupted, peak] = counts;
    [at, interrupted].into_iter().chain(backs).chain([peak]).collect()
}

fn told(fault: &FaultReport) -> String {
    if fault.at_s.is_none() {
        return ", not done: the run ended before".to_owned();
    }
    let clients = fault.clients.map(|clients| format!(", done to {} clients", count(clients))).unwrap_or_default();
    let over = fault.at_s.zip(fault.until_s);
    let over = over.map(|(at, until)| format!(", over after {:.2} s", until - at)).unwrap_or_default();
    format!(
        "{clients}{over}; caught up {}, lost {}, duplicated {}, gaps told {}",
        count(fault.caught_up),
        count(fault.lost),
        count(fault.duplicated),
        count(fault.gaps)
    )
}

fn summary(recovery: &Recovery, asked: u64) -> String {
    let live = |live: Option<u64>| live.map_or_else(|| "not measured".to_owned(), count);
    let clients = |group: &Option<ClientGroup>| count(group.as_ref().map_or(0, |group| group.clients));
    let groups = (recovery.struck.is_some())
        .then(|| format!("{} struck, {} bystanders; ", clients(&recovery.struck), clients(&recovery.bystanders)));
    let groups = groups.unwrap_or_default();
    format!(
        "{groups}{} interruptions, {} resumed; live {} of {} at worst, {} at the end; caught up {}",
        count(recovery.interrupted),
        count(recovery.resumed),
        live(recovery.lowest_live),
        count(asked),
        live(recovery.live_at_end),
        count(recovery.caught_up)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_that_was_not_seen_is_no_number() {
        let fault =
            FaultReport { at_s: Some(5.0), interrupted: 300, half_live_s: Some(0.62), ..FaultReport::default() };
        assert_eq!(row(&fault), ["5 s", "300", "0.62 s", "-", "-", "0"]);
        let undone = FaultReport { fault: "cut 1% at 9s".into(), ..FaultReport::default() };
        assert!(told(&undone).contains("not done"));
    }

    #[test]
    fn who_stood_by_is_told_apart_where_somebody_did() {
        let group = |clients| Some(ClientGroup { clients, latency: None });
        let told = |struck, bystanders| summary(&Recovery { struck, bystanders, ..Recovery::default() }, 10);
        assert!(told(group(3), group(7)).starts_with("3 struck, 7 bystanders; 0 interruptions"));
        assert!(told(group(10), None).starts_with("10 struck, 0 bystanders; "));
        assert!(told(None, None).starts_with("0 interruptions"), "nothing was done to clients");
    }
}
