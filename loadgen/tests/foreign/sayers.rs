//! A server that is published to over WebSockets or Socket.IO sessions of the publishers' own, which it ends or answers as it likes.
//!
//! Who connects to `/say` publishes, who connects to `/hear` listens; both speak Socket.IO where the path says so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

/// A target file of this server, published to over WebSockets.
pub const WS: &str = r#"
name = "sayers"
[publish]
via = "ws"
path = "/say"
first = ['{"join":"{topic}"}']
message = '{"text":{payload}}'
[transports.ws]
path = "/hear"
"#;

/// The same, published to by Socket.IO events.
pub const SOCKETIO: &str = r#"
name = "sayers"
[publish]
via = "socketio"
path = "/say/socket.io/"
event = ["chat message", "{text}"]
[transports.socketio]
path = "/hear/socket.io/"
"#;

/// What the server does to publishers.
#[derive(Clone, Copy)]
pub struct Manner {
    /// A socket is closed with this code after so many notifications, all of which are passed on.
    pub closes_after: Option<(usize, u16)>,
    /// How long a publisher's socket waits to be let in, but for the first of a run.
    pub lets_in_after: Duration,
    /// A socket on which nothing comes for so long is closed with this code.
    pub closes_idle: Option<(Duration, u16)>,
    /// What is said to the publisher of the n-th notification, from 0, instead of passing it on: a WebSocket message, the data of an
    /// acknowledgement if one is asked for, or an event.
    pub refuses: fn(usize) -> Option<&'static str>,
    /// Whether the n-th is passed on although that is said.
    pub passes_on: fn(usize) -> bool,
    /// What is said to whoever has joined, or is let in.
    pub greets: Option<&'static str>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            closes_after: None,
            lets_in_after: Duration::ZERO,
            closes_idle: None,
            refuses: |_| None,
            passes_on: |_| false,
            greets: None,
        }
    }
}

/// The server.
pub struct Sayers {
    pub url: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    notifications: AtomicUsize,
    publishers: AtomicUsize,
    /// Close frames that publishers sent in answer to ours, by code.
    answered: Mutex<Vec<u16>>,
}

impl Sayers {
    /// Serves until the test ends.
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let counts = Arc::new(Counts::default());
        let kept = Arc::clone(&counts);
        tokio::spawn(async move {
            let news = broadcast::channel(4096).0;
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(converse(tcp, news.clone(), manner, Arc::clone(&kept)));
            }
        });
        Self { url, counts }
    }

    /// Sockets of publishers so far.
    pub fn publishers(&self) -> usize {
        self.counts.publishers.load(Ordering::Relaxed)
    }

    /// The codes with which publishers answered a close frame.
    pub fn answered(&self) -> Vec<u16> {
        self.counts.answered.lock().unwrap().clone()
    }
}

#[expect(clippy::result_large_err, reason = "tungstenite's callback returns a response")]
async fn converse(tcp: TcpStream, news: broadcast::Sender<String>, manner: Manner, counts: Arc<Counts>) -> Option<()> {
    let mut path = String::new();
    if counts.notifications.load(Ordering::Relaxed) > 0 {
        // A server that is slow to let in.
        tokio::time::sleep(manner.lets_in_after).await;
    }
    let seen = |request: &Request, response: Response| {
        path = request.uri().path().to_owned();
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(tcp, seen).await.ok()?;
    let is_socketio = path.contains("socket.io");
    if is_socketio {
        socket
            .send(Message::text(r#"0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#))
            .await
            .ok()?;
        socket.next().await?.ok()?;
        socket.send(Message::text(r#"40{"sid":"y"}"#)).await.ok()?;
    }
    if path.starts_with("/hear") {
        hear(socket, news).await
    } else {
        say(socket, news, manner, counts, is_socketio).await
    }
}

async fn hear(mut socket: WebSocketStream<TcpStream>, news: broadcast::Sender<String>) -> Option<()> {
    let mut heard = news.subscribe();
    loop {
        tokio::select! {
            message = socket.next() => drop(message?.ok()?),
            text = heard.recv() => socket.send(Message::text(text.ok()?)).await.ok()?,
        }
    }
}

async fn say(
    mut socket: WebSocketStream<TcpStream>,
    news: broadcast::Sender<String>,
    manner: Manner,
    counts: Arc<Counts>,
    is_socketio: bool,
) -> Option<()> {
    counts.publishers.fetch_add(1, Ordering::Relaxed);
    if let Some(greeting) = manner.greets {
        socket.send(Message::text(greeting)).await.ok()?;
    }
    let (mut said, mut ended) = (0, false);
    let (idle, idle_code) = manner.closes_idle.unwrap_or((Duration::from_secs(3_600), 0));
    loop {
        let Ok(message) = tokio::time::timeout(idle, socket.next()).await else {
            close(&mut socket, idle_code, "idle").await?;
            ended = true;
            continue;
        };
        let text = match message?.ok()? {
            Message::Text(text) => text.as_str().to_owned(),
            Message::Close(frame) if ended => {
                counts.answered.lock().unwrap().push(frame.map_or(1005, |frame| frame.code.into()));
                continue;
            }
            _ => continue,
        };
        if text.contains("\"join\"") || text.starts_with("41") {
            continue;
        }
        let number = counts.notifications.fetch_add(1, Ordering::Relaxed);
        let id: String = text.chars().skip(2).take_while(char::is_ascii_digit).collect();
        let id = if is_socketio { id } else { String::new() };
        let words = (manner.refuses)(number);
        if words.is_none() || (manner.passes_on)(number) {
            let event = if is_socketio { format!("42{}", &text[2 + id.len()..]) } else { text.clone() };
            let _ = news.send(event);
        }
        let answer = match (words, is_socketio) {
            (words, true) if !id.is_empty() => Some(format!("43{id}[{}]", words.unwrap_or(r#"{"ok":true}"#))),
            (Some(words), true) => Some(format!("42[\"exception\",{words}]")),
            (Some(words), false) => Some(words.to_owned()),
            (None, _) => None,
        };
        if let Some(answer) = answer {
            socket.send(Message::text(answer)).await.ok()?;
        }
        said += 1;
        if let Some((most, code)) = manner.closes_after
            && said == most
        {
            close(&mut socket, code, "bye").await?;
            ended = true;
        }
    }
}

async fn close(socket: &mut WebSocketStream<TcpStream>, code: u16, reason: &'static str) -> Option<()> {
    socket.send(Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason: reason.into() }))).await.ok()
}
