//! WebSocket: a handshake, then frames both ways.
//!
//! Connections: one, which leaves HTTP behind.
//! Bytes: one pair of HTTP heads in all; then 2 to 10 bytes before each notification, and pings.
//! Waiting: none.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use base64::Engine;
use bytes::Bytes;
use feed::Cursor;
use feed::framings::websocket::{self, Message, Opcode, Reader, Role, close};
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, Version};

use crate::app::App;
use crate::clock;
use crate::config::Config;
use crate::fanout::Form;
use crate::guards::messages::{self, Messages};
use crate::guards::topics::Topic;
use crate::hub::Start;
use crate::outbox::Outbox;
use crate::refusal::Refusal;
use crate::session::{Lost, Session, Wake};
use crate::socket::Socket;
use crate::stats::{Kind, Meter, Reason};
use crate::subscription::{self, Params};
use crate::takeover::{self, Takeover};
use crate::transports::acknowledged::{self, Wish};

/// Bytes that a client may say between two pings of the server and that get no answer, beyond one message of the largest size;
/// more ends the stream. They are read, because a pong or a close may be among them; a well-behaved client sends next to none.
const IGNORED_MAX: usize = 1 << 20;
/// What a client gets beyond `--pong-timeout`, so that a pong which has come and is not yet read still counts.
const LAST_LOOK: Duration = Duration::from_millis(100);
/// Bytes before the payload of a client's frame of up to 125 bytes, the mask included.
const FRAME_HEAD: usize = 6;

/// What is wrong with a handshake over HTTP/1.0, which has no upgrades (RFC 9110, section 7.8). Mostly a proxy made it so.
const TOO_OLD: &str = "this request came over HTTP/1.0, and a WebSocket begins with HTTP/1.1: if nginx stands in front, set \
                       `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;`";

/// Where it lives.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/topics/{topic}/ws", get(open))
}

/// Accepts a reader, if it shakes hands as RFC 6455 says (section 4.2.1), and takes its cursor.
async fn open(
    State(app): State<Arc<App>>,
    Extension(meter): Extension<Arc<Meter>>,
    topic: Topic,
    method: Method,
    version: Version,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    meter.label(Kind::Ws);
    let Params { after } = subscription::params(&uri)?;
    let after = subscription::after(after.as_deref())?.unwrap_or_default();
    let accept = shake_hands(&method, version, &headers)?;
    let log = topic.log(&app, after).await?;
    Ok(Takeover::response(move |socket| {
        let start = log.start(after);
        let mut session = Session::new(socket, log, start.cursor, Form::Frames, app.config.write_timeout);
        session.send(head(accept));
        greet(&mut session, start);
        deliver(session, app, topic, false)
    }))
}

