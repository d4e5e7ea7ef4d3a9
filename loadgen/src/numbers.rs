//! Where numbers become text: one rounding, one spelling of each unit.

use results::Unit;

const TIMES: [(&str, f64); 4] = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)];
const SIZES: [(&str, f64); 4] =
    [("B", 1.0), ("KiB", 1024.0), ("MiB", 1024.0 * 1024.0), ("GiB", 1024.0 * 1024.0 * 1024.0)];

/// A time in the unit that suits it, three significant digits: `873 ns`, `41.2 us`, `1.05 ms`, `2.50 s`.
pub fn time_ns(ns: u64) -> String {
    scaled(ns as f64, &TIMES)
}

/// A time in microseconds as text, see [`time_ns`].
pub fn time_us(us: f64) -> String {
    time_ns((us * 1e3).round() as u64)
}

/// A size in the unit that suits it: `318 B`, `4.10 KiB`, `1.25 MiB`.
pub fn size(bytes: f64) -> String {
    scaled(bytes, &SIZES)
}

/// A share of one as a percentage: `12.5 %`.
pub fn share(share: f64) -> String {
    format!("{} %", three_digits(share * 100.0))
}

/// A count with its thousands set apart: `1,250,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A ratio, three significant digits.
pub fn ratio(ratio: f64) -> String {
    three_digits(ratio)
}

/// The ends of an interval in the unit that suits its middle: `[0.87, 1.05]` and `ms`.
pub fn spread(unit: Unit, middle: f64, (low, high): (f64, f64)) -> (String, &'static str) {
    let units = match unit {
        Unit::Nanoseconds => &TIMES,
        Unit::Bytes => &SIZES,
    };
    let (unit, worth) = suiting(middle, units);
    (format!("[{}, {}]", three_digits(low / worth), three_digits(high / worth)), unit)
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

fn suiting(value: f64, units: &'static [(&'static str, f64)]) -> (&'static str, f64) {
    // A value that would round up to a thousand of one unit is one of the next.
    let fits = |worth: f64| value.abs() >= worth * 0.9995;
    *units.iter().rev().find(|(_, worth)| fits(*worth)).unwrap_or(&units[0])
}

fn scaled(value: f64, units: &'static [(&'static str, f64)]) -> String {
    let (unit, worth) = suiting(value, units);
    let number = value / worth;
    if worth == 1.0 && number.fract() == 0.0 {
        format!("{number} {unit}")
    } else {
        format!("{} {unit}", three_digits(number))
    }
}

fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_the_unit_that_suits_them() {
        let times: Vec<_> = [0, 873, 41_234, 999_999, 1_050_000, 2_500_000_000].map(time_ns).into();
        assert_eq!(times, ["0 ns", "873 ns", "41.2 us", "1.00 ms", "1.05 ms", "2.50 s"]);
        assert_eq!([size(318.0), size(4_200.0), size(-1_500.5)], ["318 B", "4.10 KiB", "-1.47 KiB"]);
        assert_eq!([share(0.125), share(1.0)], ["12.5 %", "100 %"]);
        assert_eq!(spread(Unit::Nanoseconds, 1.2e6, (-0.3e6, 2.7e6)), ("[-0.30, 2.70]".into(), "ms"));
        assert_eq!([signed(-318.0, size), signed(318.0, size)], ["-318 B", "+318 B"]);
        assert_eq!(signed(-0.2, |ns| time_ns(ns as u64)), "0 ns");
        assert_eq!([count(7), count(999), count(1_250_000)], ["7", "999", "1,250,000"]);
    }
}
