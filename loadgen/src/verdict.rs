//! Whether this run may be believed: each check has a bound, and a reason that says what was seen, why, and what to try.

mod advice;
mod answers;
mod unheard;

pub use unheard::{Judged, Span, Unheard, unheard};

use std::time::Duration;

use results::numbers::{count, percent, time_ns};
use results::{Measured, Reason, Verdict};

use crate::config::Bounds;
use crate::recording::{EMPTY_ANSWER, FOREIGN, SUBSCRIPTION_REFUSED, TOLD_PUBLISHERS};
use advice::{Side, advice};

/// What a verdict is made from, besides the measurement itself.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// True when deliveries were still arriving when the drain bound was reached.
    pub drain_was_cut: bool,
    /// Clients that received nothing where others did.
    pub unheard: Unheard,
    /// True when the run committed faults: who is live at its end is then what was measured.
    pub was_struck: bool,
    /// For how much of the window the server was away because the run had it so: what was due meanwhile need not have been accepted.
    pub server_away: Duration,
    /// Length of the window, as far as it was measured.
    pub window: Duration,
    /// True when the server's process was another one at the end of the window than at its start.
    pub server_restarted: bool,
    /// Mean time between two notifications, all topics together.
    pub publishing_interval: Duration,
    /// True when the server told its own cost at one point and not at another, or is our own and never did.
    pub server_fell_silent: bool,
}

/// Judges a run.
pub fn judge(measured: &Measured, bounds: &Bounds, circumstances: Circumstances) -> Verdict {
    let checks = [
        answers::unreadable(measured),
        answers::too_large(measured),
        answers::told_to_stop(measured),
        clients_live(measured, circumstances),
        load_applied(measured, bounds, circumstances),
        publish_connections(measured, circumstances),
        something_arrived(measured),
        never_learnt(measured),
        misdelivered(measured),
        clients_unheard(measured, circumstances),
        send_lag(measured, bounds, circumstances),
        loop_lag(measured, bounds),
        generator_cpu(measured, bounds),
        latency_range(measured),
        drain(circumstances),
        server(circumstances),
        server_disagrees(measured),
    ];
    Verdict { reasons: checks.into_iter().flatten().collect() }
}

fn reason(check: &str, seen: String, bound: String, cause: &str, remedy: &str) -> Reason {
    Reason { check: check.into(), seen, bound, cause: cause.into(), remedy: remedy.into() }
}

/// Clients that were live from the window's start to its end, as far as nothing was done to them on purpose.
fn live(measured: &Measured, circumstances: Circumstances) -> u64 {
    let connections = &measured.connections;
    let at_end = if circumstances.was_struck { connections.asked } else { connections.live_at_end };
    connections.live_at_start.min(at_end)
}

fn clients_live(measured: &Measured, circumstances: Circumstances) -> Option<Reason> {
    let connections = &measured.connections;
    let live = live(measured, circumstances);
    // Who was told to stop is told as that.
    let stopped = connections.orderly.map_or(0, |orderly| orderly.told_to_stop);
    (live + stopped < connections.asked).then(|| {
        let refused = quote(measured, SUBSCRIPTION_REFUSED, "; the server refused the subscription:");
        let told_to_stop =
            if stopped > 0 { format!("; {} were told to stop", count(stopped)) } else { String::new() };
        let seen = format!("{live} of {} clients were live{told_to_stop}{refused}", connections.asked);
        match advice(&connections.errors, Side::Clients) {
            Some((cause, remedy)) => reason("clients-live", seen, "all of them".into(), &cause, &remedy),
            None => reason(
                "clients-live",
                seen,
                "all of them".into(),
                "No error was counted: the others were still connecting.",
                "Raise --connect-rate or --settle if they were paced so; else lower --clients until the server lets them in.",
            ),
        }
    })
}

fn load_applied(measured: &Measured, bounds: &Bounds, circumstances: Circumstances) -> Option<Reason> {
    let published = &measured.published;
    let applied = published.accepted as f64 / (published.due as f64).max(1.0);
    let away = circumstances.server_away.as_secs_f64() / circumstances.window.as_secs_f64().max(1e-9);
    let least = bounds.min_load * (1.0 - away.min(1.0));
    (published.due == 0 || applied < least).then(|| {
        let seen = format!("{} of {} notifications were accepted", published.accepted, published.due);
        let bound = format!("at least {}", percent(least));
        match advice(&measured.connections.errors, Side::Publishers) {
            Some((cause, remedy)) => reason("load-applied", seen, bound, &cause, &remedy),
            None => reason(
                "load-applied",
                seen,
                bound,
                "The server refused them, or nothing was due in the window.",
                "Lengthen --duration or raise --rate if nothing was due; else look at the server's log.",
            ),
        }
    })
}

