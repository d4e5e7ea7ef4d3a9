//! A small Engine.IO server whose every answer the test writes: for what no well-behaved server does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use feed::framings::websocket::accept_key;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) body: String,
    /// `Sec-WebSocket-Key`.
    key: Option<String>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It is answered.
    Answer(u16, String),
    /// It is answered, and then the connection ends, which nobody had announced.
    AnswerAndEnd(String),
    /// It is answered when a POST has said the first of these.
    WhenPosted(&'static str, String),
    /// The connection ends instead.
    End,
    /// It is held for as long as the client waits.
    Hold,
    /// The WebSocket opens, and says nothing.
    OpenSilently,
    /// The WebSocket opens, and says this in text frames of the server's choice.
    Open(Vec<u8>),
}

/// An answer that a session goes on with.
pub(crate) fn ok(body: &str) -> Reply {
    Reply::Answer(200, body.to_owned())
}

/// The first packet of a session, which pings every `interval` ms.
pub(crate) fn handshake(upgrades: &str, interval: u64) -> Reply {
    ok(&format!(
        r#"0{{"sid":"abc","upgrades":[{upgrades}],"pingInterval":{interval},"pingTimeout":{interval},"maxPayload":1000000}}"#
    ))
}

/// The server.
pub(crate) struct Engine {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Engine {
    /// Answers each request with what `script` says; it is told how many of the same method came before.
    pub(crate) async fn start(script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (script, all) = (Arc::new(script), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, all) = (Arc::clone(&script), Arc::clone(&all));
                tokio::spawn(serve(socket, all, script));
            }
        });
        Self { url, seen }
    }

    /// The bodies of all POSTs.
    pub(crate) fn posted(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|request| request.method == "POST").map(|request| request.body.clone()).collect()
    }
}

async fn serve<S: Fn(&Request, usize) -> Reply>(mut socket: TcpStream, all: Arc<Mutex<Vec<Request>>>, script: Arc<S>) {
    let mut received = Vec::new();
    while let Some(request) = read(&mut socket, &mut received).await {
        let reply = {
            let mut all = all.lock().unwrap();
            let before = all.iter().filter(|other| other.method == request.method).count();
            all.push(request.clone());
            script(&request, before)
        };
        match reply {
            Reply::Answer(status, body) => answer(&mut socket, status, &body).await,
            Reply::WhenPosted(words, body) => {
                while !all.lock().unwrap().iter().any(|request| request.body.contains(words)) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                answer(&mut socket, 200, &body).await;
            }
            Reply::AnswerAndEnd(body) => return answer(&mut socket, 200, &body).await,
            Reply::End => return,
            Reply::Hold => return until_end(&mut socket).await,
            Reply::OpenSilently => {
                shake_hands(&mut socket, &request).await;
                return until_end(&mut socket).await;
            }
            Reply::Open(frames) => {
                shake_hands(&mut socket, &request).await;
                let _ = socket.write_all(&frames).await;
                return until_end(&mut socket).await;
            }
        }
    }
}

/// The next request; `None` when the client has ended the connection.
async fn read(socket: &mut TcpStream, received: &mut Vec<u8>) -> Option<Request> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut fields);
        if let httparse::Status::Complete(head) = request.parse(received).unwrap() {
            let field = |name: &str| {
                let found = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
                found.map(|field| String::from_utf8_lossy(field.value).into_owned())
            };
            let len: usize = field("content-length").map_or(0, |text| text.parse().unwrap());
            if received.len() >= head + len {
                let whole = Request {
                    method: request.method.unwrap().to_owned(),
                    target: request.path.unwrap().to_owned(),
                    body: String::from_utf8(received[head..head + len].to_vec()).unwrap(),
                    key: field("sec-websocket-key"),
                };
                received.drain(..head + len);
                return Some(whole);
            }
        }
        if socket.read_buf(received).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

async fn answer(socket: &mut TcpStream, status: u16, body: &str) {
    let head = format!("HTTP/1.1 {status} Any\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = socket.write_all((head + body).as_bytes()).await;
}

async fn shake_hands(socket: &mut TcpStream, request: &Request) {
    let accept = accept_key(request.key.as_ref().expect("a WebSocket handshake has a key").as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    let _ = socket.write_all(head.as_bytes()).await;
}

async fn until_end(socket: &mut TcpStream) {
    let mut discarded = [0; 4096];
    while let Ok(1..) = socket.read(&mut discarded).await {}
}
