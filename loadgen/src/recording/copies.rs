//! The same text twice in one message, `raw` and `cooked` say: how often a message tells each notification, and how many deliveries
//! that is.
//!
//! What a transport delimits is one message: an event of a stream, a WebSocket message, an event of Socket.IO. Where one of the first
//! two is a JSON array, each element is a message of its own, and so is each JSON value where there are several (JSON lines, or the
//! sequences of RFC 7464, which SignalR and Centrifugo send); of a poll's answer, each element of its outermost arrays
//! (`{"messages":[..]}` or `[..]`), each JSON value of several, or each line where it is no JSON. Within one message the same
//! notification is delivered once, however often its text stands there; in two messages of one answer it is delivered twice.

use std::collections::{HashMap, HashSet};

use feed::{Postmark, postmarks};
use memchr::memchr_iter;
use serde_json::value::RawValue;

/// How deep an answer's objects are searched for arrays; what lies deeper is one message with what is around it.
const DEEPEST: usize = 16;

/// Stands before each value of a JSON text sequence (RFC 7464, section 2.2), and behind each message of SignalR.
const RECORD_SEPARATOR: u8 = 0x1e;

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
type Number = (u16, u32);

/// Tells which postmarks of some bytes are deliveries, in the order in which they stand there.
///
/// As long as numbers ascend, as they do in most bytes that hold several, it is a comparison.
#[derive(Debug)]
pub(super) struct Copies<'m> {
    bytes: &'m [u8],
    unit: Unit,
    run: u32,
    /// Postmarks so far.
    seen: usize,
    highest: Option<Number>,
    /// How often each was seen, once their order says too little.
    counts: Option<HashMap<Number, u32>>,
    /// In how many messages each stands, once one has stood there twice.
    messages: Option<HashMap<Number, u32>>,
}

impl<'m> Copies<'m> {
    /// None so far of the postmarks of `run` in `bytes`.
    pub(super) fn new(bytes: &'m [u8], unit: Unit, run: u32) -> Self {
        Self { bytes, unit, run, seen: 0, highest: None, counts: None, messages: None }
    }

    /// True when the next postmark is a delivery; false when it repeats one within the same message.
    pub(super) fn is_delivery(&mut self, postmark: &Postmark) -> bool {
        let number = number(postmark);
        let place = self.seen;
        self.seen += 1;
        let ascends = self.highest.is_none_or(|(publisher, sequence)| publisher == number.0 && sequence < number.1);
        if ascends && self.counts.is_none() {
            self.highest = Some(number);
            return true;
        }
        let (bytes, run) = (self.bytes, self.run);
        let counts = self.counts.get_or_insert_with(|| {
            numbers(bytes, run).take(place).fold(HashMap::new(), |mut counts, number| {
                *counts.entry(number).or_default() += 1;
                counts
            })
        });
        let count = counts.entry(number).or_default();
        *count += 1;
        if *count == 1 {
            return true;
        }
        let messages = self.messages.get_or_insert_with(|| messages_of_each(bytes, self.unit, run));
        *count <= messages.get(&number).copied().unwrap_or(1)
    }
}

fn number(postmark: &Postmark) -> Number {
    (postmark.publisher, postmark.sequence)
}

fn numbers(bytes: &[u8], run: u32) -> impl Iterator<Item = Number> + '_ {
    postmarks(bytes).filter(move |postmark| postmark.run == run).map(|postmark| number(&postmark))
}

/// In how many messages each notification stands. Of several arrays, the one that tells it most often counts: a list of the newest and
/// one of the pinned are two views of one answer.
fn messages_of_each(bytes: &[u8], unit: Unit, run: u32) -> HashMap<Number, u32> {
    let mut most = HashMap::new();
    for list in lists(bytes, unit) {
        let mut counts: HashMap<Number, u32> = HashMap::new();
        for message in list {
            for number in numbers(message, run).collect::<HashSet<_>>() {
                *counts.entry(number).or_default() += 1;
            }
        }
        for (number, count) in counts {
            let most = most.entry(number).or_default();
            *most = count.max(*most);
        }
    }
    most
}

/// The lists of messages that bytes are.
fn lists(bytes: &[u8], unit: Unit) -> Vec<Vec<&[u8]>> {
    match unit {
        Unit::Event => vec![vec![bytes]],
        Unit::Message => match values(bytes).as_deref() {
            Some([whole]) => vec![elements(whole).unwrap_or_else(|| vec![bytes])],
            Some(several) => vec![several.to_vec()],
            None => vec![vec![bytes]],
        },
        Unit::Answer => match values(bytes).as_deref() {
            Some([whole]) => {
                let mut lists = Vec::new();
                outermost(whole, 0, &mut lists);
                lists
            }
            Some(several) => vec![several.to_vec()],
            None => vec![lines(bytes)],
        },
    }
}

/// The JSON values that bytes are one after another, with white space or record separators between them; `None` where they are none.
fn values(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let records = bytes.split(|&byte| byte == RECORD_SEPARATOR);
    let values = records.flat_map(|record| serde_json::Deserializer::from_slice(record).into_iter::<&RawValue>());
    values.map(|value| value.ok().map(|value| value.get().as_bytes())).collect()
}

