//! The answer to a poll: an envelope with the cursor to ask with next, around any number of notifications.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::BatchHead;

const NOTIFICATIONS: &[u8] = br#","notifications":["#;
/// What ends an answer.
pub const END: &[u8] = b"]}";

/// Writes the envelope up to where the first notification goes. Notifications follow, separated by commas, then [`END`].
pub fn write_head(head: &BatchHead) -> Vec<u8> {
    let mut out = serde_json::to_vec(head).expect("an envelope has only strings, numbers and booleans");
    out.pop();
    out.extend_from_slice(NOTIFICATIONS);
    out
}

/// Reads the envelope of an answer without looking at its notifications; `None` when this is no answer of a feed.
pub fn read_head(body: &[u8]) -> Option<BatchHead> {
    // Made once, as that of postmarks is.
    static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(NOTIFICATIONS));
    let end = FINDER.find(body)?;
    let mut head = body[..end].to_vec();
    head.push(b'}');
    serde_json::from_slice(&head).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_reads_back_as_it_was_written() {
        for gap in [None, Some("k3f9:12".parse().unwrap())] {
            let head = BatchHead {
                topic: "news".into(),
                epoch: "k3f9".parse().unwrap(),
                offset: 43,
                recovered: gap.is_none(),
                gap,
                more: false,
            };
            let mut body = write_head(&head);
            body.extend_from_slice(br#"{"id":1},{"id":2}"#);
            body.extend_from_slice(END);
            assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
            assert_eq!(read_head(&body), Some(head));
        }
        assert_eq!(read_head(b"<html>"), None);
    }
}
