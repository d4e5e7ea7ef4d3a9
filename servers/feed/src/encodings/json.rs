//! JSON, the encoding that every client reads without help.

use std::borrow::Cow;
use std::io::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Notification;

/// Encodes `{"type":"notification","topic":...,"id":...,"timestamp":...,"payload":...}` on one line or more: line breaks
/// stay where the publisher put them between JSON tokens.
pub fn encode(notification: &Notification<'_>) -> Vec<u8> {
    let payload = notification.payload.get();
    let mut out = Vec::with_capacity(payload.len() + notification.topic.len() + 96);
    // Topic names need no escaping (see `TopicName`); a media type may.
    let _ = write!(
        out,
        r#"{{"type":"notification","topic":"{}","id":{},"timestamp":{},"#,
        notification.topic, notification.id, notification.timestamp_us
    );
    if let Some(content_type) = &notification.content_type {
        out.extend_from_slice(br#""content_type":"#);
        serde_json::to_writer(&mut out, content_type).expect("a string is always JSON");
        out.push(b',');
    }
    out.extend_from_slice(br#""payload":"#);
    out.extend_from_slice(payload.as_bytes());
    out.push(b'}');
    out
}

/// Decodes what [`encode`] wrote; fields may stand in any order.
pub fn decode(bytes: &[u8]) -> Result<Notification<'_>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        topic: Cow<'a, str>,
        id: u64,
        timestamp: u64,
        #[serde(borrow)]
        content_type: Option<Cow<'a, str>>,
        #[serde(borrow)]
        payload: &'a RawValue,
    }
    let wire: Wire<'_> = serde_json::from_slice(bytes)?;
    Ok(Notification {
        topic: wire.topic,
        id: wire.id,
        timestamp_us: wire.timestamp,
        content_type: wire.content_type,
        payload: Cow::Borrowed(wire.payload),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_reads_back_as_it_was_written() {
        let payload = serde_json::from_str::<&RawValue>(r#"{"n": 1.10, "s":"\u00e4"}"#).unwrap();
        let notification = Notification {
            topic: "news".into(),
            id: 42,
            timestamp_us: 1_700_000_000_000_000,
            content_type: Some("text/plain; a=\"b\"".into()),
            payload: Cow::Borrowed(payload),
        };
        let bytes = encode(&notification);
        let back = decode(&bytes).unwrap();
        assert_eq!((&*back.topic, back.id, back.timestamp_us), ("news", 42, 1_700_000_000_000_000));
        assert_eq!(back.payload.get(), payload.get(), "the payload is carried verbatim");
        assert_eq!(back.content_type.as_deref(), Some("text/plain; a=\"b\""));
    }
}
