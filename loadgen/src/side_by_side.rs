//! Contenders side by side: medians with their intervals, what was left out and why, the finding in words, every difference.

use std::fmt::Write;

use results::numbers::{count, number, signed, size, spread, time_ns};
use results::statistics::{Interval, median_interval};
use results::words::{headline, multiple};
use results::{Difference, Ending, MOST_IN_ALL_PAIRS, Quantity, Rounds, Run, Unit, differences, opponents};

const NOTHING: &str = "-";
/// Widest line of prose.
const COLUMNS_OF_TEXT: usize = 100;
/// Columns that the names of two contenders take at least: those of any two transports.
const NARROWEST_PAIR: usize = 22;
/// Below this many rounds the hint is given that more of them narrow the intervals.
const FEW_ROUNDS: usize = 5;
/// The quantities of the table; bytes are those of the wire, or else of the stream.
const COLUMNS: [(&str, &[Quantity]); 5] = [
    ("p50", &[Quantity::P50]),
    ("p99", &[Quantity::P99]),
    ("bytes/delivery", &[Quantity::WireBytes, Quantity::StreamBytes]),
    ("server CPU", &[Quantity::ServerCpu]),
    ("server RSS", &[Quantity::ServerRss]),
];

/// All rounds of one contender, the invalid ones included.
#[derive(Debug, Clone)]
pub struct Contender {
    /// Its name.
    pub label: String,
    /// Number of the round and its run. Runs of different contenders with the same number were made side by side.
    pub runs: Vec<(Option<u32>, Run)>,
}

impl Contender {
    /// The rounds that figures are made from: valid, and not interrupted.
    pub fn valid(&self) -> Rounds<'_> {
        let counts = |run: &Run| run.verdict.is_valid() && run.ending == Ending::Complete;
        let valid = self.runs.iter().filter(|(_, run)| counts(run));
        Rounds {
            label: self.label.clone(),
            runs: valid.map(|(round, run)| (round.map(|round| round as usize), run)).collect(),
        }
    }
}

/// A line or two per contender: medians over valid rounds, below them their 95 % intervals; then what was lost or left out.
pub fn table(contenders: &[Contender]) -> String {
    figures(contenders) + &left_out(contenders)
}

/// The same without what was left out.
pub fn figures(contenders: &[Contender]) -> String {
    let width = contenders.iter().map(|contender| contender.label.len()).max().unwrap_or_default().max(9);
    let mut out = format!("\n{:<width$} {:>5}", "", "valid");
    for (name, _) in COLUMNS {
        let _ = write!(out, " {name:>14}");
    }
    out.push('\n');
    for contender in contenders {
        let valid = contender.valid();
        let rounds = format!("{}/{}", valid.runs.len(), contender.runs.len());
        let _ = write!(out, "{:<width$} {rounds:>5}", contender.label);
        let cells = COLUMNS.map(|(_, quantities)| cell(&valid, quantities));
        for (median, _) in &cells {
            let _ = write!(out, " {median:>14}");
        }
        if cells.iter().any(|(_, interval)| !interval.is_empty()) {
            let _ = write!(out, "\n{:<width$} {:>5}", "", "");
            for (_, interval) in &cells {
                let _ = write!(out, " {interval:>14}");
            }
        }
        out.push('\n');
    }
    out.push_str("Medians over valid rounds and their 95 % intervals; server CPU per delivery, RSS per connection.\n");
    out + &lost(contenders)
}

fn cell(rounds: &Rounds<'_>, quantities: &[Quantity]) -> (String, String) {
    let measured = quantities.iter().find_map(|&quantity| Some((quantity, rounds.median(quantity)?)));
    let Some((quantity, median)) = measured else { return (NOTHING.to_owned(), String::new()) };
    let interval = median_interval(&rounds.values(quantity));
    let interval = interval.map(|interval| spread(quantity.unit(), median, (interval.low, interval.high)).0);
    (show(quantity.unit(), median), interval.unwrap_or_default())
}

