//! In how many messages some bytes certainly tell a notification: what is not certain is one message.
//!
//! An event of a stream, a WebSocket message and an event of Socket.IO are one message each. The exceptions, and what an answer to a poll
//! holds, are:
//!
//! * JSON values with record separators (RFC 7464, which SignalR sends, too) are a message each.
//! * The elements of a list are where they are alike. Lists are an answer's outermost JSON arrays, a message that is a JSON array of objects,
//!   several JSON values one after the other (JSON lines), and an answer's lines where it is no JSON.
//!
//! Alike means the same but for what identifies an object ([`IDENTIFYING`]): `plain` and `html` of one message, the operations of a JSON Patch
//! (RFC 6902) and the arguments of a call differ. A notification that stands outside the list as well is one message with it, and an
//! object that has an `id` of its own is one message with all that it holds.

use std::collections::{BTreeSet, HashMap, HashSet};

use feed::{Postmark, postmarks};
use memchr::memchr_iter;
use serde_json::Value;
use serde_json::value::RawValue;

/// How deep an answer's objects are searched for arrays; what lies deeper is one message with what is around it.
const DEEPEST: usize = 16;

/// Stands before each value of a JSON text sequence (RFC 7464, section 2.2), and behind each message of SignalR.
const RECORD_SEPARATOR: u8 = 0x1e;

/// May stand before JSON (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Members by which a server tells two messages of the same text apart.
const IDENTIFYING: [&str; 9] = ["id", "_id", "uuid", "offset", "seq", "sequence", "time", "timestamp", "ts"];

/// Members that only a message has, and no list of messages.
const OF_A_MESSAGE: [&str; 3] = ["id", "_id", "uuid"];

/// What delimits a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// An event of a stream, or a WebSocket message.
    Message,
    /// An event of Socket.IO, whose outermost array holds the arguments of one call.
    Event,
    /// The body of a poll's answer.
    Answer,
}

/// A notification by publisher and sequence number.
pub(super) type Number = (u16, u32);

/// That of a postmark.
pub(super) fn number(postmark: &Postmark) -> Number {
    (postmark.publisher, postmark.sequence)
}

/// Those of a run in some bytes, in the order in which they stand there.
pub(super) fn numbers(bytes: &[u8], run: u32) -> impl Iterator<Item = Number> + '_ {
    postmarks(bytes).filter(move |postmark| postmark.run == run).map(|postmark| number(&postmark))
}

/// In how many messages each notification is certainly told; one that is missing, in one.
pub(super) fn certain_messages(bytes: &[u8], unit: Unit, run: u32) -> HashMap<Number, u32> {
    let mut times: HashMap<Number, usize> = HashMap::new();
    for number in numbers(bytes, run) {
        *times.entry(number).or_default() += 1;
    }
    let mut certain = HashMap::new();
    for list in lists(bytes, unit) {
        let mut places: HashMap<Number, (usize, BTreeSet<usize>)> = HashMap::new();
        for (place, message) in list.messages.iter().enumerate() {
            for number in numbers(message, run) {
                let (times, messages) = places.entry(number).or_default();
                *times += 1;
                messages.insert(place);
            }
        }
        let holding: HashSet<usize> = places.values().flat_map(|(_, messages)| messages).copied().collect();
        if list.is_of_texts && holding.len() < list.messages.len() {
            continue;
        }
        let mut contents: HashMap<usize, Vec<u8>> = HashMap::new();
        for (number, (in_list, messages)) in &places {
            if messages.len() > 1 && times.get(number) == Some(in_list) {
                certain.insert(*number, list.alike(messages, &mut contents));
            }
        }
    }
    certain
}

/// What may be a list of messages.
struct List<'m> {
    messages: Vec<&'m [u8]>,
    /// True where each is a message, alike or not.
    is_delimited: bool,
    /// True of texts, which are a list where each holds a notification: `["say", ..]` is a call, and `raw:` a heading.
    is_of_texts: bool,
}

