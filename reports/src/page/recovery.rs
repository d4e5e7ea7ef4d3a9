//! The table of faults on the page: what was done to whom, how long they took to come back, what it cost.

use results::numbers::{count, number, time_ns};
use results::{ClientGroup, FaultReport, LoadedRun, Percentiles};

use crate::drawing::escaped;
use crate::groups::Contender;

const HEADINGS: [&str; 13] = [
    "contender",
    "fault",
    "at",
    "done to",
    "interrupted",
    "50 % back",
    "95 % back",
    "all back",
    "connects/s",
    "caught up",
    "lost",
    "duplicated",
    "gaps told",
];

const GROUP_HEADINGS: [&str; 7] = ["contender", "clients", "how many", "p50", "p99", "p99.9", "max"];

/// Nothing where there were no faults. One row per fault and round.
pub(super) fn table(contenders: &[Contender<'_>]) -> String {
    let rows: String = contenders
        .iter()
        .flat_map(|contender| contender.used.iter().map(move |run| (contender, run)))
        .flat_map(|(contender, run)| faults(run).map(move |fault| row(contender, fault)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let headings: String = HEADINGS.iter().map(|heading| format!("<th>{heading}</th>")).collect();
    format!(
        "<h2>Faults, and how everybody got over them</h2>\n<p>Of those whom a fault interrupted, the time until 50 %, 95 % and all \
         had resumed, to the millisecond (in runs of older builds to a tenth of a second); each row counts what happened from its fault to the next one, or to the end of the \
         drain phase. Connects are attempts that were begun, the most within any second. A delivery is caught up when it was \
         published before its client began to resume.</p>\n\
         <div class=\"wide\"><table>\n<tr>{headings}</tr>\n{rows}</table></div>\n{}",
        bystanders(contenders)
    )
}

/// The latency of those whom faults were aimed at, and of all others. Nothing where nothing was done to clients.
fn bystanders(contenders: &[Contender<'_>]) -> String {
    let rows: String = contenders
        .iter()
        .flat_map(|contender| contender.used.iter().map(move |run| (contender, run)))
        .flat_map(|(contender, run)| groups(run).map(move |(name, group)| group_row(contender, name, group)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let headings: String = GROUP_HEADINGS.iter().map(|heading| format!("<th>{heading}</th>")).collect();
    format!(
        "<p>Delivery latency of the clients that a fault was aimed at, sooner or later (struck), and of all others (bystanders): \
         each client belongs to one of them for the whole run.</p>\n\
         <div class=\"wide\"><table>\n<tr>{headings}</tr>\n{rows}</table></div>\n"
    )
}

fn groups<'a>(run: &&'a LoadedRun) -> impl Iterator<Item = (&'static str, &'a ClientGroup)> + use<'a> {
    let both = run
        .run
        .measured
        .recovery
        .iter()
        .flat_map(|recovery| [("bystanders", recovery.bystanders.as_ref()), ("struck", recovery.struck.as_ref())]);
    both.filter_map(|(name, group)| Some((name, group?)))
}

fn group_row(contender: &Contender<'_>, name: &str, group: &ClientGroup) -> String {
    let time =
        |of: fn(&Percentiles) -> u64| group.latency.as_ref().map_or("-".to_owned(), |latency| time_ns(of(latency)));
    let times = [time(|p| p.p50_ns), time(|p| p.p99_ns), time(|p| p.p999_ns), time(|p| p.max_ns)];
    let cells = [contender.label.clone(), name.to_owned(), count(group.clients)].into_iter().chain(times);
    format!("<tr>{}</tr>\n", cells.map(|cell| format!("<td>{}</td>", escaped(&cell))).collect::<String>())
}

fn faults<'a>(run: &&'a LoadedRun) -> impl Iterator<Item = &'a FaultReport> + use<'a> {
    run.run.measured.recovery.iter().flat_map(|recovery| &recovery.faults)
}

fn row(contender: &Contender<'_>, fault: &FaultReport) -> String {
    let time = |seconds: Option<f64>| {
        seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{} s", number((seconds * 10.0).round() / 10.0)))
    };
    let cells = [
        contender.label.clone(),
        fault.fault.clone(),
        if fault.at_s.is_some() { time(fault.at_s) } else { "not done".to_owned() },
        fault.clients.map_or_else(|| "the server".to_owned(), count),
        count(fault.interrupted),
        time(fault.half_live_s),
        time(fault.most_live_s),
        time(fault.all_live_s),
        count(fault.peak_attempts_per_s),
        count(fault.caught_up),
        count(fault.lost),
        count(fault.duplicated),
        count(fault.gaps),
    ];
    format!("<tr>{}</tr>\n", cells.map(|cell| format!("<td>{}</td>", escaped(&cell))).concat())
}
