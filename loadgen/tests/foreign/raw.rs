//! An HTTP/1.1 server that writes its answers byte by byte, so that they can end, and break off, in every way there is.
//!
//! `POST /pub` publishes; `GET /sse` is an event stream of one answer an event, resumed by `Last-Event-ID`; `GET /long` and `GET /short` are
//! polled with `?since=`. The first request of a stream, which resumes from nothing, is answered at once.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the body of an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Length,
    Chunks,
    /// With extensions and trailers.
    AdornedChunks,
    Close,
    Http10,
    Http10KeepAlive,
    Behind100,
    Behind103,
    /// Statuses without content, where there is none to bring.
    Status204,
    Status304,
    Status205,
    /// Half of the length that was announced, then the end.
    CutLength,
    /// Half a chunk, then the end.
    CutChunks,
    /// All chunks but the last, then the end.
    NoLastChunk,
}

impl Ending {
    pub const ALL: [Self; 14] = [
        Self::Length,
        Self::Chunks,
        Self::AdornedChunks,
        Self::Close,
        Self::Http10,
        Self::Http10KeepAlive,
        Self::Behind100,
        Self::Behind103,
        Self::Status204,
        Self::Status304,
        Self::Status205,
        Self::CutLength,
        Self::CutChunks,
        Self::NoLastChunk,
    ];

    pub fn is_cut(self) -> bool {
        matches!(self, Self::CutLength | Self::CutChunks | Self::NoLastChunk)
    }

    /// The status that stands for no content.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Status204 => Some(204),
            Self::Status304 => Some(304),
            Self::Status205 => Some(205),
            _ => None,
        }
    }

    /// The bytes of an answer with this body, and whether the connection ends after it.
    fn answer(self, fields: &str, body: &str) -> (String, bool) {
        let len = body.len();
        let chunks = "Transfer-Encoding: chunked\r\n";
        let half = &body[..len / 2];
        let of = |version: &str, more: &str, body: &str| format!("{version} 200 OK\r\n{fields}{more}\r\n{body}");
        let by_length = of("HTTP/1.1", &format!("Content-Length: {len}\r\n"), body);
        match self {
            Self::Length => (by_length, false),
            Self::Chunks => (of("HTTP/1.1", chunks, &format!("{len:x}\r\n{body}\r\n0\r\n\r\n")), false),
            Self::AdornedChunks => {
                let rest = &body[len / 2..];
                let size = rest.len();
                let adorned = format!(
                    "{:03X};a=1;b=\"c;d\"\r\n{half}\r\n{size:x} ; x\r\n{rest}\r\n0;last\r\nX-Trailer: 1\r\nX-Sum: 2\r\n\r\n",
                    half.len()
                );
                (of("HTTP/1.1", &format!("{chunks}Trailer: X-Trailer, X-Sum\r\n"), &adorned), false)
            }
            Self::Close => (of("HTTP/1.1", "", body), true),
            Self::Http10 => (of("HTTP/1.0", "", body), true),
            Self::Http10KeepAlive => {
                (of("HTTP/1.0", &format!("Connection: keep-alive\r\nContent-Length: {len}\r\n"), body), false)
            }
            Self::Behind100 => (format!("HTTP/1.1 100 Continue\r\n\r\n{by_length}"), false),
            Self::Behind103 => (format!("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n{by_length}"), false),
            Self::Status204 => ("HTTP/1.1 204 No Content\r\n\r\n".into(), false),
            Self::Status304 => (format!("HTTP/1.1 304 Not Modified\r\nContent-Length: {len}\r\n\r\n"), false),
            Self::Status205 => ("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n".into(), false),
            Self::CutLength => (of("HTTP/1.1", &format!("Content-Length: {len}\r\n"), half), true),
            Self::CutChunks => (of("HTTP/1.1", chunks, &format!("{len:x}\r\n{half}")), true),
            Self::NoLastChunk => (of("HTTP/1.1", chunks, &format!("{len:x}\r\n{body}\r\n")), true),
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Publish,
    Sse,
    Long,
    Short,
}

/// An answer that is about to be given.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub kind: Kind,
    /// Answers of this kind before it.
    pub number: usize,
    /// False where it brings nothing new.
    pub brings: bool,
    /// True when the request said where to go on from.
    pub goes_on: bool,
}

/// How the server answers and ends connections.
#[derive(Clone)]
pub struct Manner {
    /// How each answer ends.
    pub ends: Arc<dyn Fn(Asked) -> Ending + Send + Sync>,
    /// Fields of each answer that has content, each with its CRLF.
    pub fields: &'static str,
    /// Media type of event streams.
    pub event_stream: &'static str,
    /// A connection ends, without a word of it, after so many answers.
    pub closes_after: usize,
    /// A connection that is idle for so long ends.
    pub closes_idle: Duration,
    /// Leaves out the empty line behind each event.
    pub ends_within_event: bool,
    /// Answers the first request of a stream at once.
    pub greets: bool,
    /// The `retry` of a stream's answers, ms; 0 for none.
    pub retry_ms: u32,
    /// What stands behind the events of a stream's answers.
    pub farewell: &'static str,
    /// What stands before JSON.
    pub before_json: &'static str,
    /// An answer of a stream has all events that there are, not only the next one.
    pub gives_all: bool,
    /// Holds the answer of a stream until there is an event; else one without an event ends at once.
    pub holds: bool,
    /// Ends no connection that is a publisher's.
    pub spares_publishers: bool,
    /// Says that answers to polls which bring something are compressed, as a compressor does that leaves small ones alone.
    pub codes_news: bool,
    /// What a client's answer is followed by, though nobody asks for it, and after how long.
    pub unasked: Arc<dyn Fn(Asked) -> Option<Unasked> + Send + Sync>,
}

