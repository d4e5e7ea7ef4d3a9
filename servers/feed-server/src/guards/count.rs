//! The guards by name, and how many requests and connections each has refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What refused. A response that says so carries it as an extension, by which it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A page of a site that is not allowed.
    Origin,
    /// No token, or none that is good.
    Token,
    /// A good token that does not allow this.
    Grant,
    /// Too many requests in a short time from one address.
    RequestsPerSecond,
    /// Too many connections from one address.
    ConnectionsPerAddress,
    /// Too many connections.
    ConnectionsMax,
    /// Too many polling sessions of Socket.IO.
    SocketIoSessionsMax,
    /// Too many topics.
    TopicsMax,
    /// Too large a body.
    BodyMax,
    /// Too large a head.
    HeadMax,
}

impl Guard {
    pub(crate) const ALL: [Self; 10] = [
        Self::Origin,
        Self::Token,
        Self::Grant,
        Self::RequestsPerSecond,
        Self::ConnectionsPerAddress,
        Self::ConnectionsMax,
        Self::SocketIoSessionsMax,
        Self::TopicsMax,
        Self::BodyMax,
        Self::HeadMax,
    ];

    /// As `/stats` and `/metrics` call it; a bound is called as its flag.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Token => "token",
            Self::Grant => "grant",
            Self::RequestsPerSecond => "requests-per-second",
            Self::ConnectionsPerAddress => "connections-per-address",
            Self::ConnectionsMax => "connections-max",
            Self::SocketIoSessionsMax => "socketio-sessions-max",
            Self::TopicsMax => "topics-max",
            Self::BodyMax => "body-max",
            Self::HeadMax => "head-max",
        }
    }
}

/// What each guard has refused since the server started. Refusals are rare, so that all connections count on the same.
#[derive(Debug, Default)]
pub(crate) struct Refusals([AtomicU64; Guard::ALL.len()]);

impl Refusals {
    /// One more.
    pub(crate) fn add(&self, guard: Guard) {
        self.0[guard as usize].fetch_add(1, Relaxed);
    }

    /// All of them by name, those of none included.
    pub(crate) fn by_name(&self) -> BTreeMap<String, u64> {
        let count = |guard: Guard| self.0[guard as usize].load(Relaxed);
        Guard::ALL.into_iter().map(|guard| (guard.name().to_owned(), count(guard))).collect()
    }
}