/// Share of the publications that may wait for a free connection: more would move the 99th percentile.
const MOST_WAITING: f64 = 0.01;

fn publish_connections(measured: &Measured, circumstances: Circumstances) -> Option<Reason> {
    let published = &measured.published;
    let waited = published.waited as f64 / (published.due as f64).max(1.0);
    (waited > MOST_WAITING && circumstances.server_away.is_zero()).then(|| {
        reason(
            "publish-connections",
            format!(
                "{} of {} publications found no free connection and waited; at most {} were open",
                count(published.waited),
                count(published.due),
                count(published.most_connections)
            ),
            format!("at most {}", percent(MOST_WAITING)),
            "One request is in flight on each connection, and the server answers more slowly than connections for publishing may be opened.",
            "Raise --publish-connections, lower --rate, or lengthen --warmup, in which they are opened.",
        )
    })
}

/// The server's own words of a kind behind `before`, where there are any.
fn quote(measured: &Measured, kind: &str, before: &str) -> String {
    measured.quotes.get(kind).map(|words| format!("{before} `{words}`")).unwrap_or_default()
}

/// The events that were discarded because their answers ended before they did, if there were any.
fn cut_events(measured: &Measured) -> String {
    let cut = measured.connections.errors.get("event-without-end");
    let told =
        |n: &u64| format!("; {} events ended without the empty line that ends one, and were discarded", count(*n));
    cut.map(told).unwrap_or_default()
}

fn something_arrived(measured: &Measured) -> Option<Reason> {
    // Where what came was too large to be read, that is the reason.
    let came = answers::too_large(measured).is_some();
    (measured.published.accepted > 0 && measured.latency.count == 0 && !came).then(|| {
        reason(
            "latency",
            format!(
                "not measured: nothing that was published in the window arrived{}{}{}{}",
                cut_events(measured),
                quote(measured, FOREIGN, "; the first message was"),
                quote(measured, EMPTY_ANSWER, "; the first answer was"),
                quote(
                    measured,
                    &format!("{TOLD_PUBLISHERS}1"),
                    "; on the publisher's own socket the server said first"
                )
            ),
            "one delivery".into(),
            "The server accepted notifications and gave them to none of the clients.",
            "See whether it serves the topic on this transport, for example with `loadgen check`.",
        )
    })
}

fn misdelivered(measured: &Measured) -> Option<Reason> {
    let misdelivered = measured.misdelivered.filter(|notifications| *notifications > 0)?;
    Some(reason(
        "misdelivered",
        format!("{} notifications reached clients of other topics", count(misdelivered)),
        "none: a notification goes to the clients of its own topic".into(),
        "The server gives clients what they did not subscribe to, so this was no load of several topics: clients and server had more \
         to carry than was asked for.",
        "See with `loadgen check` whether the server keeps topics apart and the target file puts {topic} where the server looks for it; \
         or measure one topic (--topics 1).",
    ))
}

fn clients_unheard(measured: &Measured, circumstances: Circumstances) -> Option<Reason> {
    let mut found = circumstances.unheard;
    if !circumstances.drain_was_cut && measured.deliveries.late == 0 {
        found.at_the_end += found.behind;
    }
    let Unheard { at_all, at_the_end, of_silenced_topics, .. } = found;
    // Who was not live is told as that.
    let gone = measured.connections.asked - live(measured, circumstances).min(measured.connections.asked);
    unheard::clients_unheard(found).filter(|_| at_all + at_the_end + of_silenced_topics > gone)
}

/// A value that no answer had is no fault of a run that lost nothing and got nothing twice. A stream's clients repeat it only when they come
/// back, be it behind an answer that ended in order.
fn never_learnt(measured: &Measured) -> Option<Reason> {
    let books = &measured.deliveries;
    let connections = &measured.connections;
    let have_ended = connections.orderly.is_some_and(|orderly| orderly.answers > 0);
    let was_asked_for = measured.polls.is_some() || connections.reconnected > 0 || have_ended;
    let did_harm = books.lost + books.duplicated > 0 || measured.latency.count == 0;
    (!measured.never_learnt.is_empty() && was_asked_for && did_harm).then(|| {
        reason(
            "never-learnt",
            format!(
                "{} stood in no answer{}",
                measured.never_learnt.join(", "),
                quote(measured, EMPTY_ANSWER, "; the first that brought nothing was")
            ),
            "a value in at least one".into(),
            "Clients never had what their next request is to repeat, so each asked as if it were the first.",
            "See what the server's answers hold, for example with `loadgen check`, and mend `remember` in the target file.",
        )
    })
}