/// Bytes that are sent behind an answer, so long after it.
pub type Unasked = (Duration, &'static str);

impl Default for Manner {
    fn default() -> Self {
        Self {
            ends: Arc::new(|_| Ending::Length),
            fields: "",
            event_stream: "text/event-stream",
            closes_after: usize::MAX,
            closes_idle: Duration::from_secs(60),
            ends_within_event: false,
            greets: true,
            retry_ms: 50,
            gives_all: false,
            farewell: "",
            before_json: "",
            holds: true,
            spares_publishers: false,
            codes_news: false,
            unasked: Arc::new(|_| None),
        }
    }
}

impl Manner {
    /// Answers that end so.
    pub fn ending(ends: impl Fn(Asked) -> Ending + Send + Sync + 'static) -> Self {
        Self { ends: Arc::new(ends), ..Self::default() }
    }
}

/// A server, and what it has seen.
#[derive(Clone)]
pub struct Raw {
    pub url: String,
    state: Arc<State>,
}

struct State {
    manner: Manner,
    log: watch::Sender<Vec<String>>,
    answers: Mutex<[usize; 4]>,
    requests: Mutex<Vec<String>>,
    connections: AtomicUsize,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Raw {
    /// Serves until the test ends.
    pub async fn serve(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            manner,
            log: watch::channel(Vec::new()).0,
            answers: Mutex::default(),
            requests: Mutex::default(),
            connections: AtomicUsize::default(),
            received: AtomicU64::default(),
            sent: AtomicU64::default(),
        });
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((tcp, peer)) = listener.accept().await {
                // The probe and the publisher come from the usual address, clients from others.
                let is_client = peer.ip() != IpAddr::V4(Ipv4Addr::LOCALHOST);
                let connection = Connection { tcp, state: Arc::clone(&serving), is_client, unread: Vec::new() };
                tokio::spawn(connection.converse());
            }
        });
        Self { url, state }
    }

    /// Requests of clients so far: each first line and, where there is one, its `Last-Event-ID`.
    pub fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Connections of clients so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Bytes received from clients and sent to them so far.
    pub fn bytes(&self) -> (u64, u64) {
        (self.state.received.load(Ordering::Relaxed), self.state.sent.load(Ordering::Relaxed))
    }
}

struct Connection {
    tcp: TcpStream,
    state: Arc<State>,
    is_client: bool,
    unread: Vec<u8>,
}

impl Connection {
    async fn converse(mut self) -> Option<()> {
        self.state.connections.fetch_add(usize::from(self.is_client), Ordering::Relaxed);
        self.tcp.set_nodelay(true).ok()?;
        let mut answered = 0;
        loop {
            let Manner { closes_idle, closes_after, spares_publishers, .. } = self.state.manner;
            let is_spared = spares_publishers && !self.is_client;
            if answered == closes_after && !is_spared {
                break;
            }
            answered += 1;
            let idle = if is_spared { Duration::from_secs(60) } else { closes_idle };
            let (head, body) = tokio::time::timeout(idle, self.request()).await.ok()??;
            if self.answer(&head, body).await? {
                break;
            }
        }
        self.tcp.shutdown().await.ok()?;
        // What still comes is nobody's, but a reset would take back what was said.
        while self.tcp.read_buf(&mut self.unread).await.ok()? > 0 {}
        Some(())
    }

    async fn request(&mut self) -> Option<(String, String)> {
        loop {
            let text = String::from_utf8_lossy(&self.unread).into_owned();
            if let Some(end) = text.find("\r\n\r\n") {
                let head = text[..end + 2].to_owned();
                let length = field(&head, "Content-Length").map_or(0, |length| length.parse().unwrap());
                if let Some(body) = text.get(end + 4..end + 4 + length) {
                    self.unread.drain(..end + 4 + length);
                    return Some((head, body.to_owned()));
                }
            }
            let read = self.tcp.read_buf(&mut self.unread).await.ok()?;
            if self.is_client {
                self.state.received.fetch_add(read as u64, Ordering::Relaxed);
            }
            if read == 0 {
                return None;
            }
        }
    }

