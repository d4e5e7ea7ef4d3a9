//! What the tests of several peers share: clients that wait with a bound.
#![allow(dead_code)] // Each test program uses a part.

pub(crate) mod crowd;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod socketio;
pub(crate) mod wire;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A client for requests. It could speak TLS, so it asks for who does the ciphering, even where there is none; and it trusts nobody, for
/// to read whom the system trusts takes 20 ms, each time.
pub(crate) fn http() -> reqwest::Client {
    // An error says that somebody was here before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().tls_certs_only([]).build().expect("there is nothing to go wrong")
}

/// Longest wait for what must come: generous, because a machine that tests in parallel is slow.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Waits for what must come, but not for ever.
pub(crate) async fn bounded<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, wait).await.expect("it did not come in time")
}

/// The body of an answer, which must be a success.
pub(crate) async fn get(url: &str) -> String {
    let answer = http().get(url).timeout(BOUND).send().await.unwrap();
    assert!(answer.status().is_success(), "{url}: {}", answer.status());
    answer.text().await.unwrap()
}

/// Status and body of the answer to a POST.
pub(crate) async fn post(url: &str, content_type: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
    let request = http().post(url).timeout(BOUND).header("Content-Type", content_type).body(body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A WebSocket client.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    /// Connects to a `ws://` URL.
    pub(crate) async fn connect(url: &str) -> Self {
        let opened = bounded(connect_async(url)).await;
        Self { socket: opened.unwrap_or_else(|error| panic!("{url}: {error}")).0 }
    }

    /// Sends a text message.
    pub(crate) async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Sends a binary message.
    pub(crate) async fn say_bytes(&mut self, bytes: &'static [u8]) {
        self.socket.send(Message::binary(Bytes::from_static(bytes))).await.unwrap();
    }

    /// The next text message; pings are answered on the way.
    pub(crate) async fn hear(&mut self) -> String {
        loop {
            match self.next().await {
                Some(Message::Text(text)) => return text.as_str().to_owned(),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("expected a text message, got {other:?}"),
            }
        }
    }

    /// The next text message, as JSON.
    pub(crate) async fn hear_json(&mut self) -> Value {
        let text = self.hear().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Waits for the end, whatever comes before it: the close frame, if there was one.
    pub(crate) async fn end(&mut self) -> Option<CloseFrame> {
        let mut farewell = None;
        loop {
            match bounded(self.socket.next()).await {
                Some(Ok(Message::Close(frame))) => farewell = frame,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return farewell,
            }
        }
    }

    /// Says goodbye and waits for the server's.
    pub(crate) async fn leave(mut self) {
        self.socket.close(None).await.unwrap();
        self.end().await;
    }

    async fn next(&mut self) -> Option<Message> {
        bounded(self.socket.next()).await.map(|message| message.expect("the connection broke"))
    }
}
