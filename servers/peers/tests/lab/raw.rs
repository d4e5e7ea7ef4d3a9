//! A connection whose bytes are written by hand: for what no well-behaved client sends, and for thousands at little cost.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::bounded;

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A connection, and what came over it.
pub(crate) struct Raw {
    socket: TcpStream,
    seen: Vec<u8>,
}

impl Raw {
    /// Opens a WebSocket: done when its head has come.
    pub(crate) async fn upgrade(url: &str, path: &str) -> Self {
        Self::open(url, path, UPGRADE, "101").await
    }

    /// Asks for a stream: done when its head has come.
    pub(crate) async fn stream(url: &str, path: &str) -> Self {
        Self::open(url, path, "", "200").await
    }

    /// Sends a request whose answer may take its time.
    pub(crate) async fn send(url: &str, path: &str) -> Self {
        Self::request(url, path, "").await
    }

    async fn request(url: &str, path: &str, fields: &str) -> Self {
        let address = url.strip_prefix("http://").expect("a base URL");
        let mut socket = bounded(TcpStream::connect(address)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { socket, seen: Vec::new() }
    }

    async fn open(url: &str, path: &str, fields: &str, status: &str) -> Self {
        let mut raw = Self::request(url, path, fields).await;
        raw.hear("\r\n\r\n").await;
        let head = String::from_utf8_lossy(&raw.seen).into_owned();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
        raw
    }

    /// Writes bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// Reads until this text has come.
    pub(crate) async fn hear(&mut self, text: &str) {
        // All of it is bounded: a stream that does not fall silent would never end a wait for each read.
        bounded(self.read_until(text)).await;
    }

    async fn read_until(&mut self, text: &str) {
        while !self.seen.windows(text.len()).any(|window| window == text.as_bytes()) {
            let read = self.socket.read_buf(&mut self.seen).await.unwrap();
            assert!(read > 0, "the connection ended before `{text}`: {}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// Forgets what has come: nobody waits for it.
    pub(crate) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Reads until the server ends the connection, in order or not.
    pub(crate) async fn end(&mut self) {
        while matches!(bounded(self.socket.read_buf(&mut self.seen)).await, Ok(1..)) {}
    }
}