    /// True when the connection is to end.
    async fn answer(&mut self, head: &str, body: String) -> Option<bool> {
        let first = head.lines().next()?.to_owned();
        let target = first.split(' ').nth(1)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let of_query = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let place = field(head, "Last-Event-ID").or_else(|| of_query("since")).and_then(|place| place.parse().ok());
        if self.is_client {
            let place = place.map_or_else(String::new, |place: usize| format!(" after {place}"));
            self.state.requests.lock().unwrap().push(first.clone() + &place);
        }
        let mut log = self.state.log.subscribe();
        let all = log.borrow().clone();
        let (kind, fields, content, brings) = match path {
            "/pub" => {
                self.state.log.send_modify(|log| log.push(body));
                (Kind::Publish, "Content-Type: application/json\r\n".to_owned(), r#"{"ok":true}"#.to_owned(), true)
            }
            "/sse" => {
                let fields = format!("Content-Type: {}\r\n", self.state.manner.event_stream);
                let Manner { retry_ms, gives_all, .. } = self.state.manner;
                let retry = if retry_ms > 0 { format!("retry: {retry_ms}\n") } else { String::new() };
                let (content, brings) = match place {
                    None if self.state.manner.greets => (format!("{retry}id: {}\ndata: welcome\n\n", all.len()), false),
                    place if !self.state.manner.holds && place.unwrap_or(all.len()) >= all.len() => {
                        (":\n\n".to_owned(), false)
                    }
                    place => {
                        let place = place.unwrap_or(all.len());
                        let all = tokio::select! {
                            all = log.wait_for(|all| all.len() > place) => all.ok()?.clone(),
                            () = ended(&self.tcp) => return None,
                        };
                        let events: Vec<String> = (place..if gives_all { all.len() } else { place + 1 })
                            .map(|place| format!("id: {}\ndata: {}\n\n", place + 1, all[place]))
                            .collect();
                        (retry + &events.concat(), true)
                    }
                };
                let content = match self.state.manner.ends_within_event && brings {
                    true => content.strip_suffix('\n').unwrap_or_default().to_owned(),
                    false => content,
                };
                (Kind::Sse, fields, content + self.state.manner.farewell, brings)
            }
            "/long" | "/short" => {
                let wait = of_query("wait").and_then(|wait| wait.parse().ok()).unwrap_or(0.0);
                let since = place.unwrap_or(all.len()).min(all.len());
                let news = log.wait_for(|all| all.len() > since);
                let all = tokio::select! {
                    biased;
                    all = news => all.ok()?.clone(),
                    () = tokio::time::sleep(Duration::from_secs_f64(wait)) => all,
                    () = ended(&self.tcp) => return None,
                };
                let messages = &all[since..];
                let content = format!(r#"{{"next":{},"messages":[{}]}}"#, all.len(), messages.join(","));
                let kind = if path == "/long" { Kind::Long } else { Kind::Short };
                (kind, "Content-Type: application/json\r\n".to_owned(), content, !messages.is_empty())
            }
            _ => {
                self.tcp.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.ok()?;
                return Some(false);
            }
        };
        let number = {
            let mut answers = self.state.answers.lock().unwrap();
            answers[kind as usize] += 1;
            answers[kind as usize] - 1
        };
        let asked = Asked { kind, number, brings, goes_on: place.is_some() };
        let ending = (self.state.manner.ends)(asked);
        let is_coded = self.state.manner.codes_news && brings && matches!(kind, Kind::Long | Kind::Short);
        let coding = if is_coded { "Content-Encoding: gzip\r\n" } else { "" };
        let content = if kind == Kind::Sse { content } else { self.state.manner.before_json.to_owned() + &content };
        let (answer, ends) = ending.answer(&(fields + self.state.manner.fields + coding), &content);
        if self.is_client {
            self.state.sent.fetch_add(answer.len() as u64, Ordering::Relaxed);
        }
        // In two writes, so that it does not come at once.
        let (one, two) = answer.as_bytes().split_at(answer.len() / 3);
        self.tcp.write_all(one).await.ok()?;
        let unasked = (self.state.manner.unasked)(asked).filter(|_| self.is_client);
        if let Some((Duration::ZERO, bytes)) = unasked {
            self.tcp.write_all(&[two, bytes.as_bytes()].concat()).await.ok()?;
            return Some(ends);
        }
        self.tcp.write_all(two).await.ok()?;
        if let Some((after, bytes)) = unasked {
            tokio::time::sleep(after).await;
            self.tcp.write_all(bytes.as_bytes()).await.ok()?;
        }
        Some(ends)
    }
}

/// Waits until the client has ended its side.
async fn ended(tcp: &TcpStream) {
    if !matches!(tcp.peek(&mut [0]).await, Ok(0) | Err(_)) {
        std::future::pending::<()>().await;
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A target file of it; `sse` are further lines of the table of event streams.
pub fn target(sse: &str) -> String {
    format!(
        r#"
name = "raw"
[publish]
path = "/pub"
headers = {{ Content-Type = "application/json" }}
body = '{{payload}}'
[transports.sse]
path = "/sse"
headers = {{ Last-Event-ID = "{{last}}" }}
remember = {{ last = "event id" }}
{sse}
[transports.long-poll]
path = "/long"
query = {{ since = "{{since}}", wait = "{{wait}}" }}
remember = {{ since = "json /next" }}
[transports.short-poll]
path = "/short"
query = {{ since = "{{since}}" }}
remember = {{ since = "json /next" }}
"#
    )
}
