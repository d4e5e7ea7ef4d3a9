//! How a publisher's socket came to its end: what the server said, and whether it ended in an orderly way.

use feed::framings::websocket::{ProtocolError, close};

/// The end of a publisher's socket.
#[derive(Debug)]
pub(super) struct SocketEnd {
    /// What is counted and quoted, where the server gave a reason or broke a rule.
    pub told: Option<Told>,
    /// True of an end that says nothing against connecting at once: a close frame with 1000, 1001, 1012 or no code (RFC 6455, section 7.4.1),
    /// the end of a Socket.IO session, or the end of the connection without a word.
    pub is_orderly: bool,
}

/// What a server said at the end, or did wrong.
#[derive(Debug)]
pub(super) struct Told {
    /// The kind under which it is counted.
    pub kind: String,
    /// What the server said, if it said anything.
    pub words: String,
}

impl SocketEnd {
    /// The server broke a rule.
    pub(super) fn broken(rule: &ProtocolError) -> Self {
        Self { told: Some(Told { kind: format!("protocol: {rule}"), words: String::new() }), is_orderly: false }
    }

    /// The server closed the socket; to close it with 1000 or no code is nothing that went wrong.
    pub(super) fn closed(code: Option<u16>, reason: &str) -> Self {
        let is_orderly = matches!(code, None | Some(close::NORMAL | close::GOING_AWAY | close::RESTART));
        let told = code
            .filter(|code| *code != close::NORMAL)
            .map(|code| Told { kind: format!("ended-{code}"), words: reason.to_owned() });
        Self { told, is_orderly }
    }

    /// The server ended the session, or the connection, without a code.
    pub(super) fn silent() -> Self {
        Self { told: None, is_orderly: true }
    }

    /// The connection failed: it was reset, say.
    pub(super) fn failed() -> Self {
        Self { told: None, is_orderly: false }
    }
}
