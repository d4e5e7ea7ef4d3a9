//! Where a Socket.IO client goes, and what it says first.

use std::fmt::Write;

use feed::framings::engine_io::REVISION;
use feed::framings::socket_io::{self, Kind, MAIN, Packet};
use feed::{Cursor, Transport, subscribe_path};
use serde_json::json;

use super::super::Site;

/// Number under which the subscription wants to be acknowledged.
pub(super) const SUBSCRIPTION: u64 = 0;

/// What one attempt to connect needs to know.
#[derive(Debug)]
pub(super) struct Rendezvous {
    host: String,
    /// Path of the server, without a query.
    path: String,
    pub(super) namespace: String,
    /// What the namespace wants to know before it lets anybody in: JSON, or nothing.
    auth: String,
    /// The argument of `subscribe`: JSON.
    subscription: String,
}

impl Rendezvous {
    /// Where `client` goes, to continue after `resume` if there is one.
    pub(super) fn new(site: &Site, client: u32, resume: Option<Cursor>) -> Self {
        let topic = &site.plan.topics[usize::from(site.plan.topic_of(client))];
        let mut subscription = json!({ "topic": topic.as_str() });
        if let Some(cursor) = resume {
            subscription["after"] = cursor.to_string().into();
        }
        Self {
            host: site.host.clone(),
            path: format!("{}{}", site.prefix, subscribe_path(topic, Transport::SocketIo)),
            namespace: MAIN.to_owned(),
            auth: String::new(),
            subscription: subscription.to_string(),
        }
    }

    /// The packet that asks the namespace to let this client in.
    pub(super) fn join(&self) -> Vec<u8> {
        socket_io::write(&Packet::new(Kind::Connect, &self.namespace, self.auth.as_bytes()))
    }

    /// What this client says once it is in.
    pub(super) fn first_packets(&self) -> Vec<Vec<u8>> {
        let data = socket_io::write_event("subscribe", self.subscription.as_bytes());
        let subscribe = Packet { id: Some(SUBSCRIPTION), ..Packet::new(Kind::Event, &self.namespace, &data) };
        vec![socket_io::write(&subscribe)]
    }

    /// True when what it says first is acknowledged by the server.
    pub(super) fn wants_acknowledgement(&self) -> bool {
        true
    }

    /// The first line of a request and its `Host`, for `method` and Engine.IO's `transport`; `sid` once there is a session.
    pub(super) fn request(&self, method: &str, transport: &str, sid: Option<&str>) -> String {
        let mut target = format!("{}?EIO={REVISION}&transport={transport}", self.path);
        if let Some(sid) = sid {
            let _ = write!(target, "&sid={sid}");
        }
        format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.host)
    }
}
