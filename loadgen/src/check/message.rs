//! What a server says: notifications, first messages, gaps and batches, read without the generator's own readers.

use std::collections::BTreeMap;

use feed::{Cursor, Epoch, TopicName};
use serde_json::value::RawValue;

use super::step::{Held, departs, ensure, quoted};

/// Timestamps between 2020 and 2100, in microseconds: neither milliseconds nor nanoseconds fall in between.
const PLAUSIBLE_US: std::ops::Range<u64> = 1_577_836_800_000_000..4_102_444_800_000_000;

/// A JSON object whose values stay as they were written.
#[derive(Debug)]
pub(super) struct Object {
    what: String,
    text: Vec<u8>,
    fields: BTreeMap<String, Box<RawValue>>,
}

impl Object {
    /// Reads `text`, which people would call `what`.
    pub(super) fn read(what: impl Into<String>, text: &[u8]) -> Held<Self> {
        let what = what.into();
        match serde_json::from_slice(text) {
            Ok(fields) => Ok(Self { what, text: text.to_owned(), fields }),
            Err(_) => Err(departs(format!("a JSON object as {what}"), quoted(text))),
        }
    }

    /// True when the field is there and not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| value.get() != "null")
    }

    /// A field as it was written.
    pub(super) fn raw(&self, name: &str) -> Held<&str> {
        self.field(name, "a value")
    }

    fn field(&self, name: &str, kind: &str) -> Held<&str> {
        self.fields.get(name).map(|value| value.get()).ok_or_else(|| self.lacks(name, kind))
    }

    /// A field that is a string.
    pub(super) fn string(&self, name: &str) -> Held<String> {
        serde_json::from_str(self.field(name, "a string")?).map_err(|_| self.lacks(name, "a string"))
    }

    /// A field that is a whole number.
    pub(super) fn number(&self, name: &str) -> Held<u64> {
        serde_json::from_str(self.field(name, "a whole number")?).map_err(|_| self.lacks(name, "a whole number"))
    }

    /// A field that is true or false.
    pub(super) fn flag(&self, name: &str) -> Held<bool> {
        serde_json::from_str(self.field(name, "true or false")?).map_err(|_| self.lacks(name, "true or false"))
    }

    /// A field that is a list.
    pub(super) fn list(&self, name: &str) -> Held<Vec<Box<RawValue>>> {
        serde_json::from_str(self.field(name, "a list")?).map_err(|_| self.lacks(name, "a list"))
    }

    /// A field that is an epoch.
    pub(super) fn epoch(&self, name: &str) -> Held<Epoch> {
        let kind = "1 to 16 lowercase letters and digits";
        self.string(name)?.parse().map_err(|_| self.lacks(name, kind))
    }

    /// A field that is a cursor.
    pub(super) fn cursor(&self, name: &str) -> Held<Cursor> {
        self.string(name)?.parse().map_err(|_| self.lacks(name, "a cursor such as \"k3f9:42\""))
    }

    /// Holds if a field is this string.
    pub(super) fn ensure_is(&self, name: &str, value: &str) -> Held {
        let is = self.string(name).is_ok_and(|found| found == value);
        if is { Ok(()) } else { Err(self.lacks(name, &format!("\"{value}\""))) }
    }

    fn lacks(&self, name: &str, kind: &str) -> super::step::Objection {
        departs(format!("{kind} as `{name}` of {}", self.what), quoted(&self.text))
    }
}

/// A notification as a client got it.
#[derive(Debug)]
pub(super) struct Delivered {
    /// Its number.
    pub(super) id: u64,
    /// Its payload's JSON text.
    pub(super) payload: String,
    /// Media type of what was no JSON.
    pub(super) content_type: Option<String>,
}

impl Delivered {
    fn read(object: &Object, topic: &TopicName) -> Held<Self> {
        object.ensure_is("type", "notification")?;
        object.ensure_is("topic", topic.as_str())?;
        let timestamp = object.number("timestamp")?;
        ensure(
            PLAUSIBLE_US.contains(&timestamp),
            "a `timestamp` in microseconds since the Unix epoch",
            timestamp.to_string(),
        )?;
        let content_type = object.has("content_type").then(|| object.string("content_type")).transpose()?;
        Ok(Self { id: object.number("id")?, payload: object.raw("payload")?.to_owned(), content_type })
    }

    /// Holds if it has this number and payload.
    pub(super) fn ensure_is(&self, id: u64, payload: &str) -> Held {
        ensure(self.id == id, format!("the notification with id {id} next"), format!("id {}", self.id))?;
        ensure(
            self.payload == payload,
            format!("the payload {} of id {id} as it was published", quoted(payload.as_bytes())),
            quoted(self.payload.as_bytes()),
        )
    }
}

/// Where a subscription starts, as its first answer says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// The cursor that is handed out.
    pub(super) cursor: Cursor,
    /// False when something is lost.
    pub(super) recovered: bool,
    /// The oldest cursor that can be continued from, told when something is lost.
    pub(super) gap: Option<Cursor>,
}

