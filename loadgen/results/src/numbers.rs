//! Where numbers become text, for terminal and page alike: one rounding, one spelling of each unit.

use crate::Unit;

/// What stands where a number would, had it been measured.
pub const NOT_MEASURED: &str = "not measured";

/// Units, and how many of the smallest one each is worth.
type Units = [(&'static str, f64); 4];

const KIB: f64 = 1024.0;
const TIMES: Units = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)];
const SIZES: Units = [("B", 1.0), ("KiB", KIB), ("MiB", KIB * KIB), ("GiB", KIB * KIB * KIB)];
/// Sizes below this are told byte by byte: a KiB would hide what framings differ by.
const BYTE_BY_BYTE: f64 = 10.0 * KIB;

/// Three significant digits, thousands apart, no trailing zeros: `0.941`, `12.3`, `1,020`.
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { NOT_MEASURED.to_owned() };
    }
    let text = format!("{value:.decimals$}", decimals = decimals_of(value, 9));
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole = thousands(whole);
    if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
}

/// A count with its thousands apart: `1,250,000`.
pub fn count(value: u64) -> String {
    thousands(&value.to_string())
}

/// A time in the unit that suits it: `873 ns`, `41.2 us`, `1.05 ms`, `2.5 s`.
pub fn time_ns(ns: u64) -> String {
    in_units(ns as f64, &TIMES)
}

/// A time given in microseconds, in the unit that suits it.
pub fn time_us(us: f64) -> String {
    in_units(us * 1e3, &TIMES)
}

/// Bytes in the unit that suits them, up to 10 KiB as such: `318 B`, `4,200 B`, `1.25 MiB`.
pub fn size(bytes: f64) -> String {
    // Adding zero takes the sign off a zero.
    in_units(if bytes.abs() < BYTE_BY_BYTE { bytes.round() + 0.0 } else { bytes }, &SIZES)
}

/// Bytes in KiB, whatever their size, for columns that share a unit.
pub fn kib(bytes: f64) -> String {
    format!("{} KiB", number(bytes / KIB))
}

/// A share of one in per cent: `12.5 %`.
pub fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

/// How many times larger, for sentences: `3.2 times`.
pub fn times(ratio: f64) -> String {
    if ratio < 100.0 { format!("{ratio:.1} times") } else { format!("{} times", number(ratio)) }
}

/// A noun with its number: `1 round`, `3 rounds`.
pub fn counted(value: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(value as u64), if value == 1 { "" } else { "s" })
}

/// The text of a value that may not have been measured.
pub fn or_not_measured(value: Option<f64>, text: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| NOT_MEASURED.to_owned(), text)
}

/// The ends of an interval in the unit that suits its middle, to the same place of the larger: `[0.87, 1.05]` and `ms`.
pub fn spread(unit: Unit, middle: f64, (low, high): (f64, f64)) -> (String, &'static str) {
    let (unit, worth) = match unit {
        Unit::Nanoseconds => suiting(middle, &TIMES),
        Unit::Bytes => suiting(middle, &SIZES),
    };
    let (low, high) = (low / worth, high / worth);
    let decimals = decimals_of(low.abs().max(high.abs()), 2);
    (format!("[{low:.decimals$}, {high:.decimals$}]"), unit)
}

/// A difference with its sign, its size told by `show`.
pub fn signed(value: f64, show: impl Fn(f64) -> String) -> String {
    let text = show(value.abs());
    match value {
        _ if text.starts_with("0 ") => text,
        below if below < 0.0 => format!("-{text}"),
        _ => format!("+{text}"),
    }
}

fn in_units(value: f64, units: &Units) -> String {
    let (unit, worth) = suiting(value, units);
    // Bytes that are told one by one keep all their digits.
    let text =
        if worth == 1.0 && value.fract() == 0.0 { thousands(&format!("{value:.0}")) } else { number(value / worth) };
    format!("{text} {unit}")
}

/// The largest unit of which there is at least one once rounded; bytes stay bytes for longer.
fn suiting(value: f64, units: &Units) -> (&'static str, f64) {
    let is_reached = |worth: f64| value.abs() >= worth * 0.9995 && (worth != KIB || value.abs() >= BYTE_BY_BYTE);
    *units.iter().rev().find(|(_, worth)| is_reached(*worth)).unwrap_or(&units[0])
}

/// Decimals for three significant digits, `most` at most.
fn decimals_of(value: f64, most: i32) -> usize {
    let whole_digits = if value == 0.0 { 1 } else { value.abs().log10().floor() as i32 + 1 };
    (3 - whole_digits).clamp(0, most) as usize
}

fn thousands(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_significant_digits() {
        let texts = [0.0, 0.012_345, 0.9412, 3.1, 12.34, 318.4, 1020.2, 1_234_567.0, -0.25].map(number);
        assert_eq!(texts, ["0", "0.0123", "0.941", "3.1", "12.3", "318", "1,020", "1,234,567", "-0.25"]);
        assert_eq!([count(7), count(999), count(1_250_000)], ["7", "999", "1,250,000"]);
        assert_eq!([percent(0.125), percent(1.0), percent(0.0)], ["12.5 %", "100 %", "0 %"]);
    }

    #[test]
    fn times_choose_their_unit() {
        let times = [0, 400, 41_234, 999_999, 1_050_000, 2_500_000_000].map(time_ns);
        assert_eq!(times, ["0 ns", "400 ns", "41.2 us", "1 ms", "1.05 ms", "2.5 s"]);
        assert_eq!([0.4, 941.0, 3_100.0, 999_900.0].map(time_us), ["400 ns", "941 us", "3.1 ms", "1 s"]);
    }

    #[test]
    fn bytes_are_told_one_by_one_up_to_ten_kib() {
        assert_eq!([318.0, 10_000.0, 20_480.0, 5_242_880.0].map(size), ["318 B", "10,000 B", "20 KiB", "5 MiB"]);
        assert_eq!([-1_500.5, -0.3, 0.0].map(size), ["-1,501 B", "0 B", "0 B"]);
    }

    #[test]
    fn both_ends_of_an_interval_are_told_to_the_same_place() {
        let of = |unit, middle, ends| spread(unit, middle, ends);
        assert_eq!(of(Unit::Nanoseconds, 1.2e6, (-0.3e6, 2.7e6)), ("[-0.30, 2.70]".into(), "ms"));
        assert_eq!(of(Unit::Nanoseconds, 12e6, (9.5e6, 12.75e6)), ("[9.5, 12.8]".into(), "ms"));
        assert_eq!(of(Unit::Bytes, 4_200.0, (980.0, 5_100.4)), ("[980, 5100]".into(), "B"));
    }

    #[test]
    fn a_difference_has_its_sign_unless_it_is_none() {
        assert_eq!([signed(-318.0, size), signed(318.0, size)], ["-318 B", "+318 B"]);
        assert_eq!(signed(-0.2, |ns| time_ns(ns as u64)), "0 ns");
    }

    #[test]
    fn what_was_not_measured_is_never_zero() {
        assert_eq!(or_not_measured(None, size), "not measured");
        assert_eq!(number(f64::NAN), "not measured");
    }
}
