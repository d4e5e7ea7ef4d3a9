//! What a client asks for in an event, and what it is answered.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use feed::{After, Epoch, Payload, TopicName};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use socketioxide::adapter::Adapter;
use socketioxide::handler::{FromMessageParts, Value};
use socketioxide::socket::Socket;

/// An event as it came: its name and arguments are read later, in the order of the events.
pub(super) struct Said {
    value: Value,
    /// True when the client waits for an acknowledgement.
    pub(super) wants_answer: bool,
}

impl<A: Adapter> FromMessageParts<A> for Said {
    type Error = Infallible;

    fn from_message_parts(_: &Arc<Socket<A>>, value: &mut Value, ack: &Option<i64>) -> Result<Self, Infallible> {
        Ok(Self { value: value.clone(), wants_answer: ack.is_some() })
    }
}

/// An event that makes sense.
pub(super) enum Request {
    Subscribe { topic: TopicName, after: After },
    Publish { topic: TopicName, payload: Payload },
}

/// The answer to `subscribe`: where reading begins.
#[derive(Debug, Serialize)]
pub(super) struct Subscribed {
    pub(super) epoch: Epoch,
    pub(super) offset: u64,
    pub(super) recovered: bool,
}

/// The answer to `publish`: the cursor of the notification.
#[derive(Debug, Serialize)]
pub(super) struct Published {
    pub(super) id: u64,
    pub(super) epoch: Epoch,
}

/// The answer to what cannot be done.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    pub(super) error: String,
}

impl<E: std::error::Error> From<E> for Refused {
    fn from(error: E) -> Self {
        Self { error: error.to_string() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscribe<'a> {
    topic: &'a str,
    after: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish<'a> {
    topic: &'a str,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// Stands for the `num`th binary attachment (Socket.IO protocol, packet encoding).
#[derive(Deserialize)]
struct Placeholder {
    #[serde(rename = "_placeholder")]
    is: bool,
    num: usize,
}

impl Said {
    /// True when it asks for publishing, whether or not that makes sense.
    pub(super) fn is_publish(&self) -> bool {
        self.text().starts_with(r#"["publish""#)
    }

    fn text(&self) -> &str {
        match &self.value {
            Value::Str(text, _) => text.as_str(),
            Value::Bytes(_) => "",
        }
    }

    fn attachment(&self, num: usize) -> Option<&Bytes> {
        match &self.value {
            Value::Str(_, Some(attachments)) => attachments.get(num),
            _ => None,
        }
    }

    /// Reads the event's name and its first argument; a payload may have `payload_max` bytes.
    pub(super) fn read(&self, payload_max: usize) -> Result<Request, Refused> {
        let parts: Vec<&RawValue> = serde_json::from_str(self.text())?;
        let name: &str = parts.first().map_or(Ok(""), |name| serde_json::from_str(name.get()))?;
        let argument = parts.get(1).map_or("null", |argument| argument.get());
        let bad =
            |shape: &str, error: serde_json::Error| Refused { error: format!("bad {name}: {error}; expected {shape}") };
        match name {
            "subscribe" => {
                let asked: Subscribe<'_> = serde_json::from_str(argument)
                    .map_err(|error| bad(r#"{"topic":"news"}, and "after":"k3f9:41" to continue"#, error))?;
                let after = asked.after.map(|after| {
                    after
                        .parse()
                        .map_err(|error: feed::CursorError| Refused { error: format!("{error}, or `earliest`") })
                });
                Ok(Request::Subscribe { topic: asked.topic.parse()?, after: after.transpose()?.unwrap_or_default() })
            }
            "publish" => {
                let asked: Publish<'_> =
                    serde_json::from_str(argument).map_err(|error| bad(r#"{"topic":"news","payload":...}"#, error))?;
                Ok(Request::Publish { topic: asked.topic.parse()?, payload: self.payload(asked.payload, payload_max)? })
            }
            name => Err(Refused { error: format!("unknown event `{name}`: expected subscribe or publish") }),
        }
    }

    /// The payload as it was written; a binary one as bytes of no special kind. It may have `max` bytes of JSON.
    fn payload(&self, written: &RawValue, max: usize) -> Result<Payload, Refused> {
        let placeholder = serde_json::from_str::<Placeholder>(written.get()).ok().filter(|placeholder| placeholder.is);
        let attachment = placeholder.and_then(|placeholder| self.attachment(placeholder.num));
        // Of bytes, what base64 in quotes will have: known before it is made.
        let len = attachment.map_or(written.get().len(), |bytes| bytes.len().div_ceil(3) * 4 + 2);
        if len > max {
            let error = format!("a payload of {len} bytes, more than {max}: publish less, or raise --body-max");
            return Err(Refused { error });
        }
        Ok(match attachment {
            Some(bytes) => Payload::from_bytes(bytes, "application/octet-stream"),
            None => Payload { json: written.to_owned(), content_type: None },
        })
    }
}
