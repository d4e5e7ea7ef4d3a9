//! What all WebSockets of a load have in common: how large a message may be, how long a farewell takes, and the mask.

use std::time::Duration;

use feed::framings::websocket::{self, Opcode};
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