/// Finest send lag that is asked for: the scheduler of a busy core does not do better.
const FINEST_SEND_LAG: Duration = Duration::from_millis(1);

/// How late a notification may be sent where one is due every `interval`: one that is later than the next one is due is no longer the load
/// that was asked for. As long may it wait for a free connection before it counts as one that waited.
pub fn most_send_lag(bounds: &Bounds, interval: Duration) -> Duration {
    bounds.max_send_lag.min(interval.max(FINEST_SEND_LAG))
}

fn send_lag(measured: &Measured, bounds: &Bounds, circumstances: Circumstances) -> Option<Reason> {
    let lag = &measured.published.send_lag;
    let bound = most_send_lag(bounds, circumstances.publishing_interval);
    (u128::from(lag.p99_ns) > bound.as_nanos()).then(|| {
        reason(
            "send-lag",
            format!("the 99th percentile was {}", time_ns(lag.p99_ns)),
            format!("at most {}", time_ns(bound.as_nanos() as u64)),
            "The publisher was held up: by other load on its core, or by a socket that the server does not read.",
            "Free the machine, lower --rate, or leave --pin at auto.",
        )
    })
}

fn loop_lag(measured: &Measured, bounds: &Bounds) -> Option<Reason> {
    let lag = &measured.generator.loop_lag;
    (lag.count == 0 || u128::from(lag.p99_ns) > bounds.max_loop_lag.as_nanos()).then(|| {
        reason(
            "loop-lag",
            if lag.count == 0 {
                "not measured".into()
            } else {
                format!("the 99th percentile was {}", time_ns(lag.p99_ns))
            },
            format!("at most {}", time_ns(bounds.max_loop_lag.as_nanos() as u64)),
            "The generator's event loops were late, so receipts were stamped late.",
            "Free the machine, lower --clients or --rate, or give the generator more cores.",
        )
    })
}

fn generator_cpu(measured: &Measured, bounds: &Bounds) -> Option<Reason> {
    let used = measured.generator.cpu_share;
    (used > bounds.max_cpu).then(|| {
        reason(
            "generator-cpu",
            format!("{} of the cores that it may use", percent(used)),
            format!("at most {}", percent(bounds.max_cpu)),
            "The generator was at its ceiling, so it may be what was measured.",
            "Lower --clients or --rate, or give the generator more cores.",
        )
    })
}

fn latency_range(measured: &Measured) -> Option<Reason> {
    (measured.latency_out_of_range > 0).then(|| {
        reason(
            "latency-range",
            format!("{} times were above a minute or below zero", measured.latency_out_of_range),
            "none".into(),
            "They are in no percentile.",
            "Lower the load until the server keeps up; below zero, the server changes postmarks.",
        )
    })
}

fn drain(circumstances: Circumstances) -> Option<Reason> {
    circumstances.drain_was_cut.then(|| {
        reason(
            "drain",
            "deliveries were still arriving at the drain bound".into(),
            "silence before it".into(),
            "What was on its way counts as lost, though it was not.",
            "Raise --drain, or lower the load.",
        )
    })
}

fn server(circumstances: Circumstances) -> Option<Reason> {
    if circumstances.server_restarted {
        return Some(reason(
            "server-restarted",
            "the server's process changed within the run".into(),
            "one process".into(),
            "Its counters began anew, so its cost is not known.",
            "Look at the server's log for why it ended.",
        ));
    }
    circumstances.server_fell_silent.then(|| {
        reason(
            "server-stats",
            "the server's /stats, or its process in /proc, went missing in the middle of the run".into(),
            "an answer at every reading".into(),
            "The server was too busy to answer within five seconds, or it has gone.",
            "Lower the load, or look at the server's log.",
        )
    })
}

