//! A server on a free port, and readers that share no code with it.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod netns;
pub(crate) mod npm;
pub(crate) mod program;
mod reader;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod secure;
pub(crate) mod sentinel;
pub(crate) mod skip;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use feed::{ServerStats, Transport};
use feed_server::Config;
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

#[allow(unused_imports, reason = "each test file uses its own part")]
pub(crate) use reader::{Reader, Started};

/// Long enough for anything that happens at all; waiting this long is failing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A client for requests. It could speak TLS, so it asks for who does the ciphering, even where there is none.
pub(crate) fn http() -> reqwest::Client {
    // An error says that somebody was here before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Now, to see how long something took.
#[expect(clippy::disallowed_methods, reason = "the clock of the tests")]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Asserts that `attempt`, which says how long it took, can be done within `bound`: that the quickest of five tries is. A busy machine
/// makes some of them slow, but nothing that waits for a timer quick.
pub(crate) async fn assert_quick(bound: Duration, mut attempt: impl AsyncFnMut() -> Duration) {
    let mut tries = Vec::new();
    while tries.iter().all(|took| *took >= bound) {
        assert!(tries.len() < 5, "not once within {bound:?}: {tries:?}");
        tries.push(attempt().await);
    }
}

/// A running server; it stops when this is dropped, or with [`stop`](Self::stop).
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    /// Starts one with `flags`, of a broker that needs no connecting.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::connect(flags).now_or_never().expect("this process is a broker that is there at once")
    }

    /// Starts one with `flags`, once its broker is connected.
    pub(crate) async fn connect(flags: &[&str]) -> Self {
        let config = Config::try_parse_from([&["feed-server", "--listen", "127.0.0.1:0"], flags].concat()).unwrap();
        let listening = feed_server::listen(&config).await.unwrap();
        let address = listening.address().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(feed_server::run(listening, config, async move { drop(stopped.await) }));
        Self { address, http: http(), stop: Some(stop), running }
    }

    /// Tells it to stop, without waiting.
    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Tells it to stop and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.tell_to_stop();
        timeout(PATIENCE, self.running).await.expect("the server stops").unwrap().unwrap();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).timeout(PATIENCE).send().await.unwrap()
    }

    /// Publishes `payload` on `topic`; returns its id.
    pub(crate) async fn publish(&self, topic: &str, payload: &str) -> u64 {
        let url = self.url(&format!("/topics/{topic}"));
        let answer = self.http.post(url).body(payload.to_owned()).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.json::<serde_json::Value>().await.unwrap()["id"].as_u64().unwrap()
    }

    /// Publishes the numbers of `range` on `news`.
    pub(crate) async fn publish_numbers(&self, range: std::ops::RangeInclusive<u64>) {
        for number in range {
            self.publish("news", &number.to_string()).await;
        }
    }

    pub(crate) async fn stats(&self) -> ServerStats {
        self.get("/stats").await.json().await.unwrap()
    }

    /// Asks for statistics until they are as expected.
    pub(crate) async fn stats_when(&self, expected: impl Fn(&ServerStats) -> bool) -> ServerStats {
        let ask = async {
            loop {
                let stats = self.stats().await;
                if expected(&stats) {
                    return stats;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match timeout(PATIENCE, ask).await {
            Ok(stats) => stats,
            Err(_) => panic!("the statistics never got there: {:#?}", self.stats().await),
        }
    }

    /// Waits until it has counted so many connections of `kind` as ended for `reason`: a client may see its end before that.
    pub(crate) async fn ended(&self, kind: &str, reason: &str, count: u64) -> ServerStats {
        self.stats_when(|stats| stats.connections[kind].ended.get(reason) == Some(&count)).await
    }

    /// Opens a reader of `news`.
    pub(crate) async fn read(&self, transport: Transport, after: Option<&str>) -> Reader {
        Reader::open(self.address, transport, after).await
    }

    /// A plain TCP connection.
    pub(crate) async fn dial(&self) -> Raw {
        Raw::new(TcpStream::connect(self.address).await.unwrap())
    }
}

/// A connection on which a test says exactly what it wants.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    /// Bytes that came.
    pub(crate) received: u64,
}

impl Raw {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, received: 0 }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) {
        self.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    }

    /// Reads until `end` has been seen `times` times; waits for a bounded time, though heartbeats come all the while.
    pub(crate) async fn read_until(&mut self, end: &str, times: usize) -> String {
        let mut seen = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        let (mut found, mut at) = (0, 0);
        let begun = now();
        while found < times {
            let shown = |seen: &[u8]| String::from_utf8_lossy(seen).into_owned();
            assert!(begun.elapsed() < 6 * PATIENCE, "`{end}` never came so often: {}", shown(&seen));
            match timeout(PATIENCE, self.stream.read(&mut buffer)).await {
                Ok(Ok(len)) if len > 0 => {
                    seen.extend_from_slice(&buffer[..len]);
                    self.received += len as u64;
                }
                ended => panic!("{ended:?} after: {}", shown(&seen)),
            }
            while let Some(next) = seen[at..].windows(end.len()).position(|window| window == end.as_bytes()) {
                found += 1;
                at += next + end.len();
            }
            at = at.max(seen.len().saturating_sub(end.len() - 1));
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// Reads to the end of the connection.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut seen = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut seen)).await.expect("the connection ends").unwrap();
        String::from_utf8_lossy(&seen).into_owned()
    }
}

/// The handshake of a WebSocket on `news`.
pub(crate) fn handshake(query: &str) -> String {
    format!(
        "GET /topics/news/ws{query} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The body of a chunked answer that came whole.
pub(crate) fn dechunked(answer: &str) -> String {
    let (_, mut rest) = answer.split_once("\r\n\r\n").expect("a head that ends");
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n").unwrap_or_else(|| panic!("no chunk's size: {rest:?} of {answer}"));
        let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("no chunk's size: {size:?} of {answer}"));
        body.push_str(&after[..size]);
        if size == 0 {
            return body;
        }
        rest = &after[size + 2..];
    }
}

/// Asserts that there is nothing in `body` but events as this server writes them.
pub(crate) fn assert_events(body: &str) {
    for line in body.lines() {
        let known = ["id:", "event:", "retry:", "data:", ":"].iter().any(|field| line.starts_with(field));
        assert!(known || line.is_empty(), "{line:?} is of no event: {body}");
    }
    assert!(!body.contains('\r') && body.ends_with("\n\n"), "{body}");
}
