//! What all WebSockets of a load have in common: how large a message may be, how long a farewell takes, the mask, and the manners.

use std::time::Duration;

use feed::framings::websocket::{self, Message, Opcode, ProtocolError, Reader};
use rand::RngExt;

pub use crate::read_limits::MAX_MESSAGE;

/// Longest wait for the server to end the connection after we have sent a close frame; then we end it.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// A client's frame. The mask protects proxies from chosen bytes (RFC 6455, section 10.3), so it is drawn anew each time.
pub fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    websocket::write_masked(opcode, payload, rand::rng().random())
}

/// What a server said in its close frame (RFC 6455, section 5.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// The close code.
    pub code: u16,
    /// Its reason, at most 123 bytes; often empty.
    pub reason: String,
}

impl Farewell {
    /// What a close frame with this code and reason says; `None` where it gives no code.
    pub fn new(code: Option<u16>, reason: &str) -> Option<Self> {
        code.map(|code| Self { code, reason: reason.to_owned() })
    }
}

impl std::fmt::Display for Farewell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.reason.as_str() {
            "" => write!(f, "close code {}", self.code),
            reason => write!(f, "close code {}, `{reason}`", self.code),
        }
    }
}

/// Why nothing more comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goodbye {
    /// The server said so, with a close code if it gave one.
    Said(Option<Farewell>),
    /// The server broke a rule.
    Fault(ProtocolError),
}

/// Hands the messages that end in `bytes` to `enter`, and appends to `replies` what a client has to answer: a pong to a ping,
/// a close to a close, and a close with the code of the rule that was broken (RFC 6455, sections 5.5 and 7.1.7).
pub fn hear(
    reader: &mut Reader,
    bytes: &[u8],
    replies: &mut Vec<u8>,
    mut enter: impl FnMut(Opcode, &[u8], &mut Vec<u8>),
) -> Result<(), Goodbye> {
    let mut said = Ok(());
    let heard = reader.read(bytes, |message| match message {
        Message::Text(text) => enter(Opcode::Text, text.as_bytes(), replies),
        Message::Binary(bytes) => enter(Opcode::Binary, bytes, replies),
        Message::Ping(payload) => replies.extend_from_slice(&frame(Opcode::Pong, payload)),
        Message::Pong(_) => {}
        Message::Close(code, reason) => {
            let payload = code.map(u16::to_be_bytes);
            replies.extend_from_slice(&frame(Opcode::Close, payload.as_ref().map_or(&[], |code| &code[..])));
            said = Err(Goodbye::Said(Farewell::new(code, reason)));
        }
    });
    match heard {
        Ok(()) => said,
        Err(fault) => {
            let goodbye = websocket::close_payload(fault.code, fault.reason);
            replies.extend_from_slice(&frame(Opcode::Close, &goodbye));
            Err(Goodbye::Fault(fault))
        }
    }
}

#[cfg(test)]
mod tests {
    use feed::framings::websocket::{Role, close, close_payload, write};

    use super::*;

    /// What a client enters of the server's `frames`, what it answers to them, and how it goes on.
    fn talk(frames: &[u8]) -> (Vec<Vec<u8>>, Vec<String>, Result<(), Goodbye>) {
        let (mut replies, mut entered) = (Vec::new(), Vec::new());
        let mut reader = Reader::new(Role::Client, 1024);
        let heard = hear(&mut reader, frames, &mut replies, |_, message, _| entered.push(message.to_vec()));
        let mut said = Vec::new();
        // Masked as a client must: the server's reader takes nothing else.
        Reader::new(Role::Server, 1024).read(&replies, |message| said.push(format!("{message:?}"))).unwrap();
        (entered, said, heard)
    }

    #[test]
    fn pings_are_answered_with_their_payload_and_messages_are_entered() {
        let frames = [write(Opcode::Ping, b"x"), write(Opcode::Text, b"hello"), write(Opcode::Pong, b"unasked")];
        let (entered, said, heard) = talk(&frames.concat());
        assert_eq!((entered, said, heard), (vec![b"hello".to_vec()], vec!["Pong([120])".to_owned()], Ok(())));
    }

    #[test]
    fn a_close_is_answered_with_its_code_and_nothing_is_heard_after_it() {
        for (payload, said, answer) in [
            (close_payload(close::RESTART, "back soon"), Some((1012, "back soon")), "Close(Some(1012), \"\")"),
            (close_payload(close::RESTART, ""), Some((1012, "")), "Close(Some(1012), \"\")"),
            (Vec::new(), None, "Close(None, \"\")"),
        ] {
            let frames = [write(Opcode::Close, &payload), write(Opcode::Ping, b"")].concat();
            let said = said.and_then(|(code, reason)| Farewell::new(Some(code), reason));
            assert_eq!(talk(&frames), (Vec::new(), vec![answer.to_owned()], Err(Goodbye::Said(said))));
        }
    }

    #[test]
    fn a_server_that_breaks_a_rule_is_told_which_after_what_it_said_before_was_entered() {
        let cases: [(&[u8], u16); 6] = [
            (b"\xc1\x00", close::PROTOCOL_ERROR),
            (b"\x83\x00", close::PROTOCOL_ERROR),
            (b"\x80\x00", close::PROTOCOL_ERROR),
            (b"\x88\x02\x03\xed", close::PROTOCOL_ERROR),
            (b"\x81\x7e\x02\x00\xf4\x90", close::INVALID_DATA),
            (b"\x82\x7f\x80\0\0\0\0\0\0\0", close::TOO_BIG),
        ];
        for (rest, code) in cases {
            let (entered, said, heard) = talk(&[&write(Opcode::Text, b"before"), rest].concat());
            assert_eq!(entered, [b"before"], "{rest:x?}");
            let Err(Goodbye::Fault(fault)) = heard else { panic!("{rest:x?}: {heard:?}") };
            assert_eq!(fault.code, code);
            assert_eq!(said, [format!("Close(Some({code}), {:?})", fault.reason)], "{rest:x?}");
        }
    }
}
