//! What a message or an answer must contain to mean something: that a publication was accepted, that a client is let in, or that
//! it is refused.

use std::fmt;

use memchr::memmem;
use serde::Deserialize;
use serde::de::{self, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json_pointer::value_at;
use super::json_value::equals;

/// What may be written, for whoever wrote something else.
const EXPECTED: &str =
    "expected one like \"json /error absent\", \"json /data present\", \"json /success = true\" or \"contains ok\"";

/// What bytes must say; of several checks, all must hold.
///
/// Written as `json POINTER present`, `json POINTER absent`, `json POINTER = VALUE` (RFC 6901; `-` names the last element of an
/// array, and an empty pointer the whole document) or `contains TEXT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    checks: Vec<Check>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Check {
    /// There is a value at the pointer; `null` is one.
    Present(String),
    /// There is none, in JSON or in nothing at all: text that is no JSON says neither.
    Absent(String),
    /// There is this value, a JSON text, at the pointer.
    Equal(String, String),
    /// The text stands somewhere.
    Contains(String),
}

/// A condition that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no condition: {why}{EXPECTED}")]
pub struct BadCondition {
    text: String,
    why: String,
}

impl Condition {
    /// Reads one check.
    ///
    /// # Errors
    ///
    /// When the text is none, says what may be written.
    pub fn parse(text: &str) -> Result<Self, BadCondition> {
        let check = Check::parse(text).map_err(|why| BadCondition { text: text.to_owned(), why })?;
        Ok(Self { checks: vec![check] })
    }

    /// Reads several, all of which must hold.
    ///
    /// # Errors
    ///
    /// When one of them is none, or there are none.
    pub fn parse_all<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, BadCondition> {
        let mut checks = Vec::new();
        for text in texts {
            checks.extend(Self::parse(text)?.checks);
        }
        if checks.is_empty() {
            return Err(BadCondition { text: "[]".to_owned(), why: "the list is empty; ".to_owned() });
        }
        Ok(Self { checks })
    }

    /// True when all of it holds of a message or of the body of an answer.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        self.checks.iter().all(|check| check.holds(bytes))
    }
}

impl Check {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(wanted) = text.strip_prefix("contains ") {
            return if wanted.is_empty() {
                Err("the text is empty; ".to_owned())
            } else {
                Ok(Self::Contains(wanted.into()))
            };
        }
        let rest = text.strip_prefix("json ").ok_or_else(String::new)?;
        let pointer = |text: &str| {
            let text = text.trim();
            let is_pointer = text.is_empty() || text.starts_with('/');
            is_pointer.then(|| text.to_owned()).ok_or_else(|| format!("the pointer `{text}` begins with no slash; "))
        };
        // A pointer may have spaces in it, so the word behind it is looked for from the end.
        if let Some((at, value)) = rest.split_once("= ").filter(|(at, _)| at.is_empty() || at.ends_with(' ')) {
            let value = value.trim();
            serde_json::from_str::<&RawValue>(value)
                .map_err(|error| format!("`{value}` is no JSON value ({error}); "))?;
            return Ok(Self::Equal(pointer(at)?, value.to_owned()));
        }
        match rest.trim_end().rsplit_once(' ').unwrap_or(("", rest.trim_end())) {
            (at, "present") => Ok(Self::Present(pointer(at)?)),
            (at, "absent") => Ok(Self::Absent(pointer(at)?)),
            _ => Err(String::new()),
        }
    }

    fn holds(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Present(pointer) => value_at(bytes, pointer).is_some(),
            Self::Absent(pointer) => {
                let is_nothing = bytes.iter().all(u8::is_ascii_whitespace);
                (is_nothing || value_at(bytes, "").is_some()) && value_at(bytes, pointer).is_none()
            }
            Self::Equal(pointer, value) => value_at(bytes, pointer).is_some_and(|found| equals(value, found.get())),
            Self::Contains(text) => memmem::find(bytes, text.as_bytes()).is_some(),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, check) in self.checks.iter().enumerate() {
            let and = if place == 0 { "" } else { " and " };
            match check {
                Check::Present(pointer) => write!(f, "{and}json {pointer} present")?,
                Check::Absent(pointer) => write!(f, "{and}json {pointer} absent")?,
                Check::Equal(pointer, value) => write!(f, "{and}json {pointer} = {value}")?,
                Check::Contains(text) => write!(f, "{and}contains {text}")?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Condition;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a condition such as \"json /error absent\", or a list of them that must all hold")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Condition, E> {
                Condition::parse(text).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Condition, A::Error> {
                let mut texts: Vec<String> = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Condition::parse_all(texts.iter().map(String::as_str)).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str, bytes: &str) -> bool {
        Condition::parse(condition).unwrap().holds(bytes.as_bytes())
    }

    #[test]
    fn a_pointer_is_present_absent_or_equal() {
        assert!(holds("json /error absent", r#"{"id":1}"#) && !holds("json /error absent", r#"{"error":{"code":7}}"#));
        assert!(!holds("json /error absent", r#"{"error":null}"#), "null is a value");
        assert!(holds("json /error absent", ""), "204 has no body");
        assert!(!holds("json /error absent", "<html>busy</html>"), "what is no JSON accepts nothing");
        assert!(holds("json /a b/-/id present", r#"{"a b":[{"id":null}]}"#) && !holds("json /id present", "[]"));
        assert!(holds("json present", "[]") && !holds("json present", "no"));
        assert!(
            holds("json /success = true", r#"{"success": true}"#)
                && !holds("json /success = true", r#"{"success":"true"}"#)
        );
        assert!(holds("json /0/status = \"ok\"", r#"[{"status":"\u006fk"}]"#));
        assert!(holds("json /x = {\"a\":[1,null]}", r#"{"x":{ "a" : [1.0, null] }}"#));
        assert!(holds("json = 5", "5") && holds("json /n = 18446744073709551617", r#"{"n":18446744073709551617}"#));
        assert!(!holds("json /n = 18446744073709551617", r#"{"n":18446744073709551616}"#));
        assert!(holds("contains \"type\":\"welcome\"", r#"{"type":"welcome"}"#) && !holds("contains ok", "OK"));
    }

    #[test]
    fn of_a_list_all_must_hold_and_it_is_shown_as_it_was_written() {
        let both = Condition::parse_all(["json /ok = true", "contains id"]).unwrap();
        assert!(both.holds(br#"{"ok":true,"id":3}"#) && !both.holds(br#"{"ok":true}"#));
        assert_eq!(both.to_string(), "json /ok = true and contains id");
        #[derive(Deserialize)]
        struct File {
            one: Condition,
            all: Condition,
        }
        let file: File = toml::from_str("one = 'contains id'\nall = ['json /ok = true', 'contains id']").unwrap();
        assert_eq!((file.one, file.all), (Condition::parse("contains id").unwrap(), both));
    }

    #[test]
    fn what_is_no_condition_is_told_with_what_may_be_written() {
        for (bad, why) in [
            ("error absent", "`error absent` is no condition: expected one like"),
            ("json /error", "`json /error` is no condition: expected one like"),
            ("json error absent", "the pointer `error` begins with no slash; expected one like"),
            ("json /ok = yes", "`yes` is no JSON value"),
            ("contains ", "the text is empty; expected one like"),
        ] {
            let error = Condition::parse(bad).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("\"json /error absent\""), "{error}");
        }
        assert!(Condition::parse_all([]).unwrap_err().to_string().contains("the list is empty"));
    }
}
