//! A server on a free port, and readers that share no code with it.
#![allow(dead_code, reason = "each test file uses its own part")]

mod reader;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use feed::{ServerStats, Transport};
use feed_server::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use reader::{Reader, Started};

/// Long enough for anything that happens at all; waiting this long is failing.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A running server; it stops when this is dropped, or with [`stop`](Self::stop).
pub struct Server {
    pub address: SocketAddr,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    /// Starts one with `flags`.
    pub fn start(flags: &[&str]) -> Self {
        let config = Config::try_parse_from([&["feed-server"], flags].concat()).unwrap();
        let listener = feed_server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(feed_server::run(listener, config, async move { drop(stopped.await) }));
        Self { address, http: reqwest::Client::new(), stop: Some(stop), running }
    }

    /// Tells it to stop, without waiting.
    pub fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Tells it to stop and waits until it has.
    pub async fn stop(mut self) {
        self.tell_to_stop();
        timeout(PATIENCE, self.running).await.expect("the server stops").unwrap().unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).timeout(PATIENCE).send().await.unwrap()
    }

    /// Publishes `payload` on `topic`; returns its id.
    pub async fn publish(&self, topic: &str, payload: &str) -> u64 {
        let url = self.url(&format!("/topics/{topic}"));
        let answer = self.http.post(url).body(payload.to_owned()).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.json::<serde_json::Value>().await.unwrap()["id"].as_u64().unwrap()
    }

    /// Publishes the numbers of `range` on `news`.
    pub async fn publish_numbers(&self, range: std::ops::RangeInclusive<u64>) {
        for number in range {
            self.publish("news", &number.to_string()).await;
        }
    }

    pub async fn stats(&self) -> ServerStats {
        self.get("/stats").await.json().await.unwrap()
    }

    /// Asks for statistics until they are as expected.
    pub async fn stats_when(&self, expected: impl Fn(&ServerStats) -> bool) -> ServerStats {
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

    /// Opens a reader of `news`.
    pub async fn read(&self, transport: Transport, after: Option<&str>) -> Reader {
        Reader::open(self.address, transport, after).await
    }

    /// A plain TCP connection.
    pub async fn dial(&self) -> Raw {
        Raw(TcpStream::connect(self.address).await.unwrap())
    }
}

/// A connection on which a test says exactly what it wants.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    pub async fn get(&mut self, path: &str) {
        self.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    }

    /// Reads until `end` has been seen `times` times.
    pub async fn read_until(&mut self, end: &str, times: usize) -> String {
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&seen).into_owned();
            if text.matches(end).count() >= times {
                return text;
            }
            let len = timeout(PATIENCE, self.0.read(&mut buffer)).await.unwrap_or_else(|_| panic!("only: {text}"));
            match len {
                Ok(0) | Err(_) => panic!("ended after: {text}"),
                Ok(len) => seen.extend_from_slice(&buffer[..len]),
            }
        }
    }

    /// Reads to the end of the connection.
    pub async fn read_to_end(&mut self) -> String {
        let mut seen = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut seen)).await.expect("the connection ends").unwrap();
        String::from_utf8_lossy(&seen).into_owned()
    }
}

/// The handshake of a WebSocket on `news`.
pub fn handshake(query: &str) -> String {
    format!(
        "GET /topics/news/ws{query} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}
