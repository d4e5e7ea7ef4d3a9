//! Whether a template that is to be JSON is JSON once its values are filled in, asked before anything is sent.

use anyhow::bail;
use serde::de::IgnoredAny;

use super::request::Request;
use super::template::{Escape, Template, Values};

/// What a person who has the quotes wrong needs to know.
pub(super) const QUOTES: &str = "{payload} is a JSON string with its quotes, so write \"text\":{payload}; {text} has none, so write \
                                 \"text\":\"{text}\"; and {{payload}} is the text {payload}, no value";

/// Refuses the body of a request that is no JSON although `Content-Type` says so, or that looks like JSON where nothing says what it is.
pub(super) fn check_body(request: &Request, body: &Template) -> anyhow::Result<()> {
    let kind = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
    match kind.map(|(_, template)| filled(template, &samples()[0]).to_ascii_lowercase()) {
        Some(kind) if kind.contains("json") => check(body),
        Some(_) => Ok(()),
        None => check_message(body),
    }
}

/// Refuses a message that looks like JSON and is none.
pub(super) fn check_message(message: &Template) -> anyhow::Result<()> {
    if looks_like_json(&filled(message, &samples()[0])) { check(message) } else { Ok(()) }
}

/// Refuses what is no sequence of JSON values.
fn check(template: &Template) -> anyhow::Result<()> {
    let mut first = None;
    for values in samples() {
        let text = filled(template, &values);
        // The record separator of RFC 7464, with which SignalR ends its messages, and other control characters are between values.
        let apart = text.replace(|c: char| c.is_control(), " ");
        let values = serde_json::Deserializer::from_str(&apart).into_iter::<IgnoredAny>();
        match values.collect::<Result<Vec<_>, _>>() {
            Ok(_) => return Ok(()),
            Err(error) => first = first.or(Some((text, error))),
        }
    }
    let Some((text, error)) = first else { return Ok(()) };
    bail!("filled in, it is no JSON ({error}): {text}\n{QUOTES}")
}

fn filled(template: &Template, values: &Values<'_>) -> String {
    let mut text = String::new();
    template.write(values, Escape::Nothing, &mut text);
    text
}

/// Values of either kind: a topic may be a word, for which quotes are needed, or a number.
fn samples() -> [Values<'static>; 2] {
    ["news", "1"].map(|word| Values { text: "text", client: 1, ..Values::of(word, 0x1234_5678, Some(word)) })
}

/// True of an object, of an array of texts, objects or arrays, and of what stands in quotes.
fn looks_like_json(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let inner = text.get(1..).unwrap_or_default().trim_start();
    let begins = |with: &[char]| inner.starts_with(with);
    match (text.as_bytes().first(), text.as_bytes().last()) {
        (Some(b'{'), _) => begins(&['"', '}']),
        (Some(b'['), Some(b']')) => begins(&['"', '{', '[']),
        (Some(b'"'), Some(b'"')) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::template::Variable;
    use super::*;

    fn message(text: &str) -> anyhow::Result<()> {
        let known = [Variable::OF_A_CLIENT, Variable::OF_A_NOTIFICATION].concat();
        check_message(&Template::parse(text, &known, &[]).unwrap())
    }

    #[test]
    fn a_message_that_looks_like_json_must_be_json() {
        for right in [
            r#"{"type":"say","text":{payload}}"#,
            r#"{"a":{"b":{"c":{payload}}}}"#,
            r#"{"data":"{\"text\":\"{text}\"}"}"#,
            r#"["{topic}",{client},{payload}]"#,
            "{\"protocol\":\"json\",\"version\":1}\u{1e}",
            r#"{"room":{topic}}"#,
            "{payload}",
            r#""{text}""#,
            "PUB {topic} 100\r\n{payload}\r\n",
            "[{topic}] {text}",
            "{text} in {{braces}}",
        ] {
            message(right).unwrap_or_else(|error| panic!("{right}: {error}"));
        }
        for wrong in [
            r#"{"text":"{payload}"}"#,
            r#"{"text":{text}}"#,
            r#"{"text":{{topic}}}"#,
            r#""{payload}""#,
            r#"["say","{payload}"]"#,
            r#"{"text":{payload}"#,
        ] {
            let error = message(wrong).expect_err(wrong).to_string();
            assert!(error.contains("it is no JSON") && error.contains("so write \"text\":{payload}"), "{error}");
        }
    }
}