/// A message of a stream.
#[derive(Debug)]
pub(super) enum Message {
    /// Where reading starts; the gap comes in a message of its own.
    Subscribed { cursor: Cursor, recovered: bool },
    /// Something is lost.
    Gap(Cursor),
    /// A notification.
    Notification(Delivered),
}

impl Message {
    /// Reads a message of a stream of `topic`; `None` when it is of a type that this contract does not name.
    pub(super) fn read(text: &[u8], topic: &TopicName) -> Held<Option<Self>> {
        let object = Object::read("a message of the stream", text)?;
        Ok(Some(match object.string("type")?.as_str() {
            "subscribed" => {
                object.ensure_is("topic", topic.as_str())?;
                let cursor = Cursor { epoch: object.epoch("epoch")?, offset: object.number("offset")? };
                Self::Subscribed { cursor, recovered: object.flag("recovered")? }
            }
            "gap" => {
                object.ensure_is("topic", topic.as_str())?;
                Self::Gap(object.cursor("oldest")?)
            }
            "notification" => Self::Notification(Delivered::read(&object, topic)?),
            _ => return Ok(None),
        }))
    }

    /// What it is, for people to read.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Subscribed { .. } => "a message of type subscribed".to_owned(),
            Self::Gap(_) => "a message of type gap".to_owned(),
            Self::Notification(delivered) => format!("the notification with id {}", delivered.id),
        }
    }
}

/// The answer to a poll.
#[derive(Debug)]
pub(super) struct Batch {
    /// Cursor and losses.
    pub(super) start: Start,
    /// True when asking again at once brings more.
    pub(super) more: bool,
    /// What it brings.
    pub(super) notifications: Vec<Delivered>,
}

impl Batch {
    /// Reads the answer to a poll of `topic`.
    pub(super) fn read(object: &Object, topic: &TopicName) -> Held<Self> {
        object.ensure_is("type", "batch")?;
        object.ensure_is("topic", topic.as_str())?;
        let cursor = Cursor { epoch: object.epoch("epoch")?, offset: object.number("offset")? };
        let recovered = object.flag("recovered")?;
        let gap = object.has("gap").then(|| object.cursor("gap")).transpose()?;
        let told = gap.map_or_else(|| "no gap".to_owned(), |gap| format!("the gap {gap}"));
        let seen = format!("recovered {recovered} and {told}");
        ensure(recovered == gap.is_none(), "`gap`, the oldest cursor, exactly when `recovered` is false", seen)?;
        let read = |raw: Box<RawValue>| {
            let object = Object::read("a notification of the batch", raw.get().as_bytes())?;
            Delivered::read(&object, topic)
        };
        let notifications: Vec<Delivered> = object.list("notifications")?.into_iter().map(read).collect::<Held<_>>()?;
        if let Some(last) = notifications.last() {
            ensure(
                last.id == cursor.offset,
                format!("`offset` {} in the answer to a poll, the id of its last notification", last.id),
                cursor.offset.to_string(),
            )?;
        }
        Ok(Self { start: Start { cursor, recovered, gap }, more: object.flag("more")?, notifications })
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::Objection;
    use super::*;

    fn topic() -> TopicName {
        "news".parse().unwrap()
    }

    fn batch(text: &str) -> Held<Batch> {
        Batch::read(&Object::read("the answer", text.as_bytes())?, &topic())
    }

    #[test]
    fn a_payload_keeps_its_spelling() {
        let text =
            r#"{"payload": {"n": 1.10},"timestamp":1795132800000000,"id":2,"topic":"news","type":"notification"}"#;
        let Ok(Some(Message::Notification(delivered))) = Message::read(text.as_bytes(), &topic()) else {
            panic!("a notification, its fields in another order");
        };
        assert_eq!(delivered.payload, r#"{"n": 1.10}"#);
    }

    #[test]
    fn a_batch_that_contradicts_itself_is_refused() {
        let notification = r#"{"type":"notification","topic":"news","id":2,"timestamp":1795132800000000,"payload":0}"#;
        let head = r#"{"type":"batch","topic":"news","epoch":"k3f9","more":false"#;
        let whole = format!(r#"{head},"offset":2,"recovered":true,"notifications":[{notification}]}}"#);
        assert_eq!(batch(&whole).unwrap().notifications.len(), 1);
        assert!(
            batch(&whole.replace(r#""offset":2"#, r#""offset":3"#)).is_err(),
            "a cursor past the last notification"
        );
        assert!(batch(&whole.replace("true", "false")).is_err(), "a loss without the oldest cursor");
    }

    #[test]
    fn a_timestamp_in_milliseconds_is_told_by_its_size() {
        let text = r#"{"type":"notification","topic":"news","id":2,"timestamp":1795132800000,"payload":0}"#;
        let Err(Objection::Departs { expected, .. }) = Message::read(text.as_bytes(), &topic()) else {
            panic!("milliseconds are a departure");
        };
        assert!(expected.contains("microseconds"), "{expected}");
    }
}
