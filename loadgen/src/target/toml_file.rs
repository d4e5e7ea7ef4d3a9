//! A target file as it is written: TOML, key by key, before its templates are read.

use std::fmt;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{self, MapAccess, Visitor};

use super::{Condition, Live};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub name: String,
    #[serde(default)]
    pub about: String,
    pub server: Option<Server>,
    pub publish: toml::Table,
    pub transports: Transports,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub start: Vec<String>,
    pub setup: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpPublishing {
    pub method: Option<String>,
    pub path: String,
    #[serde(default)]
    pub headers: Fields,
    pub body: Option<String>,
    pub accepted: Option<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WsPublishing {
    pub path: String,
    #[serde(default)]
    pub headers: Fields,
    pub subprotocol: Option<String>,
    #[serde(default)]
    pub first: Vec<String>,
    pub message: Option<String>,
    pub accepted: Option<Condition>,
    pub refused: Option<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SocketIoPublishing {
    pub path: Option<String>,
    pub namespace: Option<String>,
    #[serde(default)]
    pub auth: Fields,
    #[serde(default)]
    pub first: Vec<Vec<String>>,
    pub event: Vec<String>,
    #[serde(default)]
    pub ack: bool,
    pub accepted: Option<Condition>,
    pub refused: Option<Condition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Transports {
    pub short_poll: Option<Requests>,
    pub long_poll: Option<Requests>,
    pub sse: Option<Requests>,
    pub ws: Option<Socket>,
    pub socketio: Option<SocketIo>,
}

/// Polls, or a stream of events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Requests {
    pub path: String,
    #[serde(default)]
    pub query: Fields,
    #[serde(default)]
    pub headers: Fields,
    pub live: Option<LiveWhen>,
    pub refused: Option<Condition>,
    #[serde(default)]
    pub remember: Fields,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Socket {
    pub path: String,
    #[serde(default)]
    pub query: Fields,
    #[serde(default)]
    pub headers: Fields,
    pub subprotocol: Option<String>,
    #[serde(default)]
    pub first: Vec<String>,
    pub live: Option<LiveWhen>,
    pub refused: Option<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SocketIo {
    pub path: Option<String>,
    pub namespace: Option<String>,
    #[serde(default)]
    pub auth: Fields,
    #[serde(default)]
    pub first: Vec<Vec<String>>,
    pub live: Option<LiveWhen>,
    pub refused: Option<Condition>,
}

/// When a client is live: at a point of every conversation, or when a message says so.
#[derive(Debug)]
pub(super) enum LiveWhen {
    Plain(Live),
    Says(Condition),
}

impl<'de> Deserialize<'de> for LiveWhen {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = LiveWhen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"request\", \"head\", \"message\" or { message = \"json /success = true\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<LiveWhen, E> {
                Live::deserialize(StrDeserializer::new(text)).map(LiveWhen::Plain)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LiveWhen, A::Error> {
                let mut condition = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key != "message" {
                        return Err(de::Error::unknown_field(&key, &["message"]));
                    }
                    condition = Some(map.next_value()?);
                }
                condition.map(LiveWhen::Says).ok_or_else(|| de::Error::missing_field("message"))
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

/// A table of texts, in the order in which it is written.
#[derive(Debug, Default)]
pub(super) struct Fields(pub Vec<(String, String)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of texts, for example { name = \"value\" }")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
