//! What is published and delivered.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// One notification of a topic, as every transport carries it.
#[derive(Debug, Clone)]
pub struct Notification<'a> {
    /// Its topic.
    pub topic: Cow<'a, str>,
    /// Its offset in the topic's log, contiguous from 1.
    pub id: u64,
    /// When the broker numbered it, microseconds since the Unix epoch, by the server's clock.
    pub timestamp_us: u64,
    /// Media type of a payload that was not published as JSON; its payload is then a JSON string (base64 unless text).
    pub content_type: Option<Cow<'a, str>>,
    /// The published value, as it was written.
    pub payload: Cow<'a, RawValue>,
}

/// A payload that is ready to be put into a notification: JSON text, and the media type that it came from if it was none.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The JSON text.
    pub json: Box<RawValue>,
    /// Media type of what was published, unless that was JSON.
    pub content_type: Option<String>,
}

impl Payload {
    /// Takes JSON text as it is.
    pub fn from_json(text: &[u8]) -> Result<Self, serde_json::Error> {
        let json: &RawValue = serde_json::from_slice(text)?;
        Ok(Self { json: json.to_owned(), content_type: None })
    }

    /// Wraps anything else: UTF-8 text of a `text/*` type as a JSON string, all other bytes as base64 (RFC 4648, section 4).
    pub fn from_bytes(bytes: &[u8], content_type: &str) -> Self {
        use base64::Engine;
        let text = match std::str::from_utf8(bytes) {
            Ok(text) if content_type.starts_with("text/") => Cow::Borrowed(text),
            _ => Cow::Owned(base64::engine::general_purpose::STANDARD.encode(bytes)),
        };
        let json = serde_json::value::to_raw_value(&text).expect("a string is always JSON");
        Self { json, content_type: Some(content_type.to_owned()) }
    }
}