fn server_disagrees(measured: &Measured) -> Option<Reason> {
    let disagreements: Vec<String> = measured
        .reconciliation
        .iter()
        .filter(|row| row.is_disagreement())
        .map(|row| format!("{}: {} here, {} there", row.quantity, count(row.generator), count(row.server)))
        .collect();
    (!disagreements.is_empty()).then(|| {
        reason(
            "server-disagrees",
            disagreements.join("; "),
            "the same counts here and in the server's /stats".into(),
            "One side has lost count, so no number of this run is known to be right.",
            "Run again; if it stays, loadgen or the server has a defect: `scripts/wirecheck.sh` tells which of them.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Circumstances = Circumstances {
        drain_was_cut: false,
        unheard: Unheard { at_all: 0, at_the_end: 0, of_silenced_topics: 0, behind: 0, clients: 10 },
        was_struck: false,
        server_away: Duration::ZERO,
        window: Duration::from_secs(10),
        server_restarted: false,
        server_fell_silent: false,
        publishing_interval: Duration::from_millis(100),
    };

    fn bounds() -> Bounds {
        Bounds {
            max_send_lag: Duration::from_millis(10),
            max_loop_lag: Duration::from_millis(20),
            max_cpu: 0.9,
            min_load: 0.99,
        }
    }

    fn healthy() -> Measured {
        let percentiles = results::Percentiles { count: 100, p99_ns: 1_000_000, ..Default::default() };
        Measured {
            phases: Vec::new(),
            latency: percentiles.clone(),
            latency_from_actual: Some(percentiles.clone()),
            latency_out_of_range: 0,
            connect: percentiles.clone(),
            deliveries: results::Deliveries::default(),
            misdelivered: Some(0),
            repeated_within_messages: Some(0),
            foreign: None,
            quotes: Default::default(),
            never_learnt: Vec::new(),
            published: results::Published {
                due: 100,
                sent: 100,
                accepted: 100,
                send_lag: percentiles.clone(),
                ..Default::default()
            },
            bytes: results::Bytes::default(),
            connections: results::Connections { asked: 10, live_at_start: 10, live_at_end: 10, ..Default::default() },
            polls: None,
            server: None,
            generator: results::GeneratorCost { cpu_share: 0.5, loop_lag: percentiles, ..Default::default() },
            reconciliation: Vec::new(),
            recovery: None,
        }
    }

    fn checks(measured: &Measured, circumstances: Circumstances) -> Vec<String> {
        judge(measured, &bounds(), circumstances).reasons.into_iter().map(|reason| reason.check).collect()
    }

    #[test]
    fn a_healthy_run_is_valid() {
        assert!(judge(&healthy(), &bounds(), CALM).is_valid());
    }

    fn differing(explained: Option<&str>) -> results::Reconciled {
        let explained = explained.map(str::to_owned);
        results::Reconciled { quantity: "stream bytes sent".into(), generator: 100, server: 99, explained }
    }

    #[test]
    fn advice_follows_from_the_errors_that_were_counted() {
        let mut measured = healthy();
        let told = |measured: &Measured, check: &str| {
            let reasons = judge(measured, &bounds(), CALM).reasons;
            reasons.into_iter().find(|reason| reason.check == check).unwrap().to_string()
        };
        (measured.connections.live_at_end, measured.published.accepted) = (9, 50);
        assert!(told(&measured, "clients-live").contains("No error was counted"));
        let errors = [("protocol: a masked frame from the server (RFC 6455 5.1)", 11), ("publish-status-429", 50)];
        measured.connections.errors = errors.map(|(kind, n)| (kind.to_owned(), n)).into();
        let live = told(&measured, "clients-live");
        assert!(
            live.contains("protocol: a masked frame from the server (RFC 6455 5.1) 11: the server, or a proxy"),
            "{live}"
        );
        assert!(!live.contains("--clients"), "{live}");
        let applied = told(&measured, "load-applied");
        assert!(applied.contains("status-429 50: the server limits") && applied.contains("--rate"), "{applied}");
    }

    #[test]
    fn each_bound_has_its_own_reason() {
        let spoilt = |spoil: fn(&mut Measured)| {
            let mut measured = healthy();
            spoil(&mut measured);
            checks(&measured, CALM)
        };
        assert_eq!(spoilt(|m| m.connections.live_at_end = 9), ["clients-live"]);
        assert_eq!(spoilt(|m| m.published.accepted = 98), ["load-applied"]);
        assert_eq!(spoilt(|m| m.published.waited = 2), ["publish-connections"]);
        assert_eq!(spoilt(|m| m.published.waited = 1), [""; 0]);
        assert_eq!(spoilt(|m| m.latency.count = 0), ["latency"]);
        assert_eq!(spoilt(|m| m.misdelivered = Some(1)), ["misdelivered"]);
        assert_eq!(spoilt(|m| m.published.send_lag.p99_ns = 11_000_000), ["send-lag"]);
        assert_eq!(spoilt(|m| m.generator.loop_lag.p99_ns = 21_000_000), ["loop-lag"]);
        assert_eq!(spoilt(|m| m.generator.loop_lag.count = 0), ["loop-lag"]);
        assert_eq!(spoilt(|m| m.generator.cpu_share = 0.95), ["generator-cpu"]);
        assert_eq!(spoilt(|m| m.latency_out_of_range = 1), ["latency-range"]);
        assert_eq!(spoilt(|m| m.reconciliation = vec![differing(None)]), ["server-disagrees"]);
        assert!(spoilt(|m| m.reconciliation = vec![differing(Some("lost connections"))]).is_empty());
        assert_eq!(checks(&healthy(), Circumstances { drain_was_cut: true, ..CALM }), ["drain"]);
        let unheard = Unheard { at_the_end: 1, ..CALM.unheard };
        assert_eq!(checks(&healthy(), Circumstances { unheard, ..CALM }), ["clients-unheard"]);
        let unheard = Unheard { behind: 1, ..CALM.unheard };
        assert_eq!(checks(&healthy(), Circumstances { unheard, ..CALM }), ["clients-unheard"], "nothing else was late");
        assert_eq!(checks(&healthy(), Circumstances { unheard, drain_was_cut: true, ..CALM }), ["drain"]);
        assert_eq!(checks(&healthy(), Circumstances { server_restarted: true, ..CALM }), ["server-restarted"]);
        assert_eq!(checks(&healthy(), Circumstances { server_fell_silent: true, ..CALM }), ["server-stats"]);
    }

    #[test]
    fn who_was_not_live_is_told_as_that_alone() {
        let mut measured = healthy();
        measured.connections.live_at_end = 8;
        let unheard = |at_all| Circumstances { unheard: Unheard { at_all, ..CALM.unheard }, ..CALM };
        assert_eq!(checks(&measured, unheard(2)), ["clients-live"]);
        assert_eq!(checks(&measured, unheard(3)), ["clients-live", "clients-unheard"]);
    }

    #[test]
    fn who_was_told_to_stop_is_told_as_that_alone() {
        let mut measured = healthy();
        measured.connections.live_at_end = 0;
        measured.connections.orderly = Some(results::OrderlyEnds { told_to_stop: 10, ..Default::default() });
        assert_eq!(checks(&measured, CALM), ["told-to-stop"]);
        measured.connections.orderly = Some(results::OrderlyEnds { told_to_stop: 9, ..Default::default() });
        assert_eq!(checks(&measured, CALM), ["told-to-stop", "clients-live"]);
        let live = judge(&measured, &bounds(), CALM).reasons.remove(1);
        assert_eq!(live.seen, "0 of 10 clients were live; 9 were told to stop");
    }

    #[test]
    fn a_fault_that_was_asked_for_is_no_doubt_and_what_it_does_not_explain_is() {
        let mut measured = healthy();
        let struck = Circumstances { was_struck: true, ..CALM };
        measured.connections.live_at_end = 3;
        assert_eq!(checks(&measured, CALM), ["clients-live"]);
        assert_eq!(checks(&measured, struck), [""; 0], "whether they come back is what is measured");
        measured.connections.live_at_start = 9;
        assert_eq!(checks(&measured, struck), ["clients-live"], "there was no fault yet");
        measured.connections.live_at_start = 10;
        // A second of ten, in which nothing is accepted.
        let away = Circumstances { server_away: Duration::from_secs(1), ..struck };
        measured.published.accepted = 90;
        assert_eq!([checks(&measured, struck), checks(&measured, away)], [vec!["load-applied".to_owned()], vec![]]);
        measured.published.waited = 10;
        assert_eq!(checks(&measured, away), [""; 0], "they had nobody to be sent to");
        measured.published.waited = 0;
        measured.published.accepted = 88;
        assert_eq!(checks(&measured, away), ["load-applied"]);
    }

    #[test]
    fn send_lag_is_held_against_the_publishing_interval_where_that_is_shorter() {
        let mut measured = healthy();
        measured.published.send_lag.p99_ns = 3_000_000;
        let every = |interval| Circumstances { publishing_interval: interval, ..CALM };
        assert_eq!(checks(&measured, every(Duration::from_millis(4))), [""; 0]);
        assert_eq!(checks(&measured, every(Duration::from_millis(2))), ["send-lag"]);
        measured.published.send_lag.p99_ns = 900_000;
        assert_eq!(checks(&measured, every(Duration::from_micros(50))), [""; 0]);
    }
}
