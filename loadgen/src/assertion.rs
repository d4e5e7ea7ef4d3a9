//! `--assert`: a quantity, a comparison, a value with its unit.
//!
//! `p99<100ms`, `lost==0`, `overhead<3`, `connect.p95<=200ms`, `server.rss_per_connection<20KiB`. Times take `ns`, `us`, `ms`, `s`;
//! sizes take `B`, `KiB`, `MiB`; counts and ratios take nothing.

use std::fmt;
use std::str::FromStr;

use results::{Assertion, Measured, Percentiles};

/// What kind of number a quantity is, which decides the units that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nanoseconds.
    Time,
    /// Bytes.
    Size,
    /// No unit.
    Plain,
}

impl Kind {
    /// The units that it takes and what they are worth.
    fn units(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::Time => &[("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)],
            Self::Size => &[("B", 1.0), ("KiB", 1024.0), ("MiB", 1024.0 * 1024.0)],
            Self::Plain => &[("", 1.0)],
        }
    }

    /// A value in the largest unit that it fills.
    fn show(self, value: f64) -> String {
        let units = self.units();
        let (unit, worth) = units.iter().rev().find(|(_, worth)| value.abs() >= *worth).unwrap_or(&units[0]);
        let number = value / worth;
        if number.fract() == 0.0 { format!("{number}{unit}") } else { format!("{number:.3}{unit}") }
    }
}

type Extract = fn(&Measured) -> Option<f64>;

/// Every quantity that can be asserted; a missing measurement is `None` and fails the assertion.
const QUANTITIES: &[(&str, Kind, Extract)] = &[
    ("p50", Kind::Time, |m| percentile(&m.latency, m.latency.p50_ns)),
    ("p90", Kind::Time, |m| percentile(&m.latency, m.latency.p90_ns)),
    ("p95", Kind::Time, |m| percentile(&m.latency, m.latency.p95_ns)),
    ("p99", Kind::Time, |m| percentile(&m.latency, m.latency.p99_ns)),
    ("p999", Kind::Time, |m| percentile(&m.latency, m.latency.p999_ns)),
    ("max", Kind::Time, |m| percentile(&m.latency, m.latency.max_ns)),
    ("connect.p50", Kind::Time, |m| percentile(&m.connect, m.connect.p50_ns)),
    ("connect.p95", Kind::Time, |m| percentile(&m.connect, m.connect.p95_ns)),
    ("connect.p99", Kind::Time, |m| percentile(&m.connect, m.connect.p99_ns)),
    ("connect.max", Kind::Time, |m| percentile(&m.connect, m.connect.max_ns)),
    ("send_lag.p99", Kind::Time, |m| percentile(&m.published.send_lag, m.published.send_lag.p99_ns)),
    ("publish.p99", Kind::Time, |m| m.published.publish_time.as_ref().and_then(|p| percentile(p, p.p99_ns))),
    ("expected", Kind::Plain, |m| Some(m.deliveries.expected as f64)),
    ("delivered", Kind::Plain, |m| Some(m.deliveries.delivered as f64)),
    ("lost", Kind::Plain, |m| Some(m.deliveries.lost as f64)),
    ("duplicated", Kind::Plain, |m| Some(m.deliveries.duplicated as f64)),
    ("reordered", Kind::Plain, |m| Some(m.deliveries.reordered as f64)),
    ("late", Kind::Plain, |m| Some(m.deliveries.late as f64)),
    ("gaps", Kind::Plain, |m| Some(m.deliveries.gaps as f64)),
    ("misdelivered", Kind::Plain, |m| m.misdelivered.map(|notifications| notifications as f64)),
    ("repeated_within_messages", Kind::Plain, |m| m.repeated_within_messages.map(|repetitions| repetitions as f64)),
    ("foreign", Kind::Plain, |m| m.foreign.map(|messages| messages as f64)),
    ("failed", Kind::Plain, |m| Some(m.connections.failed as f64)),
    ("reconnected", Kind::Plain, |m| Some(m.connections.reconnected as f64)),
    ("streams_ended", Kind::Plain, |m| m.connections.orderly.map(|orderly| orderly.answers as f64)),
    ("sent_again", Kind::Plain, |m| m.connections.orderly.map(|orderly| orderly.sent_again as f64)),
    ("told_to_stop", Kind::Plain, |m| m.connections.orderly.map(|orderly| orderly.told_to_stop as f64)),
    ("recovery.all_live", Kind::Time, |m| m.recovery.as_ref()?.longest_return_s().map(|s| s * 1e9)),
    ("recovery.caught_up", Kind::Plain, |m| m.recovery.as_ref().map(|r| r.caught_up as f64)),
    ("recovery.connects_per_s", Kind::Plain, |m| m.recovery.as_ref().map(|r| r.peak_attempts_per_s as f64)),
    ("bystanders.p50", Kind::Time, |m| bystanders(m, |p| p.p50_ns)),
    ("bystanders.p99", Kind::Time, |m| bystanders(m, |p| p.p99_ns)),
    ("bystanders.max", Kind::Time, |m| bystanders(m, |p| p.max_ns)),
    ("overhead", Kind::Plain, |m| m.bytes.overhead_factor()),
    ("bytes_per_delivery", Kind::Size, |m| m.bytes.per_delivery()),
    ("server.cpu_per_delivery", Kind::Time, |m| m.server.as_ref()?.cpu_us_per_delivery.map(|us| us * 1e3)),
    ("server.rss_per_connection", Kind::Size, |m| m.server.as_ref().map(|s| s.rss_per_connection_bytes)),
    ("generator.cpu_per_delivery", Kind::Time, |m| m.generator.cpu_us_per_delivery.map(|us| us * 1e3)),
    ("generator.cpu_share", Kind::Plain, |m| Some(m.generator.cpu_share)),
    ("generator.turn_wait.p99", Kind::Time, |m| {
        m.generator.turn_wait.as_ref().and_then(|wait| percentile(wait, wait.p99_ns))
    }),
    ("generator.rss_per_client", Kind::Size, |m| m.generator.rss_per_client_bytes),
];

fn percentile(of: &Percentiles, value_ns: u64) -> Option<f64> {
    (of.count > 0).then_some(value_ns as f64)
}

/// Of the clients that no fault was aimed at.
fn bystanders(of: &Measured, value_ns: fn(&Percentiles) -> u64) -> Option<f64> {
    let latency = of.recovery.as_ref()?.bystanders.as_ref()?.latency.as_ref()?;
    percentile(latency, value_ns(latency))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    LessOrEqual,
    GreaterOrEqual,
    Equal,
    Different,
    Less,
    Greater,
}

/// The grammar and every quantity, for `--help`.
pub fn help() -> String {
    let of = |kind: Kind| {
        let names: Vec<_> = QUANTITIES.iter().filter(|(_, own, _)| *own == kind).map(|(name, ..)| *name).collect();
        names.join(", ")
    };
    format!(
        "Conditions (--assert, --slo) are a quantity, one of < <= > >= == !=, and a value with its unit; what was not measured \
         does not hold.\n  Times (ns, us, ms, s): {}\n  Sizes (B, KiB, MiB): {}\n  Counts and ratios (no unit): {}",
        of(Kind::Time),
        of(Kind::Size),
        of(Kind::Plain)
    )
}

/// Longer signs first: `<=` begins with `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("!=", Comparison::Different),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl Comparison {
    fn holds(self, seen: f64, value: f64) -> bool {
        match self {
            Self::LessOrEqual => seen <= value,
            Self::GreaterOrEqual => seen >= value,
            Self::Equal => seen == value,
            Self::Different => seen != value,
            Self::Less => seen < value,
            Self::Greater => seen > value,
        }
    }
}

