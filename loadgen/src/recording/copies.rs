//! The same text twice in one message, `raw` and `cooked` say: which postmarks of some bytes are deliveries, and which repeat one.
//!
//! What a transport delimits is one message, within which a notification is delivered once, however often its text stands there. Several
//! messages of one answer or frame are told apart where that is certain (`messages.rs`): a notification of two of them is delivered twice.

use std::collections::HashMap;

use feed::Postmark;

use super::messages::{Number, Unit, certain_messages, number, numbers};

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
    /// In how many messages those that are told in several certainly are, once one has stood there twice.
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
        let messages = self.messages.get_or_insert_with(|| certain_messages(bytes, self.unit, run));
        *count <= messages.get(&number).copied().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use feed::{POSTMARK_LEN, postmarks};

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
            (Answer, r#"{"text":"A","blocks":[{"text":"A"},{"text":"A"}]}"#, (1, 2)),
            (Answer, r#"{"blocks":[{"type":"plain","text":"A"},{"type":"html","text":"A"}]}"#, (1, 1)),
            (Answer, r#"{"id":7,"blocks":[{"text":"A"},{"text":"A"}]}"#, (1, 1)),
            (Answer, r#"{"events":[{"text":"A"}],"lastSeen":[{"text":"A"},{"text":"A"}]}"#, (1, 2)),
            (Answer, r#"{"new":["B","A","A"],"pinned":["A"]}"#, (2, 2)),
            (Answer, r#"{"call":["say","A","A"]}"#, (1, 1)),
            (Answer, r#"{"one":{"text":"A"},"two":{"text":"A"}}"#, (1, 1)),
            (Answer, "<feed>\n<title>A</title>\n<content>A</content>\n</feed>", (1, 1)),
            (Answer, "<a>\nA\n</a>\n<b>\nA\n</b>", (1, 1)),
            (Answer, "raw:\nA\ncooked:\nA\n", (1, 1)),
            (Answer, "raw: A\ncooked: A\n", (1, 1)),
            (Message, r#"[{"op":"add","path":"/raw","value":"A"},{"op":"add","path":"/html","value":"A"}]"#, (1, 1)),
            (Message, r#"[36,1,2,{},["A"],{"text":"A"}]"#, (1, 1)),
            (Message, r#"["say","A","A"]"#, (1, 1)),
            (Message, "{\"text\":\"A\"}\n{\"raw\":\"A\",\"cooked\":\"A\"}", (1, 2)),
            (Message, "{\"raw\":\"A\"}\n{\"cooked\":\"A\"}", (1, 1)),
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
            (Answer, r#"{"ok":true,"messages":[{"id":1,"text":"A"},{"id":2,"text":"A"},{"id":3,"text":"B"}]}"#, (3, 0)),
            (Answer, "\u{feff}[{\"text\":\"A\"},{\"text\":\"A\"}]", (2, 0)),
            (Answer, "{\"text\":\"A\"}\n{\"text\":\"A\"}\n", (2, 0)),
            (Answer, "A\r\nA\r\nB", (3, 0)),
            (Message, r#"[{"text":"A"},{"text":"A"}]"#, (2, 0)),
            (Message, "{\"text\":\"A\"}\n{\"text\":\"A\"}", (2, 0)),
            (Message, "{\"raw\":\"A\"}\u{1e}{\"cooked\":\"A\"}\u{1e}", (2, 0)),
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
