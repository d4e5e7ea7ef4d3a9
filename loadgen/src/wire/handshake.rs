//! A client's side of the WebSocket handshake (RFC 6455, section 4.1).

use std::fmt::Write;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use feed::framings::websocket;
use rand::RngExt;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::http::{self, Head, HttpError, WrongStatus};

/// One handshake, with the key that its answer must prove to have seen.
#[derive(Debug)]
pub struct Handshake {
    key: String,
    /// The subprotocols that were offered.
    offered: OnceLock<String>,
}

/// What would have been right.
pub const SWITCHING: &str = "101 Switching Protocols";
/// Longest wait for what a refusal says behind its head.
const PATIENCE: Duration = Duration::from_millis(250);
/// Most of it that is read, bytes.
const MOST_SAID: usize = 4 * 1024;

/// The beginning of a body, of which `received` has come with its head.
async fn read_body(head: &Head, mut received: Vec<u8>, reader: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let (mut body, mut rest) = (Vec::new(), head.body.reader());
    let reading = async {
        while rest.read(&received, |piece| body.extend_from_slice(piece)).is_ok() && !rest.is_done() {
            received.clear();
            if body.len() >= MOST_SAID || !matches!(reader.read_buf(&mut received).await, Ok(1..)) {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, reading).await;
    body
}

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection failed, or the peer does not speak HTTP/1.1.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The connection was closed where the answer should have been.
    #[error("the server closed the connection instead of answering the WebSocket handshake")]
    Closed,
    /// The server does not want one.
    #[error("the WebSocket handshake was refused: {0}")]
    Refused(WrongStatus),
    /// The server did not see our key.
    #[error("the server answered the WebSocket handshake without the `Sec-WebSocket-Accept` that our key asks for")]
    WrongKey,
    /// The server chose what was not offered.
    #[error("{0}")]
    NotOffered(#[from] NotOffered),
}

/// What the server chose though it was not offered, so that the client must fail the connection (RFC 6455, section 4.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server answered the WebSocket handshake with {what} that was not offered, `{chosen}` (RFC 6455 4.1)")]
pub struct NotOffered {
    /// An extension, or a subprotocol.
    pub what: &'static str,
    /// What it chose.
    pub chosen: String,
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
        Self { key: base64::engine::general_purpose::STANDARD.encode(nonce), offered: OnceLock::new() }
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
            self.offered.get_or_init(|| subprotocol.to_owned());
        }
        fields
    }

    /// True when the server's answer is one to this handshake.
    pub fn is_accepted(&self, head: &Head) -> bool {
        head.status == 101 && head.websocket_accept.as_deref() == Some(&websocket::accept_key(self.key.as_bytes()))
    }

    /// Fails where the server chose an extension, of which none is offered, or a subprotocol that is none of those offered (RFC 6455, section 4.1).
    pub fn ensure_offered(&self, head: &Head) -> Result<(), NotOffered> {
        let offered = self.offered.get().map_or("", String::as_str);
        let is_offered = |chosen: &str| offered.split(',').any(|name| name.trim() == chosen);
        let not_offered = |what, chosen: &str| Err(NotOffered { what, chosen: chosen.to_owned() });
        match (&head.websocket_extensions, &head.websocket_protocol) {
            (Some(chosen), _) => not_offered("an extension", chosen),
            (None, Some(chosen)) if !is_offered(chosen) => not_offered("a subprotocol", chosen),
            (None, _) => Ok(()),
        }
    }

    /// Reads the server's answer, which must accept; returns what came behind it.
    pub async fn await_answer(&self, reader: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, HandshakeError> {
        let mut received = Vec::new();
        loop {
            if let Some((len, head)) = http::read_head(&received)? {
                return match head.status {
                    101 if self.is_accepted(&head) => {
                        self.ensure_offered(&head)?;
                        Ok(received.split_off(len))
                    }
                    101 => Err(HandshakeError::WrongKey),
                    _ => {
                        let body = read_body(&head, received.split_off(len), reader).await;
                        Err(HandshakeError::Refused(WrongStatus::new(&head, SWITCHING, &body)))
                    }
                };
            }
            if reader.read_buf(&mut received).await.map_err(HttpError::from)? == 0 {
                return Err(HandshakeError::Closed);
            }
        }
    }
}
