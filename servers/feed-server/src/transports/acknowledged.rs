//! What a WebSocket client publishes, and the `ack` that it gets: success and the number of the notification, or an error.

use std::borrow::Cow;

use feed::{Cursor, Epoch, Payload};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::app::App;
use crate::guards::topics::Topic;
use crate::keys::Key;
use crate::publish;

/// A message of a client, as far as it is looked at.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(rename = "messageId")]
    message_id: Option<String>,
}

/// What a client wants to publish, or why that makes no sense.
#[derive(Debug)]
pub(super) struct Wish {
    message_id: Option<String>,
    asked: Result<(Key, Payload), String>,
}

/// The answer to a wish.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "ack")]
struct Ack {
    #[serde(rename = "messageId")]
    message_id: Option<String>,
    success: bool,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outcome {
    /// The cursor of the notification; `repeated` when it had been published before.
    Published {
        id: u64,
        epoch: Epoch,
        repeated: bool,
    },
    Refused {
        error: String,
    },
}

/// What `said` wants to publish, with a payload of at most `max` bytes; `None` when it is about something else.
pub(super) fn read(said: &str, max: usize) -> Option<Wish> {
    let Envelope { kind, payload, message_id } = serde_json::from_str(said).ok()?;
    if kind != "publish" {
        return None;
    }
    let key = message_id.as_deref().unwrap_or_default().parse();
    let asked = match (key, payload) {
        (Err(error), _) => Err(format!("bad messageId: {error}")),
        (_, None) => Err(r#"no payload: expected {"type":"publish","messageId":"...","payload":...}"#.to_owned()),
        (_, Some(payload)) if payload.get().len() > max => {
            let len = payload.get().len();
            Err(format!("a payload of {len} bytes, more than {max}: publish less, or raise --body-max"))
        }
        (Ok(key), Some(payload)) => Ok((key, Payload { json: payload.to_owned(), content_type: None })),
    };
    Some(Wish { message_id, asked })
}

/// Publishes what is wished for, once for each `messageId`, and writes the `ack`.
pub(super) async fn fulfil(app: &App, topic: &Topic, wish: Wish) -> Vec<u8> {
    let asked = wish.asked.and_then(|asked| Ok((topic.to_publish_on(app).map_err(|no| no.into_counted(app))?, asked)));
    let outcome = match asked {
        Ok((topic, (key, payload))) => {
            publish::once(app, topic, &payload, Some(&key)).await.map_err(|failure| failure.to_string())
        }
        Err(error) => {
            publish::refuse(app);
            Err(error)
        }
    };
    let outcome = match outcome {
        Ok(published) => {
            let Cursor { epoch, offset: id } = published.cursor;
            Outcome::Published { id, epoch, repeated: published.is_repeated }
        }
        Err(error) => Outcome::Refused { error },
    };
    let success = matches!(outcome, Outcome::Published { .. });
    let ack = Ack { message_id: wish.message_id, success, outcome };
    serde_json::to_vec(&ack).expect("it has only strings, numbers and booleans")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_publication_is_left_to_others() {
        for other in ["", "hello", "[1]", r#"{"type":"ping"}"#, r#"{"messageId":"1","payload":1}"#] {
            assert!(read(other, 100).is_none(), "{other}");
        }
    }

    #[test]
    fn what_cannot_be_published_is_said_with_its_id() {
        for (said, id, error) in [
            (r#"{"type":"publish","payload":1}"#, None, "bad messageId: expected 1 to 128 visible"),
            (r#"{"type":"publish","payload":1,"messageId":"a b"}"#, Some("a b"), "bad messageId"),
            (r#"{"type":"publish","messageId":"1"}"#, Some("1"), "no payload"),
            (r#"{"type":"publish","messageId":"1","payload":"12345"}"#, Some("1"), "a payload of 7 bytes, more than 5"),
        ] {
            let wish = read(said, 5).unwrap();
            assert_eq!(wish.message_id.as_deref(), id);
            assert!(wish.asked.unwrap_err().starts_with(error), "{said}");
        }
    }
}