fn lost(contenders: &[Contender]) -> String {
    let losses = contenders.iter().filter_map(|contender| {
        let rounds = contender.valid();
        let sum = |of: fn(&Run) -> u64| rounds.runs.iter().map(|(_, run)| of(run)).sum::<u64>();
        let (lost, expected) = (sum(|run| run.measured.deliveries.lost), sum(|run| run.measured.deliveries.expected));
        (lost > 0).then(|| format!("{} {} of {}", contender.label, count(lost), count(expected)))
    });
    let losses: Vec<String> = losses.collect();
    if losses.is_empty() { "Nothing was lost.\n".to_owned() } else { format!("LOST: {}\n", losses.join("; ")) }
}

/// Every interrupted or invalid round by name, with its reasons.
pub fn left_out(contenders: &[Contender]) -> String {
    let mut out = String::new();
    for contender in contenders {
        for (place, (round, run)) in contender.runs.iter().enumerate() {
            let round = round.unwrap_or(place as u32 + 1);
            if run.ending == Ending::Interrupted {
                let _ = writeln!(out, "LEFT OUT: {}, round {round}: {}", contender.label, interruption(run));
            }
            for reason in &run.verdict.reasons {
                let (label, seen, bound) = (&contender.label, &reason.seen, &reason.bound);
                let _ = writeln!(out, "LEFT OUT: {label}, round {round}: {}: {seen} (bound: {bound})", reason.check);
            }
        }
    }
    out
}

/// `interrupted after 3 s of 10 s`: how much of the window was measured.
fn interruption(run: &Run) -> String {
    let window = run.measured.phases.iter().find(|phase| phase.name == "measure");
    let measured_s = window.map_or(0.0, |window| (window.end_s - window.start_s).max(0.0));
    format!("interrupted after {} s of {} s", number(measured_s), number(run.asked.duration_s))
}

/// The finding in one sentence, then the differences of all pairs.
pub fn findings(contenders: &[Contender]) -> String {
    let measured: Vec<Rounds<'_>> =
        contenders.iter().map(Contender::valid).filter(|rounds| !rounds.runs.is_empty()).collect();
    if measured.len() < 2 {
        return "\nNothing to compare: fewer than two contenders have a valid round.\n".to_owned();
    }
    let mut rows: Vec<(String, Difference)> = Vec::new();
    for (first, second) in opponents(&measured) {
        let (first, second) = (&measured[first], &measured[second]);
        let pair = format!("{} - {}", first.label, second.label);
        rows.extend(differences(first, second).into_iter().map(|difference| (pair.clone(), difference)));
    }
    let mut out = format!("\n{}\n\n", wrapped(&headline(&measured)));
    let is_paired = rows.iter().all(|(_, difference)| difference.paired);
    let how = if is_paired { "paired by round" } else { "not paired" };
    let _ = writeln!(out, "Differences, {how}, and multiples (larger over smaller); 95 % intervals hold for all five");
    let _ = writeln!(out, "quantities of a pair together.");
    if measured.len() > MOST_IN_ALL_PAIRS {
        let _ = writeln!(out, "Of so many contenders, each is held against the first of its transport.");
    }
    let one_pair = measured.len() == 2;
    if let Some((pair, _)) = rows.first().filter(|_| one_pair) {
        let _ = writeln!(out, "{pair}");
    }
    let widest = rows.iter().map(|(pair, _)| pair.len()).filter(|_| !one_pair).max();
    let width = widest.unwrap_or_default().max(NARROWEST_PAIR);
    for quantity in Quantity::ALL {
        let told: Vec<_> = rows.iter().filter(|(_, difference)| difference.quantity == quantity).collect();
        if one_pair {
            told.iter().for_each(|(_, difference)| line(&mut out, width, quantity.name(), difference));
        } else if !told.is_empty() {
            let _ = writeln!(out, "{}, {}", quantity.name(), quantity.definition());
            told.iter().for_each(|(pair, difference)| line(&mut out, width, pair, difference));
        }
    }
    let fewest = rows.iter().map(|(_, difference)| difference.rounds).min().unwrap_or_default();
    if fewest < FEW_ROUNDS {
        let _ =
            writeln!(out, "Few rounds make wide intervals: {FEW_ROUNDS} valid ones or more tell smaller differences.");
    }
    out
}

