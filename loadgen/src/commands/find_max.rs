//! `loadgen find-max`: the highest load that holds, found in steps that are runs like any other.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::bail;
use results::numbers::{NOT_MEASURED, count, percent};
use results::{FolderError, Reason, Run, SCHEMA, Search, SearchEnding, SearchStep, StepFinding, Vary};

use super::run::{Order, Place, default_folder, measure};
use super::{End, Usage};
use crate::config::{FindMaxArgs, VaryArg};
use crate::cores::Cores;
use crate::hunt::Hunt;
use crate::interrupt::Interrupt;
use crate::limit::{blame, blame_invalid};
use crate::plan::connections_per_client;
use crate::server_flags::ServerFlags;
use crate::side_by_side::wrapped;
use crate::target::Token;
use crate::target_args::contender_label;
use crate::{clock, preflight};

/// Largest rate that the command line takes.
const MOST_RATE: f64 = 1e6;

/// Searches, step by step, and says in words what was found.
pub async fn exec(args: FindMaxArgs) -> anyhow::Result<End> {
    let label = contender_label(args.transport, &args.target.file);
    let out = args.out.clone().unwrap_or_else(|| default_folder(&format!("find-max-{label}")));
    if out.exists() {
        return Err(FolderError::Exists(out).into());
    }
    let (vary, start, ceiling) = bounds(&args)?;
    let token = args.target.token()?;
    let flags = args.server.read().map_err(Usage)?;
    let order_at = |load| order(&args, token.as_ref(), &flags, vary, load);
    order_at(start).check()?;
    let mut search = Search {
        schema: SCHEMA,
        started_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        transport: args.transport.name().into(),
        label: Some(label).filter(|label| label != args.transport.name()),
        vary,
        slo: args.slo.iter().map(ToString::to_string).collect(),
        resolution: args.resolution,
        steps: Vec::new(),
        ending: SearchEnding::Unfinished,
        limited_by: None,
        outcome: String::new(),
    };
    let mut hunt = Hunt::new(vary, start, ceiling, args.resolution);
    let mut runs: Vec<Run> = Vec::new();
    let cores = Cores::divide(args.load.pin, args.url.is_none())?;
    let interrupt = Interrupt::listen()?;
    let latest = clock::now() + args.max_time;
    let all_steps = async {
        loop {
            let load = match hunt.next() {
                Ok(load) => load,
                Err(ending) => break anyhow::Ok(ending),
            };
            if search.steps.len() >= args.max_steps as usize || clock::now() >= latest {
                break Ok(SearchEnding::OutOfBounds);
            }
            let folder = format!("step-{:02}-{load}", search.steps.len() + 1);
            let show = |run: &Run| {
                if !interrupt.is_wanted() {
                    results::outln!("{}", one_line(&told(vary, load), run, finding(run)));
                    runs.push(run.clone());
                }
            };
            let run = measure(&order_at(load), &out.join(&folder), &cores, &interrupt, show).await?;
            if interrupt.is_wanted() {
                break Ok(SearchEnding::Unfinished);
            }
            let finding = finding(&run);
            search.steps.push(SearchStep { load, finding, folder });
            // Written anew after each step: nothing that was measured is lost if a later one fails.
            search.write(&out)?;
            match finding {
                StepFinding::Holds => hunt.record(load, true),
                StepFinding::Broken => hunt.record(load, false),
                // No hiccup of the server's, and nothing above it would be measured better.
                StepFinding::Invalid => break Ok(SearchEnding::Invalid),
            }
        }
    };
    let led = all_steps.await;
    search.ending = *led.as_ref().unwrap_or(&SearchEnding::Unfinished);
    conclude(&mut search, &runs);
    if led.is_ok() || !runs.is_empty() {
        results::outln!("\n{}", wrapped(search.outcome.trim()));
    }
    led?;
    if !search.steps.is_empty() {
        search.write(&out)?;
    }
    results::outln!("results: {}", out.display());
    Ok(end_of(search.ending))
}

fn end_of(ending: SearchEnding) -> End {
    match ending {
        SearchEnding::Found | SearchEnding::NotReached => End::Fine,
        SearchEnding::Unfinished | SearchEnding::OutOfBounds => End::Unfinished,
        SearchEnding::NothingHolds => End::AssertionFailed,
        SearchEnding::Invalid => End::Invalid,
    }
}

/// What varies, from where, up to where.
fn bounds(args: &FindMaxArgs) -> anyhow::Result<(Vary, f64, f64)> {
    let load = &args.load;
    let per_client = connections_per_client(args.transport, load.socketio);
    let most_clients = preflight::most_clients(per_client, load.publish_connections);
    let (vary, flag, start, room) = match args.vary {
        VaryArg::Clients => (Vary::Clients, "--clients", f64::from(load.clients), most_clients as f64),
        VaryArg::Rate => (Vary::Rate, "--rate", load.rate, MOST_RATE),
    };
    if start > room {
        bail!("a search cannot start at {}: this process has room for {}", told(vary, start), told(vary, room));
    }
    let ceiling = args.most.unwrap_or(room).min(room);
    if start > ceiling {
        bail!("a search cannot start at {}, which is above --most {ceiling}: lower {flag}", told(vary, start));
    }
    Ok((vary, start, if vary == Vary::Clients { ceiling.floor().max(1.0) } else { ceiling }))
}