/// A condition that was understood.
#[derive(Clone)]
pub struct Condition {
    text: String,
    kind: Kind,
    extract: Extract,
    comparison: Comparison,
    value: f64,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Condition {
    /// Holds the measurement against the condition. What was not measured does not hold.
    pub fn check(&self, measured: &Measured) -> Assertion {
        let seen = (self.extract)(measured);
        Assertion {
            text: self.text.clone(),
            seen: seen.map_or_else(|| "not measured".into(), |seen| self.kind.show(seen)),
            holds: seen.is_some_and(|seen| self.comparison.holds(seen, self.value)),
        }
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = text.find(['<', '>', '=', '!']).ok_or("expected a comparison: one of < <= > >= == !=")?;
        let (name, rest) = (text[..at].trim(), &text[at..]);
        let &(sign, comparison) = COMPARISONS
            .iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .ok_or("expected one of < <= > >= == != as the comparison")?;
        let &(_, kind, extract) = QUANTITIES.iter().find(|(known, ..)| *known == name).ok_or_else(|| {
            let known: Vec<_> = QUANTITIES.iter().map(|(known, ..)| *known).collect();
            format!("unknown quantity `{name}`: expected one of {}", known.join(", "))
        })?;
        let value = rest[sign.len()..].trim();
        let number_len = value.find(|c: char| !matches!(c, '0'..='9' | '.' | '-')).unwrap_or(value.len());
        let (number, unit) = (&value[..number_len], value[number_len..].trim());
        let number: f64 = number.parse().map_err(|_| format!("`{value}` does not begin with a number"))?;
        let &(_, worth) = kind.units().iter().find(|(known, _)| *known == unit).ok_or_else(|| {
            let known: Vec<_> = kind.units().iter().map(|(known, _)| *known).collect();
            match kind {
                Kind::Plain => format!("`{name}` takes no unit, but `{unit}` was given"),
                _ => format!("`{name}` takes one of the units {}, not `{unit}`", known.join(", ")),
            }
        })?;
        Ok(Self { text: text.to_owned(), kind, extract, comparison, value: number * worth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        Measured {
            phases: Vec::new(),
            latency_from_actual: None,
            latency: Percentiles { count: 10, p99_ns: 90_000_000, ..Percentiles::default() },
            latency_out_of_range: 0,
            connect: Percentiles::default(),
            deliveries: results::Deliveries { lost: 1, ..Default::default() },
            misdelivered: Some(0),
            repeated_within_messages: Some(0),
            foreign: None,
            quotes: Default::default(),
            never_learnt: Vec::new(),
            published: results::Published::default(),
            bytes: results::Bytes::default(),
            connections: results::Connections::default(),
            polls: None,
            server: None,
            generator: results::GeneratorCost { rss_per_client_bytes: Some(2048.0), ..Default::default() },
            reconciliation: Vec::new(),
            recovery: None,
        }
    }

    #[test]
    fn conditions_hold_or_do_not_and_say_what_was_seen() {
        let check = |text: &str| {
            let assertion = text.parse::<Condition>().unwrap().check(&measured());
            (assertion.holds, assertion.seen)
        };
        assert_eq!(check("p99<100ms"), (true, "90ms".into()));
        assert_eq!(check("p99 <= 0.05 s"), (false, "90ms".into()));
        assert_eq!(check("lost==0"), (false, "1".into()));
        assert_eq!(check("misdelivered==0"), (true, "0".into()));
        assert_eq!(check("generator.rss_per_client<3KiB"), (true, "2KiB".into()));
        assert_eq!(check("connect.p95<1s"), (false, "not measured".into()));
        assert_eq!(check("server.cpu_per_delivery>0us"), (false, "not measured".into()));
    }

    #[test]
    fn a_return_holds_only_where_all_came_back() {
        let back = |all_live_s| results::FaultReport { interrupted: 3, all_live_s, ..Default::default() };
        let holds = |faults: Vec<results::FaultReport>| {
            let recovery = Some(results::Recovery { faults, ..Default::default() });
            let measured = Measured { recovery, ..measured() };
            "recovery.all_live<3s".parse::<Condition>().unwrap().check(&measured).holds
        };
        assert!(holds(vec![back(Some(1.0)), back(Some(2.5)), results::FaultReport::default()]));
        assert!(!holds(vec![back(Some(1.0)), back(None)]), "who stays away does not come back within any time");
        assert!(!holds(vec![results::FaultReport::default()]), "nobody was away: not measured");
    }

    #[test]
    fn the_help_names_every_quantity() {
        let help = help();
        assert!(QUANTITIES.iter().all(|(name, ..)| help.contains(name)), "{help}");
        assert!(help.contains("lost") && help.contains("KiB"), "{help}");
    }

    #[test]
    fn what_is_not_understood_is_said_with_what_would_be() {
        let error = |text: &str| text.parse::<Condition>().unwrap_err();
        assert!(error("p98<1ms").contains("unknown quantity `p98`: expected one of p50, p90"));
        assert!(error("p99<1").contains("`p99` takes one of the units ns, us, ms, s"));
        assert!(error("lost==0B").contains("takes no unit"));
        assert!(error("p99").contains("expected a comparison"));
        assert!(error("p99=1ms").contains("expected one of <"));
        assert!(error("p99<ms").contains("does not begin with a number"));
    }
}