/// Broken at blanks so that no line is wider than a terminal.
pub fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, String::len);
        if line > 0 && line + 1 + word.len() > COLUMNS_OF_TEXT {
            lines.push(word.to_owned());
        } else if let Some(last) = lines.last_mut() {
            last.push_str(if line > 0 { " " } else { "" });
            last.push_str(word);
        }
    }
    lines.join("\n")
}

fn line(out: &mut String, width: usize, name: &str, difference: &Difference) {
    let (unit, estimate) = (difference.quantity.unit(), difference.estimate());
    let interval = difference.interval.map(|Interval { low, high, .. }| {
        let widest = low.abs().max(high.abs());
        let (ends, unit) = spread(unit, widest, (low, high));
        format!("{ends} {unit}")
    });
    let told = format!(
        "  {name:<width$} {:>10} {:<21} {:<19} {}",
        signed(estimate, |value| show(unit, value)),
        interval.unwrap_or_default(),
        difference.multiple().map(multiple).unwrap_or_default(),
        difference.finding().word()
    );
    let _ = writeln!(out, "{}", told.trim_end());
}

/// A value in its unit.
pub fn show(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanoseconds => time_ns(value.max(0.0).round() as u64),
        Unit::Bytes => size(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Three rounds of a transport whose CPU cost grows from round to round; the second one is invalid if asked.
    fn contender(transport: &str, label: &str, is_invalid: bool) -> Contender {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/examples/v1").join(transport);
        let like = results::load(&folder).expect("the example is committed").run;
        let round = |round: u32| {
            let mut run = like.clone();
            run.measured.latency.p50_ns += u64::from(round) * 1_000;
            if is_invalid && round == 2 {
                let word = |text: &str| text.to_owned();
                run.verdict.reasons.push(results::Reason {
                    check: word("send-lag"),
                    seen: word("the 99th percentile was 24 ms"),
                    bound: word("at most 10 ms"),
                    cause: word("Busy."),
                    remedy: word("Free the machine."),
                });
            }
            (Some(round), run)
        };
        Contender { label: label.to_owned(), runs: (1..=3).map(round).collect() }
    }

    #[test]
    fn an_invalid_round_is_named_with_its_reason_and_left_out_of_both_sides_of_its_pair() {
        let contenders = [contender("ws", "ws", true), contender("long-poll", "long-poll", false)];
        let told = table(&contenders);
        assert!(told.contains("ws          2/3") && told.contains("long-poll   3/3"), "{told}");
        let left_out = "LEFT OUT: ws, round 2: send-lag: the 99th percentile was 24 ms (bound: at most 10 ms)\n";
        assert!(told.contains(left_out), "{told}");
        assert!(findings(&contenders).contains("Few rounds make wide intervals"));
    }

    #[test]
    fn everything_fits_into_a_hundred_columns() {
        let contenders = ["short-poll", "long-poll", "sse", "ws"].map(|name| contender(name, name, false));
        for line in (table(&contenders) + &findings(&contenders)).lines() {
            assert!(line.len() <= 100, "{}: {line}", line.len());
        }
    }

    #[test]
    fn of_many_contenders_each_is_held_against_the_first_of_its_transport() {
        let names = ["ws", "ws@a", "ws@b", "sse", "sse@a", "ws@c", "long-poll"];
        let transport = |name: &str| name.split('@').next().expect("there is a first part").to_owned();
        let told = findings(&names.map(|name| contender(&transport(name), name, false)));
        let p50 = told.split("p99,").next().expect("there is a first part");
        for pair in ["ws - ws@a", "ws - ws@b", "ws - ws@c", "sse - sse@a"] {
            assert!(p50.contains(pair), "{pair}: {told}");
        }
        assert_eq!(p50.matches(" - ").count(), 4, "{told}");
    }

    #[test]
    fn one_contender_left_is_nothing_to_compare() {
        let alone = [contender("ws", "ws", false)];
        assert!(findings(&alone).contains("Nothing to compare"));
    }

    #[test]
    fn prose_is_broken_at_blanks_and_loses_no_word() {
        let text = "word ".repeat(50).trim_end().to_owned();
        let told = wrapped(&text);
        assert!(told.lines().count() == 3 && told.lines().all(|line| line.len() <= 100), "{told}");
        assert_eq!(told.replace('\n', " "), text);
    }
}