impl<'m> List<'m> {
    /// The list that JSON values are; `None` of values of several kinds, as a tuple has them.
    fn of_values(messages: Vec<&'m [u8]>) -> Option<Self> {
        let kind = *messages.first()?.first()?;
        let is_list = messages.iter().all(|message| message.first() == Some(&kind));
        is_list.then_some(Self { messages, is_delimited: false, is_of_texts: kind != b'{' })
    }

    /// How many of these messages are alike, at most; `contents` keeps what was found out of each.
    fn alike(&self, places: &BTreeSet<usize>, contents: &mut HashMap<usize, Vec<u8>>) -> u32 {
        if self.is_delimited {
            return places.len() as u32;
        }
        for &place in places {
            contents.entry(place).or_insert_with(|| content(self.messages[place]));
        }
        let mut counts: HashMap<&[u8], u32> = HashMap::new();
        for place in places {
            *counts.entry(contents[place].as_slice()).or_default() += 1;
        }
        counts.into_values().max().unwrap_or(1)
    }
}

/// A message without what identifies it.
fn content(message: &[u8]) -> Vec<u8> {
    match serde_json::from_slice(message) {
        Ok(Value::Object(mut members)) => {
            members.retain(|name, _| !IDENTIFYING.contains(&name.as_str()));
            Value::Object(members).to_string().into_bytes()
        }
        Ok(value) => value.to_string().into_bytes(),
        Err(_) => message.to_vec(),
    }
}

/// What may be lists of messages in some bytes.
fn lists(bytes: &[u8], unit: Unit) -> Vec<List<'_>> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let values = match unit {
        Unit::Event => return Vec::new(),
        Unit::Message | Unit::Answer => values(bytes),
    };
    match (values.as_deref(), unit) {
        (Some([whole]), Unit::Message | Unit::Event) => {
            let list = elements(whole).and_then(List::of_values);
            list.filter(|list| !list.is_of_texts).into_iter().collect()
        }
        (Some([whole]), Unit::Answer) => {
            let mut lists = Vec::new();
            outermost(whole, 0, &mut lists);
            lists
        }
        (Some(several), _) if bytes.contains(&RECORD_SEPARATOR) => {
            vec![List { messages: several.to_vec(), is_delimited: true, is_of_texts: false }]
        }
        (Some(several), _) => List::of_values(several.to_vec()).into_iter().collect(),
        (None, Unit::Answer) if bytes.trim_ascii_start().first() != Some(&b'<') => {
            vec![List { messages: lines(bytes), is_delimited: false, is_of_texts: true }]
        }
        (None, _) => Vec::new(),
    }
}

/// The JSON values that bytes are one after another, with white space or record separators between them; `None` where they are none.
fn values(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let records = bytes.split(|&byte| byte == RECORD_SEPARATOR);
    let values = records.flat_map(|record| serde_json::Deserializer::from_slice(record).into_iter::<&RawValue>());
    values.map(|value| value.ok().map(|value| value.get().as_bytes())).collect()
}

/// The outermost arrays of a JSON value that is no message itself.
fn outermost<'j>(json: &'j [u8], depth: usize, lists: &mut Vec<List<'j>>) {
    if let Some(elements) = elements(json) {
        lists.extend(List::of_values(elements));
    } else if json.first() == Some(&b'{') && depth < DEEPEST {
        let members = serde_json::from_slice::<HashMap<String, &RawValue>>(json).unwrap_or_default();
        if OF_A_MESSAGE.iter().any(|name| members.contains_key(*name)) {
            return;
        }
        for member in members.values() {
            outermost(member.get().as_bytes(), depth + 1, lists);
        }
    }
}

/// The elements of a JSON array; `None` where it is none.
fn elements(json: &[u8]) -> Option<Vec<&[u8]>> {
    if json.trim_ascii_start().first() != Some(&b'[') {
        return None;
    }
    let elements = serde_json::from_slice::<Vec<&RawValue>>(json).ok()?;
    Some(elements.into_iter().map(|element| element.get().as_bytes()).collect())
}

/// The lines that hold something.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let ends = memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    let mut start = 0;
    let lines = ends.map(|end| bytes[std::mem::replace(&mut start, end + 1).min(end)..end].trim_ascii());
    lines.filter(|line| !line.is_empty()).collect()
}
