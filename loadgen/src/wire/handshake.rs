//! A client's side of the WebSocket handshake (RFC 6455, section 4.1).

use std::fmt::Write;

use base64::Engine;
use feed::framings::websocket;
use rand::RngExt;

use super::http::Head;

/// One handshake, with the key that its answer must prove to have seen.
#[derive(Debug)]
pub struct Handshake {
    key: String,
}

impl Default for Handshake {
    fn default() -> Self {
        Self::new()
    }
}

impl Handshake {
    /// A handshake with a key of its own.
    pub fn new() -> Self {
        let nonce: [u8; 16] = rand::rng().random();
        Self { key: base64::engine::general_purpose::STANDARD.encode(nonce) }
    }

    /// The fields that it adds to a GET request, each with its CRLF. Whether the server chooses the `subprotocol` that it
    /// offers is not held against it.
    pub fn fields(&self, subprotocol: Option<&str>) -> String {
        let mut fields = format!(
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n",
            self.key
        );
        if let Some(subprotocol) = subprotocol {
            // Writing into a string cannot fail.
            let _ = write!(fields, "Sec-WebSocket-Protocol: {subprotocol}\r\n");
        }
        fields
    }

    /// True when the server's answer is one to this handshake.
    pub fn is_accepted(&self, head: &Head) -> bool {
        head.status == 101 && head.websocket_accept.as_deref() == Some(&websocket::accept_key(self.key.as_bytes()))
    }
}