/// The elements of the outermost arrays of a JSON value, array by array.
fn outermost<'j>(json: &'j [u8], depth: usize, lists: &mut Vec<Vec<&'j [u8]>>) {
    if let Some(elements) = elements(json) {
        lists.push(elements);
    } else if json.first() == Some(&b'{') && depth < DEEPEST {
        let members = serde_json::from_slice::<HashMap<String, &RawValue>>(json).unwrap_or_default();
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

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let ends = memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    let mut start = 0;
    ends.map(|end| &bytes[std::mem::replace(&mut start, end + 1).min(end)..end]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use feed::POSTMARK_LEN;

    /// Text in which `A`, `B` and `C` are postmarks numbered so, and `X` is `A` of another publisher.
    fn text(template: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in template.bytes() {
            let (publisher, sequence) = match byte {
                b'A'..=b'C' => (0, u32::from(byte - b'A')),
                b'X' => (1, 0),
                _ => {
                    out.push(byte);
                    continue;
                }
            };
            let at = out.len();
            out.resize(at + POSTMARK_LEN, 0);
            Postmark { run: 7, publisher, sequence, intended_ns: 1 }.write(&mut out[at..]);
        }
        out
    }

    /// Deliveries and repetitions of all postmarks in it.
    fn told(unit: Unit, template: &str) -> (usize, usize) {
        let bytes = text(template);
        let mut copies = Copies::new(&bytes, unit, 7);
        let (deliveries, copies): (Vec<_>, Vec<_>) =
            postmarks(&bytes).partition(|postmark| copies.is_delivery(postmark));
        (deliveries.len(), copies.len())
    }

    #[test]
    fn the_same_text_in_two_fields_of_one_message_is_one_delivery() {
        use Unit::{Answer, Event, Message};
        for (unit, json, expected) in [
            (Message, r#"{"raw":"A","cooked":"<p>A</p>"}"#, (1, 1)),
            (Message, r#"{"text":"A","parts":[{"text":"A"},{"html":"A"}]}"#, (1, 2)),
            (Message, r#"[{"raw":"A","cooked":"A"},{"raw":"B","cooked":"B"}]"#, (2, 2)),
            (Message, "A\nA", (1, 1)),
            (Event, r#"["say",{"raw":"A"},{"cooked":"A"}]"#, (1, 1)),
            (Answer, r#"{"messages":[{"raw":"A","cooked":"A"},{"raw":"B","cooked":"B"}]}"#, (2, 2)),
            (Answer, r#"[{"parts":[{"text":"A"},{"html":"A"}]}]"#, (1, 1)),
            (Answer, r#"{"last":"B","messages":["A","B"]}"#, (2, 1)),
            (Answer, r#"{"raw":"A","cooked":"A"}"#, (1, 1)),
            (Answer, "<p>A A</p>", (1, 1)),
        ] {
            assert_eq!(told(unit, json), expected, "{unit:?} {json}");
        }
    }

    #[test]
    fn the_same_notification_in_two_messages_of_one_answer_is_two_deliveries() {
        use Unit::{Answer, Message};
        for (unit, json, expected) in [
            (Answer, r#"{"messages":[{"text":"A"},{"text":"A"}]}"#, (2, 0)),
            (Answer, r#"[{"raw":"A","cooked":"A"},{"raw":"A","cooked":"A"}]"#, (2, 2)),
            (Answer, r#"{"rooms":{"one":{"timeline":["A","A"]}}}"#, (2, 0)),
            (Answer, r#"{"new":["B","A","A"],"pinned":["A"]}"#, (3, 1)),
            (Answer, "{\"text\":\"A\"}\n{\"text\":\"A\"}\n", (2, 0)),
            (Answer, "A\r\nA\r\nB", (3, 0)),
            (Message, r#"[{"text":"A"},{"text":"A"}]"#, (2, 0)),
            (Message, "{\"text\":\"A\"}\n{\"raw\":\"A\",\"cooked\":\"A\"}", (2, 1)),
            (Message, "{\"text\":\"A\"}\u{1e}{\"text\":\"A\"}\u{1e}", (2, 0)),
            (Answer, "\u{1e}{\"text\":\"A\"}\n\u{1e}{\"text\":\"A\"}\n", (2, 0)),
        ] {
            assert_eq!(told(unit, json), expected, "{unit:?} {json}");
        }
    }

    #[test]
    fn notifications_in_any_order_and_of_other_publishers_are_deliveries() {
        for unit in [Unit::Message, Unit::Event, Unit::Answer] {
            assert_eq!(told(unit, r#"["C","A","X","B"]"#), (4, 0), "{unit:?}");
            assert_eq!(told(unit, r#"["A","X"]"#), (2, 0), "{unit:?}");
        }
        let deep = format!("{}[\"A\",\"A\"]{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
        assert_eq!(told(Unit::Answer, &deep), (1, 1), "too deep to tell");
    }
}