fn order(args: &FindMaxArgs, token: Option<&Token>, flags: &ServerFlags, vary: Vary, at: f64) -> Order {
    let mut load = args.load.clone();
    match vary {
        Vary::Clients => load.clients = at as u32,
        Vary::Rate => load.rate = at,
    }
    Order {
        transport: args.transport,
        target: Arc::clone(&args.target.file),
        token: token.cloned(),
        trust: args.target.trust.clone(),
        url: args.url.clone(),
        server_pid: args.server_pid,
        server_flags: flags.clone(),
        load,
        faults: Vec::new(),
        conditions: args.slo.clone(),
        place: Place::default(),
        title: format!("{} {}", contender_label(args.transport, &args.target.file), told(vary, at)),
    }
}

fn finding(run: &Run) -> StepFinding {
    match run.verdict.is_valid() {
        false => StepFinding::Invalid,
        true if run.assertions.iter().all(|assertion| assertion.holds) => StepFinding::Holds,
        true => StepFinding::Broken,
    }
}

fn runs_at(search: &Search, load: f64) -> usize {
    search.steps.iter().filter(|step| step.load == load).count()
}

fn told(vary: Vary, load: f64) -> String {
    match vary {
        Vary::Clients if load == 1.0 => "1 client".into(),
        Vary::Clients => format!("{} {}", count(load as u64), vary.unit()),
        Vary::Rate => format!("{} {}", (load * 1e3).round() / 1e3, vary.unit()),
    }
}

fn one_line(load: &str, run: &Run, finding: StepFinding) -> String {
    let word = match finding {
        StepFinding::Holds => "holds",
        StepFinding::Broken => "BROKEN",
        StepFinding::Invalid => "INVALID",
    };
    let seen: Vec<String> = run.assertions.iter().map(|each| format!("{} {}", each.text, each.seen)).collect();
    let (server, generator) = run.cpu_shares();
    let server = server.map_or_else(|| NOT_MEASURED.to_owned(), percent);
    let reasons: Vec<&str> = run.verdict.reasons.iter().map(|reason| reason.check.as_str()).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    format!("{load:<22} {word}{reasons}  {}  CPU: server {server}, generator {}", seen.join(", "), percent(generator))
}

/// Says who was at its limit, and the outcome in words.
fn conclude(search: &mut Search, runs: &[Run]) {
    let vary = search.vary;
    let slo = search.slo.join(", ");
    let head = format!("{} holds {slo}", search.contender());
    let broken = search.lowest_that_breaks().and_then(|load| {
        let place = search.steps.iter().rposition(|s| s.load == load && s.finding == StepFinding::Broken)?;
        Some((load, &runs[place]))
    });
    let up_to = search.highest_that_holds().map(|load| {
        let once = if runs_at(search, load) == 1 { " (in one run)" } else { "" };
        format!("{head} up to {}{once}", told(vary, load))
    });
    let but = if up_to.is_some() { "; at {} it does not" } else { " at {}" };
    let but_not = broken.map(|(load, run)| format!("{} ({})", but.replace("{}", &told(vary, load)), faults(run)));
    let so_far = up_to.clone().unwrap_or_else(|| format!("{} does not hold {slo}", search.contender()))
        + &but_not.unwrap_or_default();
    let (limited_by, blamed) = broken.map_or((None, String::new()), |(_, run)| blame(run));
    search.limited_by = limited_by;
    search.outcome = match search.ending {
        SearchEnding::Found => format!("{so_far}. {blamed}"),
        SearchEnding::OutOfBounds => format!("Steps or time ran out. {so_far}: the limit lies between. {blamed}"),
        SearchEnding::Unfinished => format!("Interrupted. {so_far}."),
        SearchEnding::NotReached => format!(
            "{so_far}, the most that was allowed: by --most, by what the command line takes, or by this process's file \
             descriptors (ulimit -n). No limit was found."
        ),
        SearchEnding::NothingHolds => format!("{so_far}, the smallest load. {blamed}"),
        SearchEnding::Invalid => without_a_limit(search, runs, up_to),
    };
}

fn without_a_limit(search: &Search, runs: &[Run], up_to: Option<String>) -> String {
    let Some((step, run)) = search.steps.last().zip(runs.last()) else { return String::new() };
    let reasons: Vec<String> = run.verdict.reasons.iter().map(told_reason).collect();
    let up_to = up_to.map_or_else(String::new, |up_to| format!(" {up_to}."));
    format!(
        "The search ended without a limit: at {} the measurement is invalid ({}). {}{up_to}",
        told(search.vary, step.load),
        reasons.join("; "),
        blame_invalid(run)
    )
}

fn told_reason(reason: &Reason) -> String {
    format!("{}: {}, bound: {}", reason.check, reason.seen, reason.bound)
}

fn faults(run: &Run) -> String {
    let faults = run.assertions.iter().filter(|assertion| !assertion.holds);
    faults.map(|assertion| format!("{}: {}", assertion.text, assertion.seen)).collect::<Vec<_>>().join(", ")
}
