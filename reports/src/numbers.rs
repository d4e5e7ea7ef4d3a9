//! The one place where numbers become text.

/// What stands where a number would, had it been measured.
pub const NOT_MEASURED: &str = "not measured";

/// Three significant digits, thousands apart, no trailing zeros: `0.941`, `12.3`, `1,020`.
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { NOT_MEASURED.to_owned() };
    }
    let whole_digits = value.abs().log10().floor() as i32 + 1;
    let decimals = (3 - whole_digits).clamp(0, 9) as usize;
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole = thousands(whole);
    if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
}

/// A count with its thousands apart.
pub fn count(value: u64) -> String {
    thousands(&value.to_string())
}

/// A duration given in microseconds, in the unit that suits it.
pub fn time_us(us: f64) -> String {
    match us.abs() {
        small if small < 999.5 => format!("{} us", number(us)),
        middle if middle < 999_500.0 => format!("{} ms", number(us / 1e3)),
        _ => format!("{} s", number(us / 1e6)),
    }
}

/// Bytes, up to 10 KiB as such.
pub fn bytes(value: f64) -> String {
    const KIB: f64 = 1024.0;
    match value.abs() {
        small if small < 10.0 * KIB => format!("{} B", thousands(&format!("{value:.0}"))),
        middle if middle < KIB * KIB => kib(value),
        large if large < KIB * KIB * KIB => format!("{} MiB", number(value / KIB / KIB)),
        _ => format!("{} GiB", number(value / KIB / KIB / KIB)),
    }
}

/// Bytes in KiB, whatever their size, for columns that share a unit.
pub fn kib(value: f64) -> String {
    format!("{} KiB", number(value / 1024.0))
}

/// A share in per cent.
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
        let texts = [0.0, 0.012_345, 0.9412, 3.1, 12.34, 318.4, 1020.2, 1_234_567.0].map(number);
        assert_eq!(texts, ["0", "0.0123", "0.941", "3.1", "12.3", "318", "1,020", "1,234,567"]);
    }

    #[test]
    fn times_choose_their_unit() {
        assert_eq!(
            [0.4, 941.0, 3_100.0, 999_900.0, 2_600_000.0].map(time_us),
            ["0.4 us", "941 us", "3.1 ms", "1 s", "2.6 s"]
        );
    }

    #[test]
    fn bytes_are_told_one_by_one_up_to_ten_kib() {
        assert_eq!([318.0, 10_000.0, 20_480.0, 5_242_880.0].map(bytes), ["318 B", "10,000 B", "20 KiB", "5 MiB"]);
    }

    #[test]
    fn what_was_not_measured_is_never_zero() {
        assert_eq!(or_not_measured(None, bytes), "not measured");
        assert_eq!(number(f64::NAN), "not measured");
    }
}
