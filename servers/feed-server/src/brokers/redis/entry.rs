//! A notification as Redis holds and passes it on: epoch, offset, timestamp and length of the media type, each before a space,
//! then the media type and the payload.

use std::borrow::Cow;

use feed::{Cursor, Payload};
use serde_json::value::RawValue;

use crate::hub::Numbered;

/// The part that the publisher writes; the script that numbers it puts epoch, offset and timestamp before it.
pub(super) fn write(payload: &Payload) -> Vec<u8> {
    let media_type = payload.content_type.as_deref().unwrap_or_default();
    let json = payload.json.get();
    let mut entry = Vec::with_capacity(8 + media_type.len() + json.len());
    entry.extend_from_slice(format!("{} {media_type}", media_type.len()).as_bytes());
    entry.extend_from_slice(json.as_bytes());
    entry
}

/// Reads a whole entry; `None` if something else wrote it.
pub(super) fn read(entry: &[u8]) -> Option<Numbered<'_>> {
    let entry = std::str::from_utf8(entry).ok()?;
    let mut parts = entry.splitn(5, ' ');
    let mut part = || parts.next();
    let cursor = Cursor { epoch: part()?.parse().ok()?, offset: part()?.parse().ok().filter(|offset| *offset > 0)? };
    let timestamp_us = part()?.parse().ok()?;
    let media_type_len = part()?.parse().ok()?;
    let (media_type, json) = part()?.split_at_checked(media_type_len)?;
    let payload: &RawValue = serde_json::from_str(json).ok()?;
    let content_type = (!media_type.is_empty()).then_some(media_type);
    Some(Numbered { cursor, timestamp_us, content_type, payload: Cow::Borrowed(payload) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let payloads = [
            Payload::from_json(br#"{"a b": "c d"}"#).unwrap(),
            Payload::from_bytes("grüß Gott".as_bytes(), "text/plain; charset=utf-8"),
        ];
        for payload in payloads {
            let entry = [b"k3f9 42 1795132800000000 ".to_vec(), write(&payload)].concat();
            let read = read(&entry).unwrap();
            assert_eq!((read.cursor.to_string(), read.timestamp_us), ("k3f9:42".to_owned(), 1_795_132_800_000_000));
            assert_eq!(read.content_type, payload.content_type.as_deref());
            assert_eq!(read.payload.get(), payload.json.get());
        }
    }

    #[test]
    fn what_something_else_wrote_is_no_entry() {
        for entry in ["", "k3f9", "k3f9 x 1 0 {}", "k3f9 1 1 9 {}", "k3f9 1 1 0 {", "k3f9 0 1 0 {}", "K 1 1 0 {}"] {
            assert!(read(entry.as_bytes()).is_none(), "{entry}");
        }
    }
}
