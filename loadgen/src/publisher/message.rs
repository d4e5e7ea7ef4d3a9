//! What is published: prepared once per topic, with a postmark that is written into it anew each time.

use feed::{POSTMARK_LEN, Postmark};
use memchr::memmem;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::plan::Plan;
use crate::target::Values;

/// Smallest payload: a JSON string that holds a postmark, bytes.
pub const MIN_PAYLOAD: usize = POSTMARK_LEN + 2;

/// Bytes with a postmark among them, and perhaps with a value that no other notification has.
#[derive(Debug, Clone)]
pub(super) struct Message {
    bytes: Vec<u8>,
    postmark_at: usize,
    unique_at: Vec<usize>,
}

impl Message {
    /// The message that `text` became part of; [`text_of`] made that.
    pub(super) fn around(plan: &Plan, bytes: Vec<u8>) -> Self {
        let postmark_at = memmem::find(&bytes, &placeholder(plan)).expect("a target file has the payload in it");
        Self { bytes, postmark_at, unique_at: Vec::new() }
    }

    /// The same, with a unique value wherever the first `len` bytes hold the place for one.
    pub(super) fn with_unique_values(mut self, len: usize) -> Self {
        self.unique_at = memmem::find_iter(&self.bytes[..len], Values::UNIQUE).collect();
        self
    }

    /// True when it has a unique value.
    pub(super) fn is_unique(&self) -> bool {
        !self.unique_at.is_empty()
    }

    /// A copy with this postmark.
    pub(super) fn stamped(&self, postmark: Postmark) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        postmark.write(&mut bytes[self.postmark_at..]);
        if self.is_unique() {
            let Postmark { run, publisher, sequence, .. } = postmark;
            let unique = format!("{run:08x}{publisher:04x}{sequence:08x}");
            for &at in &self.unique_at {
                bytes[at..at + unique.len()].copy_from_slice(unique.as_bytes());
            }
        }
        bytes
    }
}

/// A payload without its quotes: a postmark, then letters that no compression finds a pattern in.
pub(super) fn text_of(plan: &Plan) -> String {
    let mut rng = SmallRng::seed_from_u64(plan.seed);
    let letters = plan.payload - MIN_PAYLOAD;
    let mut text = String::from_utf8(placeholder(plan)).expect("postmarks are ASCII");
    text.extend((0..letters).map(|_| char::from(rng.random_range(b'a'..=b'z'))));
    text
}

/// The postmark of no notification, which holds the place for others.
fn placeholder(plan: &Plan) -> Vec<u8> {
    let mut token = vec![0; POSTMARK_LEN];
    Postmark { run: plan.run, publisher: u16::MAX, sequence: u32::MAX, intended_ns: u64::MAX }.write(&mut token);
    token
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;

    #[test]
    fn a_payload_with_its_postmark_is_json_of_the_asked_length() {
        for payload in [MIN_PAYLOAD, 200, 5_000] {
            let plan = Plan { payload, ..plan() };
            let text = text_of(&plan);
            let message = Message::around(&plan, format!("\"{text}\"").into_bytes());
            let postmark = Postmark { run: 1, publisher: 2, sequence: 3, intended_ns: 4 };
            let stamped = message.stamped(postmark);
            assert_eq!(stamped.len(), payload);
            let text: String = serde_json::from_slice(&stamped).unwrap();
            assert_eq!(feed::postmarks(text.as_bytes()).collect::<Vec<_>>(), [postmark]);
        }
    }

    #[test]
    fn each_notification_has_a_unique_value_of_its_own() {
        let plan = plan();
        let head = format!("Idempotency-Key: {}\r\n\r\n", Values::UNIQUE);
        let message = Message::around(&plan, format!("{head}\"{}\"", text_of(&plan)).into_bytes());
        let message = message.with_unique_values(head.len());
        let [one, other] = [7, 8].map(|sequence| {
            let stamped = message.stamped(Postmark { run: 0xbeef, publisher: 2, sequence, intended_ns: 4 });
            String::from_utf8(stamped[..head.len()].to_vec()).unwrap()
        });
        assert_eq!(one, "Idempotency-Key: 0000beef000200000007\r\n\r\n");
        assert_eq!(other, "Idempotency-Key: 0000beef000200000008\r\n\r\n");
    }
}
