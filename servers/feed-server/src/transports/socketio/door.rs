//! The way in over HTTP: what a request is about, and the rules of Engine.IO that the library leaves to us.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use bytes::Bytes;
use feed::SOCKET_IO_PATH;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use serde::Deserialize;
use socketioxide::service::SocketIoService;
use socketioxide::{ParserConfig, SocketIo};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tower_service::Service;

use super::line::{Line, Lines};
use super::room::{NOTIFICATION, UnderWay};
use super::wire::Wire;
use super::{namespace, upgrade};
use crate::app::App;
use crate::detour::WholeBody;
use crate::guards;
use crate::guards::count::Guard;
use crate::guards::grants::Pass;
use crate::refusal::Refusal;
use crate::stats::{Kind, Meter, Reason};

/// Between packets in the body of a poll or a post.
const SEPARATOR: u8 = 0x1e;
/// The packet that ends a session.
pub(super) const CLOSE: &str = "1";
/// The packet that says nothing, which ends a poll.
const NOOP: &str = "6";
/// Binary attachments of one event: those of this feed have one. An event with more ends the session.
const ATTACHMENTS_MAX: usize = 16;
/// Where it lives.
pub(crate) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let (over, mut hung_up) = mpsc::unbounded_channel::<String>();
    let door = Arc::new(Door::new(app.clone(), over));
    let ending = Arc::downgrade(&door);
    tokio::spawn(async move {
        while let Some(sid) = hung_up.recv().await {
            let Some(door) = ending.upgrade() else { return };
            door.end(&sid).await;
        }
    });
    Router::new().route(SOCKET_IO_PATH, any(open)).with_state(door)
}

/// The library, and what we keep of its sessions.
pub(super) struct Door {
    pub(super) app: Arc<App>,
    service: SocketIoService<Router>,
    lines: Arc<Lines>,
}

/// Whose request it is.
pub(super) enum Session {
    New,
    Known(String, Arc<Line>),
}

/// Finds out what a request is about.
async fn open(
    State(door): State<Arc<Door>>,
    Extension(meter): Extension<Arc<Meter>>,
    request: Request,
) -> Result<Response, Refusal> {
    meter.label(Kind::SocketIo);
    let (mut parts, body) = request.into_parts();
    let pass = parts.extensions.remove::<Pass>();
    // The library keeps what opens a session as long as the session: it must not keep the connection's meter.
    parts.extensions = http::Extensions::new();
    let field = |name| parameter(&parts.uri, name);
    let session = match field("sid") {
        None => Session::New,
        Some(sid) => match door.lines.find(sid) {
            // Where the session began with a token, an id that was overheard is not enough.
            Some(line) if line.pass.is_some() && pass.is_none() => return Err(guards::token::missing()),
            Some(line) => Session::Known(sid.to_owned(), line),
            None => {
                return Err(Refusal::bad_request("unknown sid: the session has ended, or never was; begin a new one"));
            }
        },
    };
    match (field("EIO"), field("transport"), &parts.method, session) {
        (Some("4"), Some("websocket"), _, session) => upgrade::open(door, parts, session, pass),
        (Some("4"), Some("polling"), &Method::GET, Session::New) => door.handshake(parts, pass).await,
        (Some("4"), Some("polling"), &Method::GET, Session::Known(sid, line)) => {
            Ok(door.poll(&meter, parts, sid, &line).await)
        }
        (Some("4"), Some("polling"), &Method::POST, Session::Known(sid, line)) => {
            door.post(parts, body, &sid, &line).await
        }
        (Some("4"), Some("polling"), method, _) => Err(Refusal::bad_request(format!(
            "{method} is not for this: expected GET to begin and to poll, POST to send"
        ))),
        (Some("4"), _, _, _) => Err(Refusal::bad_request("expected transport=polling or transport=websocket")),
        _ => Err(Refusal::bad_request("expected EIO=4: Engine.IO 4, which Socket.IO clients 3 and 4 speak")),
    }
}

