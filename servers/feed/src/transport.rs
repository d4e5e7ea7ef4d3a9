//! The transports and their one spelling.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A way of carrying notifications from the server to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Ask every so often, get an answer at once.
    ShortPoll,
    /// Ask, and be answered when there is something to say.
    LongPoll,
    /// Server-Sent Events: one answer that never ends (WHATWG HTML, section 9.2).
    Sse,
    /// WebSocket (RFC 6455).
    Ws,
    /// Socket.IO 5 over Engine.IO 4: events over polling or WebSocket, of a server of ours or of anybody's.
    #[serde(rename = "socketio")]
    SocketIo,
}

impl Transport {
    /// All of them, in the order in which they are listed everywhere.
    pub const ALL: [Self; 5] = [Self::ShortPoll, Self::LongPoll, Self::Sse, Self::Ws, Self::SocketIo];

    /// The feed's own four, each with a path of its own below every topic: what is compared, checked and tested unless others
    /// are named.
    pub const OWN: [Self; 4] = [Self::ShortPoll, Self::LongPoll, Self::Sse, Self::Ws];

    /// Its name in paths, flags, results and prose.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShortPoll => "short-poll",
            Self::LongPoll => "long-poll",
            Self::Sse => "sse",
            Self::Ws => "ws",
            Self::SocketIo => "socketio",
        }
    }

    /// True when every batch of notifications costs a request of the client.
    pub const fn is_poll(self) -> bool {
        matches!(self, Self::ShortPoll | Self::LongPoll)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A transport name that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown transport `{0}`: expected short-poll, long-poll, sse, ws or socketio")]
pub struct UnknownTransport(String);

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|t| t.name() == name).ok_or_else(|| UnknownTransport(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transport_is_found_by_its_own_name() {
        for transport in Transport::ALL {
            assert_eq!(transport.name().parse(), Ok(transport));
            assert_eq!(serde_json::to_value(transport).unwrap(), transport.name());
        }
        assert_eq!(
            "tcp".parse::<Transport>().unwrap_err().to_string(),
            "unknown transport `tcp`: expected short-poll, long-poll, sse, ws or socketio"
        );
    }
}
