//! Text with `{variables}` in it, read once and filled in for every request.
//!
//! A brace that no name follows stands for itself, so JSON is written as it is: `{"room":"{topic}"}`. Two braces on either side of a name stand
//! for one: `subscription{{news}}` has the name in braces and no variable, `{{{topic}}}` the variable's value in braces, and `{{{{news}}}}` is the text
//! `{{news}}`.

use std::fmt::Write;

use feed::Cursor;

/// Something that a template asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// `{topic}`: the topic that is published or subscribed to.
    Topic,
    /// `{client}`: number of the simulated client, from 0.
    Client,
    /// `{run}`: number of the run, 8 hexadecimal digits.
    Run,
    /// `{token}`: what `--token` or `WIRELAB_TOKEN` says.
    Token,
    /// `{wait}`: seconds that the server may hold this poll.
    Wait,
    /// `{cursor}`: the feed's cursor, where the server tells one as the feed does.
    Cursor,
    /// `{payload}`: what is published, a JSON string with its quotes.
    Payload,
    /// `{text}`: the same without quotes.
    Text,
    /// `{unique}`: 20 ASCII characters, other ones in each publication.
    Unique,
    /// A value from an earlier answer, by its place among those that are remembered.
    Remembered(usize),
}

impl Variable {
    /// Variables of whatever one subscriber sends.
    pub const OF_A_CLIENT: &[(&'static str, Self)] = &[
        ("topic", Self::Topic),
        ("client", Self::Client),
        ("run", Self::Run),
        ("token", Self::Token),
        ("wait", Self::Wait),
        ("cursor", Self::Cursor),
    ];
    /// Variables that have a value when a subscription begins.
    pub const AT_FIRST: &[(&'static str, Self)] =
        &[("topic", Self::Topic), ("client", Self::Client), ("run", Self::Run), ("token", Self::Token)];
    /// Variables of what leads a publisher's notifications on their way: paths, header fields, first messages.
    pub const OF_A_PUBLISHER: &[(&'static str, Self)] =
        &[("topic", Self::Topic), ("run", Self::Run), ("token", Self::Token)];
    /// Variables of the header fields of one publication.
    pub const OF_A_PUBLICATION: &[(&'static str, Self)] =
        &[("topic", Self::Topic), ("run", Self::Run), ("token", Self::Token), ("unique", Self::Unique)];
    /// Variables of a published notification.
    pub const OF_A_NOTIFICATION: &[(&'static str, Self)] = &[
        ("payload", Self::Payload),
        ("text", Self::Text),
        ("topic", Self::Topic),
        ("run", Self::Run),
        ("token", Self::Token),
    ];
}

/// A variable that nobody knows in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown variable `{{{name}}}` in `{template}`: expected one of {known}; for the text `{{{name}}}` write `{{{{{name}}}}}`"
)]
pub struct UnknownVariable {
    name: String,
    template: String,
    known: String,
}

/// The values of one request. What is `None` has no value yet.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// The topic.
    pub topic: &'a str,
    /// Number of the client.
    pub client: u32,
    /// Number of the run.
    pub run: u32,
    /// The secret, if there is one.
    pub token: Option<&'a str>,
    /// Seconds that the server may hold the poll.
    pub wait_s: f64,
    /// The feed's cursor.
    pub cursor: Option<Cursor>,
    /// What earlier answers said, in the order of the target's `remember`.
    pub remembered: &'a [Option<String>],
    /// The payload without its quotes.
    pub text: &'a str,
    /// What no other publication has: as many bytes as [`Values::UNIQUE`].
    pub unique: &'a str,
}

impl<'a> Values<'a> {
    /// Holds the place of the value that is stamped on each publication: 20 ASCII characters that stand in no target file.
    pub const UNIQUE: &'static str = "wirelab-unique-00000";

    /// The values of a request that belongs to no client and asks for nothing that was said before.
    pub fn of(topic: &'a str, run: u32, token: Option<&'a str>) -> Self {
        Self {
            topic,
            client: 0,
            run,
            token,
            wait_s: 0.0,
            cursor: None,
            remembered: &[],
            text: "",
            unique: Self::UNIQUE,
        }
    }
}

/// How values are written so that they stay values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// As they are.
    Nothing,
    /// Percent-encoded (RFC 3986, section 2.1), for paths and queries.
    Url,
}

/// Text with variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

impl Template {
    /// Reads `text`, in which the variables of `known` may stand, and those that are `remembered`.
    pub fn parse(
        text: &str,
        known: &[(&'static str, Variable)],
        remembered: &[String],
    ) -> Result<Self, UnknownVariable> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let opening = rest[at..].len() - rest[at..].trim_start_matches('{').len();
            let Some(name) = name_at(&rest[at + opening..]) else {
                literal.push_str(&rest[..at + opening]);
                rest = &rest[at + opening..];
                continue;
            };
            let behind = &rest[at + opening + name.len()..];
            let closing = behind.len() - behind.trim_start_matches('}').len();
            // Each pair of braces on either side stands for one.
            let pairs = opening / 2;
            if opening.is_multiple_of(2) && closing >= opening {
                literal.push_str(&rest[..at + pairs]);
                literal.push_str(name);
                literal.push_str(&behind[..pairs]);
                rest = &behind[opening..];
                continue;
            }
            let closes = if closing >= opening { pairs } else { 0 };
            let braces = if closing >= opening { pairs } else { opening - 1 };
            let by_place = || Some(Variable::Remembered(remembered.iter().position(|own| own == name)?));
            let own = known.iter().find(|(own, _)| *own == name).map(|(_, variable)| *variable);
            let variable = own.or_else(by_place).ok_or_else(|| {
                let names = known.iter().map(|(own, _)| *own).chain(remembered.iter().map(String::as_str));
                let known: Vec<String> = names.map(|name| format!("{{{name}}}")).collect();
                UnknownVariable { name: name.to_owned(), template: text.to_owned(), known: known.join(" ") }
            })?;
            literal.push_str(&rest[..at + braces]);
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Variable(variable));
            literal.push_str(&behind[..closes]);
            rest = &behind[2 * closes + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }

    /// Appends the text with its values to `out`; where one has no value yet, false, and `out` is as it was.
    pub fn write(&self, values: &Values<'_>, escape: Escape, out: &mut String) -> bool {
        let start = out.len();
        let is_whole = self.parts.iter().all(|part| match part {
            Part::Text(text) => {
                out.push_str(text);
                true
            }
            Part::Variable(variable) => variable.write(values, escape, out),
        });
        if !is_whole {
            out.truncate(start);
        }
        is_whole
    }

    /// The text with its values, all of which it has: that a token is there is asked before a run begins, and of what else may
    /// have no value yet such a text cannot speak.
    ///
    /// # Panics
    ///
    /// When one is missing: sent without it, the text would say something else than its target file does.
    pub fn filled(&self, values: &Values<'_>) -> String {
        let mut text = String::new();
        let is_whole = self.write(values, Escape::Nothing, &mut text);
        assert!(is_whole, "a variable has no value; whether all have one is asked before a run begins");
        text
    }

    /// Has the query of a path begin with `query`, which stands there as it is.
    pub(super) fn begin_query(&mut self, query: &str) {
        for part in &mut self.parts {
            if let Part::Text(text) = part
                && let Some(at) = text.find('?')
            {
                text.insert_str(at + 1, &format!("{query}&"));
                return;
            }
        }
        self.parts.push(Part::Text(format!("?{query}")));
    }

    /// How often it asks for `variable`.
    pub fn count(&self, variable: Variable) -> usize {
        self.parts.iter().filter(|part| **part == Part::Variable(variable)).count()
    }

    /// True when it asks for `variable`.
    pub fn asks_for(&self, variable: Variable) -> bool {
        self.count(variable) > 0
    }
}

impl Variable {
    fn write(self, values: &Values<'_>, escape: Escape, out: &mut String) -> bool {
        let foreign = match self {
            Self::Token => values.token,
            Self::Remembered(place) => values.remembered.get(place).and_then(Option::as_deref),
            _ => None,
        };
        // Writing into a string cannot fail.
        let _ = match self {
            Self::Topic => out.write_str(values.topic),
            Self::Client => write!(out, "{}", values.client),
            Self::Run => write!(out, "{:08x}", values.run),
            Self::Wait => write!(out, "{}", values.wait_s),
            Self::Payload => write!(out, "\"{}\"", values.text),
            Self::Text => out.write_str(values.text),
            Self::Unique => out.write_str(values.unique),
            Self::Cursor => match values.cursor {
                Some(cursor) => write!(out, "{cursor}"),
                None => return false,
            },
            Self::Token | Self::Remembered(_) => match foreign {
                Some(value) if escape == Escape::Url => {
                    percent_encode(value, out);
                    Ok(())
                }
                Some(value) => out.write_str(value),
                None => return false,
            },
        };
        true
    }
}

/// The name at the start of `text` that a closing brace follows.
fn name_at(text: &str) -> Option<&str> {
    let name = &text[..text.find('}')?];
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    is_name.then_some(name)
}

/// Writes what may stand in a query as it is, the rest as `%XX`.
pub(super) fn percent_encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@!$'()*,;".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values<'static> {
        Values { text: "hello", wait_s: 25.0, client: 7, ..Values::of("news", 0xbeef, Some("s3&cret")) }
    }

    fn parse(text: &str) -> Template {
        let known = [Variable::OF_A_CLIENT, Variable::OF_A_NOTIFICATION].concat();
        Template::parse(text, &known, &["since".to_owned()]).unwrap()
    }

    #[test]
    fn json_is_written_as_it_is_around_its_variables() {
        let template = parse(r#"{"a":{"room":"{topic}","data":{payload}},"x":"{ {}","who":{client}}"#);
        let expected = r#"{"a":{"room":"news","data":"hello"},"x":"{ {}","who":7}"#;
        assert_eq!(template.filled(&values()), expected);
        assert_eq!(parse("{run} {text} {wait}").filled(&values()), "0000beef hello 25");
    }

    #[test]
    fn a_name_in_two_braces_is_text_and_in_three_a_value_in_braces() {
        for (text, filled) in [
            ("subscription{{news}}", "subscription{news}"),
            ("subscription{news{{id}}}", "subscription{news{id}}"),
            ("{{topic}} is {topic}", "{topic} is news"),
            ("{{{topic}}}", "{news}"),
            ("{{{{topic}}}}", "{{topic}}"),
            ("{{{{{topic}}}}}", "{{news}}"),
            ("a{{{{name}}}}b{{{{{{name}}}}}}", "a{{name}}b{{{name}}}"),
            (r#"{"a":{"b":{"c":{{{topic}}}}}}"#, r#"{"a":{"b":{"c":{news}}}}"#),
            (r#"{"a":{"b":{client}}}"#, r#"{"a":{"b":7}}"#),
            ("{{topic}", "{news"),
            ("{{{topic}}", "{{news}"),
            ("{{}} {{a b}} {{", "{{}} {{a b}} {{"),
        ] {
            assert_eq!(parse(text).filled(&values()), filled, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_not_there_yet_leaves_everything_out() {
        let template = parse("after={since}");
        let mut out = "?".to_owned();
        assert!(!template.write(&values(), Escape::Url, &mut out));
        assert_eq!(out, "?");
        let remembered = [Some("a b+c".to_owned())];
        let known = Values { remembered: &remembered, ..values() };
        assert!(template.write(&known, Escape::Url, &mut out));
        assert_eq!(out, "?after=a%20b%2Bc");
        assert_eq!(template.filled(&known), "after=a b+c");
    }

    #[test]
    fn an_unknown_variable_is_told_with_the_known_ones() {
        let error = Template::parse("/x/{tpoic}", Variable::AT_FIRST, &["since".to_owned()]).unwrap_err();
        let said = "unknown variable `{tpoic}` in `/x/{tpoic}`: expected one of {topic} {client} {run} {token} {since}; \
                    for the text `{tpoic}` write `{{tpoic}}`";
        assert_eq!(error.to_string(), said);
    }
}
