//! What all WebSockets of a load have in common: how large a message may be, how long a farewell takes, the mask, and the manners.

use std::time::Duration;

use feed::framings::websocket::{self, Message, Opcode, ProtocolError, Reader};
use rand::RngExt;

/// Largest message that is accepted, bytes: no notification comes near it, and a server that sends more is cut off as one
/// that does not speak the protocol.
pub const MAX_MESSAGE: usize = 16 << 20;
/// Longest wait for the server to end the connection after we have sent a close frame; then we end it.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// A client's frame. The mask protects proxies from chosen bytes (RFC 6455, section 10.3), so it is drawn anew each time.
pub fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    websocket::write_masked(opcode, payload, rand::rng().random())
}

/// Why nothing more comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goodbye {
    /// The server said so, with a close code if it gave one.
    Said(Option<u16>),
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
        Message::Close(code, _) => {
            let payload = code.map(u16::to_be_bytes);
            replies.extend_from_slice(&frame(Opcode::Close, payload.as_ref().map_or(&[], |code| &code[..])));
            said = Err(Goodbye::Said(code));
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
