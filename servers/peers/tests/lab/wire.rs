//! A connection on which a test says and reads bytes exactly: answers in order, frames, what comes before the end; and floods.

use peers::Peer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{BOUND, post};

/// A plain TCP connection that waits with a bound.
pub(crate) struct Wire {
    stream: TcpStream,
    /// What came and was not asked for yet.
    waiting: Vec<u8>,
}

impl Wire {
    /// Connects to a peer.
    pub(crate) async fn dial(peer: &Peer) -> Self {
        Self::connect(&peer.url, None).await
    }

    /// Connects to a peer with a small receive buffer, so that it is soon stalled when it reads nothing.
    pub(crate) async fn dial_narrow(peer: &Peer) -> Self {
        Self::connect(&peer.url, Some(4096)).await
    }

    /// Connects to a base URL, with a receive buffer of so many bytes.
    pub(crate) async fn connect(url: &str, receive: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        let stream = timeout(BOUND, socket.connect(address)).await.expect("connecting takes too long").unwrap();
        Self { stream, waiting: Vec::new() }
    }

    /// Sends bytes.
    pub(crate) async fn say(&mut self, text: impl AsRef<[u8]>) {
        timeout(BOUND, self.stream.write_all(text.as_ref())).await.expect("it takes nothing").unwrap();
    }

    /// Sends a GET request with these fields, a line each, without their line ends.
    pub(crate) async fn get(&mut self, path: &str, fields: &[&str]) {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        self.say(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")).await;
    }

    /// Opens a WebSocket and takes the head of its answer.
    pub(crate) async fn upgrade(&mut self, path: &str) {
        let fields = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ];
        self.get(path, &fields).await;
        let head = self.hear_until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        // The accepted key of RFC 6455, section 1.3.
        assert!(head.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    }

    /// What comes up to and with `end`.
    pub(crate) async fn hear_until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.waiting.windows(end.len()).position(|window| window == end.as_bytes()) {
                return String::from_utf8_lossy(&self.take(at + end.len())).into_owned();
            }
            self.hear_more().await;
        }
    }

    /// So many bytes.
    pub(crate) async fn hear(&mut self, len: usize) -> Vec<u8> {
        while self.waiting.len() < len {
            self.hear_more().await;
        }
        self.take(len)
    }

    /// The next WebSocket frame of a server: its first byte and its payload.
    pub(crate) async fn hear_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.hear(2).await;
        let len = match head[1] {
            126 => u64::from(u16::from_be_bytes(self.hear(2).await.try_into().unwrap())),
            127 => u64::from_be_bytes(self.hear(8).await.try_into().unwrap()),
            len => u64::from(len),
        };
        (head[0], self.hear(usize::try_from(len).unwrap()).await)
    }

    /// An answer with a length: its head and its body.
    pub(crate) async fn hear_answer(&mut self) -> (String, String) {
        let head = self.hear_until("\r\n\r\n").await;
        let len = field(&head, "content-length").map_or(0, |len| len.parse().unwrap());
        let body = self.hear(len).await;
        (head, String::from_utf8(body).unwrap())
    }

    /// Waits until the other side ends the connection; what came before it.
    pub(crate) async fn end(&mut self) -> Vec<u8> {
        // A reset is an end as well.
        let _ = timeout(BOUND, self.stream.read_to_end(&mut self.waiting)).await.expect("the connection does not end");
        std::mem::take(&mut self.waiting)
    }

    async fn hear_more(&mut self) {
        let came = timeout(BOUND, self.stream.read_buf(&mut self.waiting)).await;
        let shown = String::from_utf8_lossy(&self.waiting[..self.waiting.len().min(500)]);
        assert!(matches!(came, Ok(Ok(1..))), "{came:?} after: {shown}");
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        self.waiting.drain(..len).collect()
    }
}

/// The value of a field in an answer's head; its name in small letters.
pub(crate) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| key.to_lowercase() == name).map(|pair| pair.1)
}

/// Publishes on a topic over HTTP; the status and body of the answer.
pub(crate) async fn publish(peer: &Peer, topic: &str, payload: &str) -> (u16, String) {
    post(&peer.http(&format!("/topics/{topic}")), "application/json", payload.to_owned()).await
}

/// Notification `number` of a flood: long, so that sockets are soon full.
pub(crate) fn flood(number: usize) -> String {
    format!("\"{number}:{}\"", "x".repeat(60_000))
}

/// The number of a notification of a flood.
pub(crate) fn flood_number(text: &[u8]) -> usize {
    let text = std::str::from_utf8(text).unwrap();
    assert!(text.ends_with("x\"") && text.len() > 60_000, "a broken notification: {}", &text[..text.len().min(100)]);
    text[1..].split_once(':').unwrap().0.parse().unwrap()
}
