//! Where a Socket.IO client goes, and what it says first.

use feed::framings::socket_io::{self, Kind, Packet};
use serde_json::json;

use super::super::{Resume, Site};
use crate::target::{SessionUrl, auth_data, event_data};

/// Number under which a subscription to the feed wants to be acknowledged.
pub(super) const SUBSCRIPTION: u64 = 0;

/// What one attempt to connect needs to know.
#[derive(Debug)]
pub(super) struct Rendezvous {
    /// `Host`, and credentials of the base URL, as lines.
    fields: String,
    url: SessionUrl,
    pub(super) namespace: String,
    /// What the namespace wants to know before it lets anybody in: JSON, or nothing.
    auth: Vec<u8>,
    first: First,
}

/// What a client says once it is let in: the data of events.
#[derive(Debug)]
enum First {
    /// The feed's own subscription, which is acknowledged.
    Subscribe(Vec<u8>),
    /// What the target file says; nobody answers for it.
    Events(Vec<Vec<u8>>),
}

impl Rendezvous {
    /// Where `client` goes, to continue from `resume` where that is the feed.
    pub(super) fn new(site: &Site, client: u32, resume: &Resume) -> Self {
        let values = site.values(client);
        let subscription = site.socketio();
        let first = if site.is_feed {
            let mut wanted = json!({ "topic": values.topic });
            if let Some(cursor) = resume.cursor {
                wanted["after"] = cursor.to_string().into();
            }
            First::Subscribe(socket_io::write_event("subscribe", wanted.to_string().as_bytes()))
        } else {
            First::Events(subscription.first.iter().map(|event| event_data(event, &values)).collect())
        };
        Self {
            fields: format!("Host: {}\r\n{}", site.host, site.authorization),
            url: SessionUrl::new(&site.prefix, &subscription.path, &values),
            namespace: subscription.namespace.clone(),
            auth: auth_data(&subscription.auth, &values),
            first,
        }
    }

    /// The packet that asks the namespace to let this client in.
    pub(super) fn join(&self) -> Vec<u8> {
        socket_io::write(&Packet::new(Kind::Connect, &self.namespace, &self.auth))
    }

    /// What this client says once it is in.
    pub(super) fn first_packets(&self) -> Vec<Vec<u8>> {
        let event = |data, id| socket_io::write(&Packet { id, ..Packet::new(Kind::Event, &self.namespace, data) });
        match &self.first {
            First::Subscribe(data) => vec![event(data, Some(SUBSCRIPTION))],
            First::Events(all) => all.iter().map(|data| event(data, None)).collect(),
        }
    }

    /// True when what it says first is acknowledged by the server.
    pub(super) fn wants_acknowledgement(&self) -> bool {
        matches!(self.first, First::Subscribe(_))
    }

    /// The first line of a request, its `Host` and credentials, for `method` and Engine.IO's `transport`; `sid` once there is a session.
    pub(super) fn request(&self, method: &str, transport: &str, sid: Option<&str>) -> String {
        format!("{method} {} HTTP/1.1\r\n{}", self.url.over(transport, sid), self.fields)
    }
}
