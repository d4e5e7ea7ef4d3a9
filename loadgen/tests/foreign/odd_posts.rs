//! A server that is legal and odd in how it takes what is published: slowly, with few requests a connection, with refusals inside a 200.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::spawn_local;

/// A target file of it.
pub const TARGET: &str = r#"
name = "odd-posts"
[publish]
path = "/say"
headers = { Content-Type = "text/plain" }
body = "{text}"
[transports.sse]
path = "/events"
live = "head"
"#;

/// How it takes what is published. Each connection is worked off one request after another.
#[derive(Debug, Clone, Default)]
pub struct OddPosts {
    /// How long each takes.
    pub delay: Duration,
    /// After so many requests a connection is closed.
    pub requests: Option<usize>,
    /// Whether the last answer says so (`Connection: close`).
    pub says_close: bool,
    /// After so long without a request a connection is closed.
    pub idle: Option<Duration>,
    /// One publication in so many is answered 200 with an error in it, and dropped.
    pub refuses: Option<usize>,
    /// One publication in so many is taken, and its connection closed instead of answered.
    pub falls_silent: Option<usize>,
}

#[derive(Debug)]
struct Server {
    odd: OddPosts,
    events: broadcast::Sender<Vec<u8>>,
    published: std::cell::Cell<usize>,
}

impl OddPosts {
    /// Serves on this thread's `LocalSet` until the test ends; its URL.
    pub async fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Rc::new(Server { odd: self, events: broadcast::channel(4096).0, published: Default::default() });
        spawn_local(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let server = Rc::clone(&server);
                spawn_local(async move { server.converse(socket).await });
            }
        });
        url
    }
}

impl Server {
    async fn converse(&self, mut socket: TcpStream) {
        let mut received = Vec::new();
        for number in 1.. {
            let request = read_request(&mut socket, &mut received);
            let request = match self.odd.idle {
                Some(idle) => tokio::time::timeout(idle, request).await.ok().flatten(),
                None => request.await,
            };
            let Some((line, body)) = request else { return };
            if line.starts_with("GET") {
                return self.stream(&mut socket).await;
            }
            tokio::time::sleep(self.odd.delay).await;
            let published = self.published.get() + 1;
            self.published.set(published);
            let is_one_of = |every: Option<usize>| every.is_some_and(|every| published.is_multiple_of(every));
            let is_refused = is_one_of(self.odd.refuses);
            if !is_refused {
                let _ = self.events.send([b"data: ", &body[..], b"\n\n"].concat());
            }
            if is_one_of(self.odd.falls_silent) {
                return;
            }
            let answer = if is_refused { r#"{"error":"quota"}"# } else { r#"{"ok":true}"# };
            let is_last = self.odd.requests == Some(number);
            let close = if is_last && self.odd.says_close { "Connection: close\r\n" } else { "" };
            let head = format!("HTTP/1.1 200 OK\r\n{close}Content-Length: {}\r\n\r\n", answer.len());
            if socket.write_all((head + answer).as_bytes()).await.is_err() {
                return;
            }
            if is_last {
                return end(socket).await;
            }
        }
    }

    async fn stream(&self, socket: &mut TcpStream) {
        let mut events = self.events.subscribe();
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n";
        let mut discarded = [0; 256];
        if socket.write_all(head).await.is_err() {
            return;
        }
        loop {
            tokio::select! {
                event = events.recv() => {
                    let Ok(event) = event else { return };
                    if socket.write_all(&event).await.is_err() {
                        return;
                    }
                }
                read = socket.read(&mut discarded) => {
                    if !matches!(read, Ok(1..)) {
                        return;
                    }
                }
            }
        }
    }
}

/// Ends a connection as RFC 9112, section 9.6, has it: what is still on its way is read and discarded, for a reset that answers it would take the
/// last answers along.
async fn end(mut socket: TcpStream) {
    let _ = socket.shutdown().await;
    let mut discarded = [0; 4096];
    let rest = async { while let Ok(1..) = socket.read(&mut discarded).await {} };
    let _ = tokio::time::timeout(Duration::from_secs(5), rest).await;
}

/// The next request's first line and body; `None` at the end of the stream.
async fn read_request(socket: &mut TcpStream, received: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(head) = memchr::memmem::find(received, b"\r\n\r\n").map(|at| at + 4) {
            let text = String::from_utf8(received[..head].to_vec()).unwrap();
            let len = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let len: usize = len.map_or(0, |len| len.parse().unwrap());
            if received.len() >= head + len {
                let body = received[head..head + len].to_vec();
                received.drain(..head + len);
                return Some((text.lines().next().unwrap_or_default().to_owned(), body));
            }
        }
        if !matches!(socket.read_buf(received).await, Ok(1..)) {
            return None;
        }
    }
}
