//! What kind of message something is: two of one shape differ in values alone, and one of them is enough to quote.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

/// Longest text that belongs to the shape, bytes: `"status":"ok"` and `"status":"error"` are two shapes, two chat messages are one.
const LONGEST_WORD: usize = 24;

/// A number that two messages have in common when they differ in numbers and long texts alone. JSON is told by its structure, the names in it,
/// booleans, and short words without digits; anything else by its text without digits.
pub fn shape(message: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    match serde_json::from_slice(message) {
        Ok(value) => enter(&value, &mut hasher),
        Err(_) => message.iter().filter(|byte| !byte.is_ascii_digit()).for_each(|byte| byte.hash(&mut hasher)),
    }
    hasher.finish()
}

fn enter(value: &Value, hasher: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Null | Value::Number(_) => {}
        Value::Bool(value) => value.hash(hasher),
        Value::String(text) => {
            if text.len() <= LONGEST_WORD && !text.bytes().any(|byte| byte.is_ascii_digit()) {
                text.hash(hasher);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| enter(value, hasher)),
        Value::Object(fields) => {
            for (name, value) in fields {
                name.hash(hasher);
                enter(value, hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_shape_differ_in_numbers_and_long_texts_alone() {
        let same = |one: &str, other: &str| shape(one.as_bytes()) == shape(other.as_bytes());
        assert!(same(
            r#"{"id":1,"text":"the first of many long words"}"#,
            r#"{"id":27,"text":"the second of many long words"}"#
        ));
        assert!(same("+OK 12", "+OK 7") && !same("+OK 12", "-ERR 12"));
        assert!(!same(r#"{"ok":true}"#, r#"{"ok":false}"#) && !same(r#"{"ok":1}"#, r#"{"error":1}"#));
        assert!(!same(r#"{"status":"ok"}"#, r#"{"status":"error"}"#) && same(r#"{"id":"a1"}"#, r#"{"id":"b2"}"#));
        assert!(!same(r#"{"messages":[]}"#, r#"{"messages":[1]}"#));
    }
}
