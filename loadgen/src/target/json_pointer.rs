//! Values at JSON pointers (RFC 6901), as the text in which they were written: a number keeps all of its digits.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The byte order mark, which a parser may ignore (RFC 8259, section 8.1); browsers do.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The value at `pointer`, in which `-` names the last element of an array; `None` where there is none, or where `json` is no
/// JSON. A byte order mark before it is passed over. Of a name that stands twice in an object, the last value counts.
pub fn value_at<'j>(json: &'j [u8], pointer: &str) -> Option<&'j RawValue> {
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
    let whole = serde_json::from_slice::<&RawValue>(json).ok()?;
    pointer.split('/').skip(1).try_fold(whole, |value, token| step(value, &token.replace("~1", "/").replace("~0", "~")))
}

/// A string without its quotes and escapes, or a number as it was written; nothing else is a text that a request could repeat.
pub fn text_of(value: &RawValue) -> Option<String> {
    match value.get().as_bytes().first()? {
        b'"' => serde_json::from_str(value.get()).ok(),
        b'-' | b'0'..=b'9' => Some(value.get().to_owned()),
        _ => None,
    }
}

/// The member or element of `value` that `token` names.
fn step<'j>(value: &'j RawValue, token: &str) -> Option<&'j RawValue> {
    serde_json::Deserializer::from_str(value.get()).deserialize_any(Step(token)).ok().flatten()
}

struct Step<'t>(&'t str);

impl<'j> Visitor<'j> for Step<'_> {
    type Value = Option<&'j RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_meant) = map.next_key_seed(IsName(self.0))? {
            if is_meant {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'j>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let wanted = self.0.parse::<usize>().ok();
        let (mut found, mut index) = (None, 0);
        while let Some(element) = elements.next_element()? {
            if self.0 == "-" || wanted == Some(index) {
                found = Some(element);
            }
            index += 1;
        }
        Ok(found)
    }
}

/// Whether the name of a member is this one.
struct IsName<'t>(&'t str);

impl<'j> DeserializeSeed<'j> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'j>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(json: &str, pointer: &str) -> Option<String> {
        value_at(json.as_bytes(), pointer).and_then(text_of)
    }

    #[test]
    fn a_pointer_finds_texts_and_numbers_and_the_last_of_an_array() {
        let json = r#"{"cursor":"k\u0033","items":[{"id":1},{"id":42}],"a/b":[],"none":null,"twice":1,"twice":2}"#;
        for (pointer, text) in [("/cursor", "k3"), ("/items/-/id", "42"), ("/items/0/id", "1"), ("/twice", "2")] {
            assert_eq!(at(json, pointer).as_deref(), Some(text), "{pointer}");
        }
        for pointer in ["/a~1b/-/id", "/none", "/nothing", "/items", "/items/2", "/cursor/0", ""] {
            assert_eq!(at(json, pointer), None, "{pointer}");
        }
        assert_eq!(value_at(json.as_bytes(), "/none").map(RawValue::get), Some("null"));
        assert_eq!((at("7", "").as_deref(), at("{\"a\":1} x", "/a"), at("", "")), (Some("7"), None, None));
    }

    #[test]
    fn a_number_is_the_text_that_the_server_wrote() {
        for number in
            ["1795132801.800000007", "18446744073709551617", "1e3", "-0.0", "1E+2", "0.10", "-12345678901234567890"]
        {
            assert_eq!(at(&format!(r#"{{"next": {number} }}"#), "/next").as_deref(), Some(number));
            assert_eq!(at(&format!("[{number}]"), "/-").as_deref(), Some(number));
        }
    }
}