/// The answer to a handshake.
pub(super) fn head(accept: HeaderValue) -> Vec<u8> {
    let fields = [
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    takeover::head(StatusCode::SWITCHING_PROTOCOLS, &fields.into_iter().collect())
}

/// Checks the handshake, and says what to answer to its key.
pub(crate) fn shake_hands(method: &Method, version: Version, headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    let has_token = |name: HeaderName, token: &str| {
        let holds = |value: &HeaderValue| {
            value.to_str().is_ok_and(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
        };
        headers.get_all(name).iter().any(holds)
    };
    if version < Version::HTTP_11 {
        return Err(
            Refusal::new(StatusCode::UPGRADE_REQUIRED, TOO_OLD).with(UPGRADE, HeaderValue::from_static("websocket"))
        );
    }
    let upgrades = has_token(CONNECTION, "upgrade") && has_token(UPGRADE, "websocket");
    if method != Method::GET || version != Version::HTTP_11 || !upgrades {
        let error = "expected a WebSocket handshake: GET, HTTP/1.1, Connection: Upgrade, Upgrade: websocket (nginx in front passes \
                     them on with `proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;`)";
        return Err(
            Refusal::new(StatusCode::UPGRADE_REQUIRED, error).with(UPGRADE, HeaderValue::from_static("websocket"))
        );
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let error = "expected Sec-WebSocket-Version: 13";
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, error)
            .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    match base64::engine::general_purpose::STANDARD.decode(key) {
        Ok(decoded) if decoded.len() == 16 => {
            Ok(HeaderValue::try_from(websocket::accept_key(key)).expect("base64 is ASCII"))
        }
        _ => Err(Refusal::bad_request("bad Sec-WebSocket-Key: expected 16 bytes in base64")),
    }
}

/// The first messages: where the subscription begins, and what is lost before it.
fn greet(session: &mut Session, start: Start) {
    let subscribed = session.subscribed(start);
    session.send(text(&subscribed));
    if !start.recovered {
        tell_gap(session, start.cursor);
    }
}

/// Waits, writes, moves the cursor, answers pings, and publishes on `topic` what the client says, until somebody goes. With `echo`,
/// what it says is said back to it.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice, and there are thousands of these")]
pub(super) fn deliver(
    mut session: Box<Session>,
    app: Arc<App>,
    topic: Topic,
    echo: bool,
) -> impl Future<Output = Option<Socket>> + Send {
    async move {
        let Config { message_max, body_max, .. } = app.config;
        let lease = topic.lease();
        let mut client = Client {
            reader: Reader::new(Role::Server, message_max),
            messages: Messages::new(app.config.messages()),
            echo,
            heard: false,
            goodbye: None,
            wishes: Vec::new(),
            payload_max: body_max,
            ignored: 0,
            answered: 0,
        };
        let mut ignored_bytes = 0;
        let (mut pinged, mut overdue) = (false, false);
        let mut due = clock::now() + app.config.ping_interval;
        let (code, why, reason) = loop {
            match session.next(lease.cut(due)).await {
                Wake::Moved | Wake::Readable | Wake::Due if lease.is_over() => {
                    break (close::POLICY, "token expired", Reason::TokenExpired);
                }
                Wake::Moved => match session.read() {
                    Ok(batch) => session.deliver(batch.entries.iter().map(|entry| entry.frame())),
                    Err(Lost::History(oldest)) => tell_gap(&mut session, oldest),
                    Err(Lost::FellBehind(oldest)) => {
                        tell_gap(&mut session, oldest);
                        break (close::POLICY, "fell out of the retained history", Reason::FellBehind);
                    }
                },
                Wake::Readable => {
                    ignored_bytes += session.receive(|bytes, outbox| client.hear(bytes, outbox))?;
                    ignored_bytes = ignored_bytes.saturating_sub(std::mem::take(&mut client.answered));
                    for wish in std::mem::take(&mut client.wishes) {
                        // Boxed: idle readers, who are many, have no room for it.
                        let ack = Box::pin(acknowledged::fulfil(&app, &topic, wish)).await;
                        session.send(text(&ack));
                    }
                    for _ in 0..std::mem::take(&mut client.ignored) {
                        session.meter().ignored();
                    }
                    match client.goodbye.take() {
                        None if ignored_bytes > IGNORED_MAX.saturating_add(app.config.message_max) => {
                            break (close::POLICY, "said too much that is ignored", Reason::TooMuch);
                        }
                        None => {}
                        Some(Goodbye::Said(code)) => {
                            session.send(websocket::write(Opcode::Close, &close_reply(code)));
                            session.finish().await;
                            return None;
                        }
                        Some(Goodbye::TooOften) => break (close::POLICY, messages::REFUSAL, Reason::MessagesPerSecond),
                        Some(Goodbye::Fault(error)) => {
                            let reason =
                                if error.code == close::TOO_BIG { Reason::TooMuch } else { Reason::ProtocolError };
                            break (error.code, error.reason, reason);
                        }
                    }
                }
                Wake::Due if !pinged => {
                    (pinged, client.heard, ignored_bytes) = (true, false, 0);
                    session.send(websocket::write(Opcode::Ping, b""));
                    due = clock::now() + app.config.pong_timeout;
                }
                Wake::Due if client.heard => {
                    (pinged, overdue) = (false, false);
                    let Config { ping_interval, pong_timeout, .. } = app.config;
                    due = clock::now() + ping_interval.saturating_sub(pong_timeout);
                }
                Wake::Due if !overdue => {
                    overdue = true;
                    due = clock::now() + LAST_LOOK;
                }
                Wake::Due => break (close::POLICY, "no pong in time", Reason::PongTimeout),
                Wake::FellBehind => {
                    session.skip();
                    let oldest = session.log().oldest();
                    tell_gap(&mut session, oldest);
                    break (close::POLICY, "fell out of the retained history", Reason::FellBehind);
                }
                Wake::Stalled => {
                    session.ended(Reason::WriteTimeout);
                    return None;
                }
                Wake::Closing => break (close::RESTART, "the server stops: come back", Reason::Shutdown),
                Wake::Gone | Wake::Answered => return None,
            }
        };
        session.ended(reason);
        session.send(websocket::write(Opcode::Close, &websocket::close_payload(code, why)));
        session.finish().await?.linger().await;
        None
    }
}

/// What comes from the client.
struct Client {
    reader: Reader,
    messages: Messages,
    echo: bool,
    heard: bool,
    goodbye: Option<Goodbye>,
    /// What it wants to publish, and has not been answered.
    wishes: Vec<Wish>,
    /// Bytes that a payload may have.
    payload_max: usize,
    /// Messages that get no answer.
    ignored: usize,
    /// Bytes of messages that got one.
    answered: usize,
}

enum Goodbye {
    Said(Option<u16>),
    Fault(websocket::ProtocolError),
    TooOften,
}

impl Client {
    /// Answers pings, in frames and in text, keeps what is to be published, and ignores whatever else a client may say.
    fn hear(&mut self, bytes: &[u8], outbox: &mut Outbox) {
        let Self { reader, messages, echo, heard, goodbye, wishes, payload_max, ignored, answered } = self;
        let heard_out = reader.read(bytes, |message| match message {
            _ if matches!(goodbye, Some(Goodbye::TooOften)) => {}
            Message::Ping(_) | Message::Text(_) | Message::Binary(_) if !messages.admit() => {
                *goodbye = Some(Goodbye::TooOften);
            }
            Message::Ping(payload) => {
                *answered += FRAME_HEAD + payload.len();
                outbox.push(websocket::write(Opcode::Pong, payload).into());
            }
            Message::Pong(_) => *heard = true,
            Message::Close(code, _) => *goodbye = Some(Goodbye::Said(code)),
            Message::Text(said) if *echo => {
                *answered += FRAME_HEAD + said.len();
                outbox.push(websocket::write(Opcode::Text, said.as_bytes()).into());
            }
            Message::Binary(said) if *echo => {
                *answered += FRAME_HEAD + said.len();
                outbox.push(websocket::write(Opcode::Binary, said).into());
            }
            Message::Text(said) if is_ping(said) => {
                *answered += FRAME_HEAD + said.len();
                outbox.push(text(br#"{"type":"pong"}"#));
            }
            Message::Text(said) => match acknowledged::read(said, *payload_max) {
                Some(wish) => {
                    *answered += FRAME_HEAD + said.len();
                    wishes.push(wish);
                }
                None => *ignored += 1,
            },
            Message::Binary(_) => *ignored += 1,
        });
        if let Err(error) = heard_out {
            *goodbye = Some(Goodbye::Fault(error));
        }
    }
}

/// True for `{"type":"ping"}`: the ping of clients that cannot send ping frames, as browsers.
fn is_ping(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Said<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
    }
    text.len() <= 64 && serde_json::from_str::<Said<'_>>(text).is_ok_and(|said| said.kind == "ping")
}

fn close_reply(code: Option<u16>) -> Vec<u8> {
    code.map_or_else(Vec::new, |code| websocket::close_payload(code, ""))
}

fn text(json: &[u8]) -> Bytes {
    websocket::write(Opcode::Text, json).into()
}

fn tell_gap(session: &mut Session, oldest: Cursor) {
    let gap = session.gap(oldest);
    session.send(text(&gap));
}