/// A field of the query, as it is written; no value of this protocol needs decoding.
fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let fields = uri.query().unwrap_or_default().split('&');
    fields.filter_map(|field| field.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

impl Door {
    /// Sessions that poll and are to be ended are told to `over`.
    fn new(app: Arc<App>, over: mpsc::UnboundedSender<String>) -> Self {
        let config = &app.config;
        let payload_max = config.socketio_payload_max;
        let parser =
            ParserConfig::common().max_incoming_binary_buf_size(payload_max).max_incoming_binaries(ATTACHMENTS_MAX);
        let (service, io) = SocketIo::builder()
            .ping_interval(config.socketio_ping_interval)
            .ping_timeout(config.socketio_ping_timeout)
            .connect_timeout(config.socketio_connect_timeout)
            .max_payload(payload_max as u64)
            .ws_max_message_size(payload_max)
            .ws_max_frame_size(payload_max)
            .with_parser(parser)
            .build_with_inner_svc(Router::new());
        namespace::open(&io, &app);
        let stopping = app.clone();
        tokio::spawn(async move {
            // Sessions have their farewell from us, when a connection of theirs leaves; what is left then has none.
            if let Some(departures) = stopping.closing.clone().begun().await {
                sleep_until(departures.end()).await;
            }
            io.close().await;
        });
        Self { app, service, lines: Arc::new(Lines::new(over)) }
    }

    /// A line for a new session, of a client that showed `pass`. Three quarters of a payload leave room for what is no notification: a poll's answer is then never
    /// cut, and the library has nothing to forget when a session that has a packet left over becomes a WebSocket.
    pub(super) fn line(&self, pass: Option<Pass>) -> Arc<Line> {
        Line::new(self.app.config.socketio_payload_max / 4 * 3, pass)
    }

    /// Begins a session that polls.
    async fn handshake(&self, mut parts: Parts, pass: Option<Pass>) -> Result<Response, Refusal> {
        #[derive(Deserialize)]
        struct Open {
            sid: String,
        }
        let max = self.app.config.socketio_sessions_max;
        let Some(_place) = self.lines.reserve(max) else {
            let error = format!("{max} polling sessions are open already: come back later");
            return Err(Refusal::overloaded(error).by(Guard::SocketIoSessionsMax));
        };
        let line = self.line(pass);
        parts.extensions.insert(line.clone());
        let (status, body) = self.pass(parts, Bytes::new()).await;
        if let Some(open) = body.strip_prefix(b"0").and_then(|json| serde_json::from_slice::<Open>(json).ok()) {
            self.lines.list(open.sid, &line);
        }
        Ok(answer(status, body))
    }

    /// Holds a poll until the session has something to say.
    async fn poll(self: Arc<Self>, meter: &Meter, parts: Parts, sid: String, line: &Line) -> Response {
        let held = Held { door: self.clone(), sid: Some(sid.clone()) };
        let (status, body) = tokio::select! {
            biased;
            () = line.until_probed() => (StatusCode::OK, Bytes::from_static(NOOP.as_bytes())),
            answered = self.pass(parts, Bytes::new()) => answered,
            () = self.app.closing.clone().due(meter) => {
                if line.ends() {
                    self.app.stats.ended(Kind::SocketIo, Reason::Shutdown);
                }
                self.end(&sid).await;
                (StatusCode::OK, Bytes::from_static(CLOSE.as_bytes()))
            }
        };
        held.answered();
        let written = notifications(&body);
        meter.answered(written.count);
        line.room.give(written);
        answer(status, body)
    }

    /// Takes packets from a client that polls. Whatever is wrong with them ends the session.
    async fn post(&self, parts: Parts, body: Body, sid: &str, line: &Line) -> Result<Response, Refusal> {
        let Some(posting) = line.post() else {
            self.end(sid).await;
            return Err(Refusal::bad_request(
                "two posts at a time, which would lose their order: the session is closed",
            ));
        };
        let config = &self.app.config;
        let read =
            guards::body::read(body, config.socketio_payload_max, "--socketio-payload-max", config.head_timeout).await;
        let taken = match read {
            Ok(body) if body.is_empty() => Err(Refusal::bad_request("no packet: the session is closed")),
            Ok(body) => Ok(self.pass(parts, body).await),
            Err(refusal) => Err(refusal),
        };
        drop(posting);
        if !matches!(taken, Ok((StatusCode::OK, _))) {
            self.end(sid).await;
        }
        let (status, body) = taken?;
        Ok((Extension(WholeBody), answer(status, body)).into_response())
    }

    /// Has the library answer.
    async fn pass(&self, parts: Parts, body: Bytes) -> (StatusCode, Bytes) {
        let request = Request::from_parts(parts, Body::from(body));
        let Ok(response) = Service::<Request>::call(&mut self.service.clone(), request).await;
        let status = response.status();
        let body = to_bytes(Body::new(response.into_body()), usize::MAX).await;
        (status, body.unwrap_or_default())
    }

    /// Has the library speak over `wire`, in a task of its own.
    pub(super) async fn speak(&self, wire: Wire, request: http::Request<()>) {
        if let Err(error) = Service::<(Wire, http::Request<()>)>::call(&mut self.service.clone(), (wire, request)).await
        {
            tracing::debug!(%error, "a session could not begin");
        }
    }

    /// Ends a session that polls, as its client would; one that has become a WebSocket, or has ended, is left alone.
    pub(super) async fn end(&self, sid: &str) {
        let request = http::Request::post(format!("{SOCKET_IO_PATH}?EIO=4&transport=polling&sid={sid}")).body(());
        let (parts, ()) = request.expect("a known sid is URL-safe").into_parts();
        self.pass(parts, Bytes::from_static(CLOSE.as_bytes())).await;
    }
}

/// A poll that waits: when its client cancels it, what it was about to be told may be lost, so the session ends.
struct Held {
    door: Arc<Door>,
    sid: Option<String>,
}

impl Held {
    fn answered(mut self) {
        self.sid = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let (Some(sid), Ok(runtime)) = (self.sid.take(), Handle::try_current()) {
            let door = self.door.clone();
            runtime.spawn(async move { door.end(&sid).await });
        }
    }
}

/// The notifications in the body of a poll.
fn notifications(body: &[u8]) -> UnderWay {
    let packets = body.split(|byte| *byte == SEPARATOR).filter(|packet| packet.starts_with(NOTIFICATION));
    packets.fold(UnderWay::default(), |sum, packet| UnderWay { count: sum.count + 1, bytes: sum.bytes + packet.len() })
}

fn answer(status: StatusCode, body: Bytes) -> Response {
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8")), (CONTENT_LENGTH, body.len().into())];
    (status, headers, body).into_response()
}
