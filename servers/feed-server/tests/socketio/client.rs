//! Clients of Engine.IO that say exactly what a case wants, and share no code with the server.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::lab::{PATIENCE, Server};

/// The query of a polling session to be.
pub(crate) const POLLING: &str = "?EIO=4&transport=polling";

/// Asks `/socket.io/` with `query`; status and body.
pub(crate) async fn get(server: &Server, query: &str) -> (u16, String) {
    let answer = server.get(&format!("/socket.io/{query}")).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The handshake data in an open packet.
pub(crate) fn opened(packet: &str) -> Value {
    serde_json::from_str(packet.strip_prefix('0').unwrap_or_else(|| panic!("no open packet: {packet}"))).unwrap()
}

/// A session that polls.
pub(crate) struct Polls {
    http: reqwest::Client,
    url: String,
    pub(crate) sid: String,
    /// Packets that came and were not looked at.
    waiting: VecDeque<String>,
    /// True once the ping that comes at once has come.
    pinged: bool,
}

impl Polls {
    /// Opens a session.
    pub(crate) async fn open(server: &Server) -> Self {
        let (status, body) = get(server, POLLING).await;
        assert_eq!(status, 200, "{body}");
        let sid = opened(&body)["sid"].as_str().unwrap().to_owned();
        let url = server.url(&format!("/socket.io/{POLLING}&sid={sid}"));
        Self { http: crate::lab::http(), url, sid, waiting: VecDeque::new(), pinged: false }
    }

    /// Opens a session and enters the namespace.
    pub(crate) async fn enter(server: &Server) -> Self {
        let mut polls = Self::open(server).await;
        polls.post("40").await;
        let connected = polls.next().await;
        assert!(connected.starts_with(r#"40{"sid":""#), "{connected}");
        polls
    }

    /// One poll, as it is.
    pub(crate) async fn poll(&self) -> (u16, String) {
        let answer = self.http.get(&self.url).timeout(PATIENCE).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// One post.
    pub(crate) async fn send(&self, body: impl Into<reqwest::Body>) -> (u16, String) {
        let answer = self.http.post(&self.url).body(body).timeout(PATIENCE).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// One post that has to be taken.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) {
        assert_eq!(self.send(body).await, (200, "ok".to_owned()));
    }

    /// The next packet that is no ping; pings are answered.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            match self.waiting.pop_front() {
                Some(ping) if ping == "2" => {
                    self.pinged = true;
                    self.post("3").await;
                }
                Some(packet) => return packet,
                None => {
                    let (status, body) = self.poll().await;
                    assert_eq!(status, 200, "{body}");
                    self.waiting.extend(body.split('\u{1e}').map(str::to_owned));
                }
            }
        }
    }

    /// The next packet, as JSON after `prefix`.
    pub(crate) async fn next_json(&mut self, prefix: &str) -> Value {
        json(&self.next().await, prefix)
    }

    /// Waits for the ping that comes at once; for some time, nothing more comes by itself.
    pub(crate) async fn settle(&mut self) {
        while !self.pinged {
            let packets: VecDeque<_> = match self.waiting.is_empty() {
                true => self.poll().await.1.split('\u{1e}').map(str::to_owned).collect(),
                false => std::mem::take(&mut self.waiting),
            };
            assert!(packets.iter().all(|packet| packet == "2"), "{packets:?}");
            self.pinged = true;
        }
    }

    /// The packets that have come and were not looked at, as JSON after `42`, without pings.
    pub(crate) fn left(&mut self) -> Vec<Value> {
        self.waiting.drain(..).filter(|packet| packet != "2").map(|packet| json(&packet, "42")).collect()
    }

    /// Polls, and has `meanwhile` done once the server has read the request: the answer, and what came of that.
    pub(crate) async fn poll_while<T>(
        &self,
        server: &Server,
        meanwhile: impl Future<Output = T>,
    ) -> ((u16, String), T) {
        let read = async || server.stats().await.connections["socketio"].bytes_read;
        let before = read().await;
        tokio::join!(self.poll(), async {
            server.stats_when(|stats| stats.connections["socketio"].bytes_read > before).await;
            meanwhile.await
        })
    }

    /// Waits until the server knows the session no more.
    pub(crate) async fn assert_closed(&self) {
        let (status, body) = self.poll().await;
        assert_eq!(status, 400, "the session goes on: {body}");
    }
}

/// What follows `prefix`, as JSON.
pub(crate) fn json(packet: &str, prefix: &str) -> Value {
    let rest = packet.strip_prefix(prefix).unwrap_or_else(|| panic!("expected {prefix}..., got {packet}"));
    serde_json::from_str(rest).unwrap_or_else(|error| panic!("{packet}: {error}"))
}

/// A session over WebSocket, or one that is about to become that.
pub(crate) struct Ws(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Ws {
    /// Shakes hands with `query`.
    pub(crate) async fn dial(server: &Server, query: &str) -> Result<Self, tungstenite::Error> {
        let (socket, _) = connect_async(format!("ws://{}/socket.io/{query}", server.address)).await?;
        Ok(Self(socket))
    }

    /// Opens a session; its open packet has come.
    pub(crate) async fn open(server: &Server) -> Self {
        let mut ws = Self::dial(server, "?EIO=4&transport=websocket").await.unwrap();
        opened(&ws.hear().await.unwrap());
        ws
    }

    /// Opens a session and enters the namespace.
    pub(crate) async fn enter(server: &Server) -> Self {
        let mut ws = Self::open(server).await;
        ws.say("40").await;
        let connected = ws.next().await;
        assert!(connected.starts_with(r#"40{"sid":""#), "{connected}");
        ws
    }

    /// Shakes hands for the session `sid`.
    pub(crate) async fn upgrade(server: &Server, sid: &str) -> Result<Self, tungstenite::Error> {
        Self::dial(server, &format!("?EIO=4&transport=websocket&sid={sid}")).await
    }

    pub(crate) async fn say(&mut self, packet: &str) {
        self.0.send(Message::text(packet)).await.unwrap();
    }

    pub(crate) async fn say_bytes(&mut self, bytes: &'static [u8]) {
        self.0.send(Message::Binary(Bytes::from_static(bytes))).await.unwrap();
    }

    /// The next packet; `None` at the end.
    pub(crate) async fn hear(&mut self) -> Option<String> {
        let hear = async {
            loop {
                match self.0.next().await? {
                    Ok(Message::Text(text)) => return Some(text.to_string()),
                    Ok(Message::Binary(bytes)) => return Some(format!("{bytes:?}")),
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
        };
        timeout(PATIENCE, hear).await.expect("something comes")
    }

    /// The next packet that is no ping; pings are answered.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            match self.hear().await.expect("the session goes on").as_str() {
                "2" => self.say("3").await,
                packet => return packet.to_owned(),
            }
        }
    }

    /// The next packet, as JSON after `prefix`.
    pub(crate) async fn next_json(&mut self, prefix: &str) -> Value {
        json(&self.next().await, prefix)
    }

    /// Waits for the end, whatever is said before.
    pub(crate) async fn assert_closed(&mut self) {
        while let Some(packet) = self.hear().await {
            assert!(matches!(&*packet, "1" | "2"), "{packet}");
        }
    }
}
