//! Whether two JSON texts are the same value: numbers by their decimal digits, so none is too long, objects in any order.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// True when both texts are JSON and the same value. It looks no deeper into `found` than `expected` goes.
pub(super) fn equals(expected: &str, found: &str) -> bool {
    let (expected, found) = (expected.trim(), found.trim());
    match (expected.as_bytes().first(), found.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => {
            let members = |text| serde_json::from_str::<BTreeMap<String, &RawValue>>(text).ok();
            let (Some(expected), Some(found)) = (members(expected), members(found)) else { return false };
            expected.len() == found.len()
                && expected.iter().zip(&found).all(|((a, x), (b, y))| a == b && equals(x.get(), y.get()))
        }
        (Some(b'['), Some(b'[')) => {
            let elements = |text| serde_json::from_str::<Vec<&RawValue>>(text).ok();
            let (Some(expected), Some(found)) = (elements(expected), elements(found)) else { return false };
            expected.len() == found.len() && expected.iter().zip(&found).all(|(x, y)| equals(x.get(), y.get()))
        }
        (Some(b'"'), Some(b'"')) => {
            let text = |text| serde_json::from_str::<String>(text).ok();
            text(expected).is_some() && text(expected) == text(found)
        }
        (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) => {
            let number = decimal(expected);
            number.is_some() && number == decimal(found)
        }
        // `true`, `false`, `null`.
        (Some(_), Some(_)) => expected == found,
        _ => false,
    }
}

/// A JSON number as its sign, its digits without zeros at either end, and the power of ten of the last of them.
fn decimal(number: &str) -> Option<(bool, String, i64)> {
    let (is_negative, number) = number.strip_prefix('-').map_or((false, number), |number| (true, number));
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = [whole, fraction].concat();
    let all = all.trim_start_matches('0');
    let significant = all.trim_end_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let exponent = exponent.parse::<i64>().ok()?.checked_sub(fraction.len() as i64)?;
    Some((is_negative, significant.to_owned(), exponent.checked_add((all.len() - significant.len()) as i64)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_when_their_values_are_however_long_they_are() {
        for (one, other) in [("1000", "1e3"), ("0.10", "1E-1"), ("-0.0", "0"), ("100", "1.00e+2"), ("7", "7.0")] {
            assert!(equals(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("18446744073709551617", "18446744073709551616"),
            ("1795132801.800000007", "1795132801.8"),
            ("1", "-1"),
            ("1", "10"),
            ("1", "\"1\""),
            ("1e99999999999999999999", "1"),
        ] {
            assert!(!equals(one, other), "{one} {other}");
        }
    }

    #[test]
    fn the_order_of_members_says_nothing_and_that_of_elements_does() {
        assert!(equals(r#"{"a":1,"b":[true,"\u0078"]}"#, r#"{"b":[true,"x"],"a":1.0}"#));
        assert!(!equals("[1,2]", "[2,1]") && !equals("[1]", "[1,2]") && !equals("{}", r#"{"a":1}"#));
    }
}
