//! One reader over all transports, on top of reqwest and tungstenite.

use std::collections::VecDeque;
use std::net::SocketAddr;

use feed::Transport;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::PATIENCE;

/// What a reader was told when it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) recovered: bool,
    pub(crate) gap: Option<String>,
}

/// Reads the topic `news`.
pub(crate) struct Reader {
    pub(crate) started: Started,
    /// Where it is: the cursor to continue with.
    pub(crate) cursor: String,
    waiting: VecDeque<Value>,
    wire: Wire,
}

enum Wire {
    Poll { http: reqwest::Client, url: String },
    Sse { answer: Box<reqwest::Response>, text: String },
    Ws(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    SocketIo(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
}

impl Reader {
    pub(crate) async fn open(address: SocketAddr, transport: Transport, after: Option<&str>) -> Self {
        let url = format!("://{address}/topics/news/{transport}");
        let query = after.map(|after| format!("?after={after}")).unwrap_or_default();
        let mut reader = Self {
            started: Started { recovered: true, gap: None },
            cursor: String::new(),
            waiting: VecDeque::new(),
            wire: match transport {
                Transport::ShortPoll | Transport::LongPoll => {
                    Wire::Poll { http: super::http(), url: format!("http{url}") }
                }
                Transport::Sse => {
                    let answer = super::http().get(format!("http{url}{query}")).send().await.unwrap();
                    assert_eq!(answer.headers()["content-type"], "text/event-stream");
                    Wire::Sse { answer: Box::new(answer), text: String::new() }
                }
                Transport::Ws => {
                    let (socket, _) = tokio_tungstenite::connect_async(format!("ws{url}{query}")).await.unwrap();
                    Wire::Ws(Box::new(socket))
                }
                Transport::SocketIo => Wire::SocketIo(Box::new(enter(address, after).await)),
            },
        };
        if let Wire::Poll { url, .. } = &reader.wire {
            let wait = if transport == Transport::LongPoll { "wait=0" } else { "" };
            let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
            let first = format!("{url}?{}", format!("{wait}{after}").trim_start_matches('&'));
            reader.poll(first).await;
        } else {
            let subscribed = reader.message().await.unwrap();
            assert_eq!(subscribed["type"], "subscribed");
            reader.cursor = format!("{}:{}", subscribed["epoch"].as_str().unwrap(), subscribed["offset"]);
            reader.started.recovered = subscribed["recovered"].as_bool().unwrap();
            if !reader.started.recovered {
                let gap = reader.message().await.unwrap();
                assert_eq!(gap["type"], "gap");
                reader.started.gap = gap["oldest"].as_str().map(str::to_owned);
            }
        }
        reader
    }

    /// The payloads of the next `count` notifications; checks that their ids follow the cursor without a hole.
    pub(crate) async fn next(&mut self, count: usize) -> Vec<u64> {
        let mut payloads = Vec::new();
        while payloads.len() < count {
            if let (Wire::Poll { url, .. }, true) = (&self.wire, self.waiting.is_empty()) {
                let url = format!("{url}?after={}", self.cursor);
                self.poll(url).await;
                continue;
            }
            let notification = match self.waiting.pop_front() {
                Some(notification) => notification,
                None => self.message().await.expect("the stream goes on"),
            };
            assert_eq!(notification["type"], "notification", "{notification}");
            assert_eq!(notification["topic"], "news");
            let (epoch, offset) = self.cursor.split_once(':').unwrap();
            assert_eq!(
                notification["id"].as_u64().unwrap(),
                offset.parse::<u64>().unwrap() + 1,
                "no hole, no repetition"
            );
            self.cursor = format!("{epoch}:{}", notification["id"]);
            payloads.push(notification["payload"].as_u64().unwrap());
        }
        payloads
    }

    async fn poll(&mut self, url: String) {
        let Wire::Poll { http, .. } = &self.wire else { unreachable!() };
        let answer = http.get(&url).timeout(PATIENCE).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        let etag = answer.headers()["etag"].to_str().unwrap().trim_matches('"').to_owned();
        let batch: Value = answer.json().await.unwrap();
        assert_eq!(etag, format!("{}:{}", batch["epoch"].as_str().unwrap(), batch["offset"]));
        self.waiting.extend(batch["notifications"].as_array().unwrap().iter().cloned());
        if self.cursor.is_empty() {
            self.started.recovered = batch["recovered"].as_bool().unwrap();
            self.started.gap = batch["gap"].as_str().map(str::to_owned);
            let before = batch["offset"].as_u64().unwrap() - self.waiting.len() as u64;
            self.cursor = format!("{}:{before}", batch["epoch"].as_str().unwrap());
        }
    }

    /// The next message of a stream; `None` at its end.
    pub(crate) async fn message(&mut self) -> Option<Value> {
        let read = async {
            match &mut self.wire {
                Wire::Poll { .. } => panic!("polls have no messages"),
                Wire::Ws(socket) => loop {
                    match socket.next().await? {
                        Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                        Ok(Message::Close(frame)) => {
                            let code = frame.map(|frame| u16::from(frame.code));
                            socket.flush().await.ok();
                            return Some(serde_json::json!({ "type": "close", "code": code }));
                        }
                        Ok(_) => {}
                        Err(_) => return None,
                    }
                },
                Wire::SocketIo(socket) => loop {
                    let Ok(Message::Text(packet)) = socket.next().await? else { return None };
                    match packet.split_at(2.min(packet.len())) {
                        ("2", _) => socket.send(Message::text("3")).await.unwrap(),
                        ("42", event) => return Some(serde_json::from_str::<[Value; 2]>(event).unwrap()[1].take()),
                        ("43", answer) => {
                            let mut subscribed = serde_json::from_str::<[Value; 1]>(&answer[1..]).unwrap()[0].take();
                            subscribed["type"] = "subscribed".into();
                            return Some(subscribed);
                        }
                        ("41" | "1", _) => return Some(serde_json::json!({ "type": "close", "code": null })),
                        _ => {}
                    }
                },
                Wire::Sse { answer, text } => loop {
                    if let Some((event, rest)) = text.split_once("\n\n") {
                        let data = event.lines().filter_map(|line| line.strip_prefix("data:")).collect::<String>();
                        let event = (!data.is_empty()).then(|| serde_json::from_str(&data).unwrap());
                        *text = rest.to_owned();
                        match event {
                            Some(event) => return Some(event),
                            None => continue,
                        }
                    }
                    text.push_str(std::str::from_utf8(&answer.chunk().await.unwrap()?).unwrap());
                },
            }
        };
        timeout(PATIENCE, read).await.expect("something comes")
    }
}

/// Opens a Socket.IO session over WebSocket, enters the namespace, and subscribes.
async fn enter(address: SocketAddr, after: Option<&str>) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    socket.send(Message::text("40")).await.unwrap();
    while !matches!(socket.next().await.unwrap().unwrap(), Message::Text(packet) if packet.starts_with("40")) {}
    let after = after.map(|after| format!(r#","after":"{after}""#)).unwrap_or_default();
    socket.send(Message::text(format!(r#"420["subscribe",{{"topic":"news"{after}}}]"#))).await.unwrap();
    socket
}
