//! WebSocket: what every reader sees through tungstenite, and what only bytes can tell (RFC 6455).

use feed::{Cursor, TopicName, Transport};
use futures_util::{SinkExt, StreamExt};
use reqwest::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{self, Error};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::answer::{Answer, seen};
use super::frames::{CLOSE, Frame, LAST_FRAGMENT, PING, PONG, TEXT, TEXT_FRAGMENT, masked, masked_head, unmasked};
use super::message::{Delivered, Message, Object, Start};
use super::reading::{self, Reader, Stream};
use super::report::Report;
use super::server::{Server, credentials, soon, subscription};
use super::step::{Held, departs, ensure, quoted};
use super::wire::Wire;
use crate::target::Line;

/// A message that no server should take: far beyond what a client of a feed has to say.
const OVERSIZED: usize = 16 << 20;
/// What is written of it at a time, bytes.
const PIECE: usize = 64 << 10;

/// A subscriber.
#[derive(Debug)]
pub(super) struct Ws {
    topic: TopicName,
    socket: WebSocketStream<Line>,
    cursor: Option<Cursor>,
}

impl Reader for Ws {
    const TRANSPORT: Transport = Transport::Ws;

    async fn open(server: &Server, topic: &TopicName, after: Option<&str>) -> Held<(Self, Start)> {
        let query: Vec<(&str, &str)> = after.map(|after| ("after", after)).into_iter().collect();
        let path = subscription(topic, Transport::Ws, &query);
        let what = format!("a WebSocket at {path}");
        let url = server.target.join(&path).replacen("http", "ws", 1);
        let opening = async {
            let stream = server.target.open().await?;
            let mut request = url.into_client_request()?;
            request.headers_mut().extend(credentials(&server.target).map(|value| (AUTHORIZATION, value)));
            client_async(request, stream).await
        };
        let (socket, _) = soon(&what, opening).await?.map_err(|error| match error {
            Error::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                departs(&what, seen(&format!("GET {path}"), response.status().as_u16(), response.headers(), body))
            }
            other => departs(&what, format!("an error: {other}")),
        })?;
        let mut this = Self { topic: topic.clone(), socket, cursor: None };
        let start = reading::begin(&mut this).await?;
        Ok((this, start))
    }

    async fn next(&mut self) -> Held<Delivered> {
        reading::notification(self).await
    }

    fn cursor(&self) -> Cursor {
        self.cursor.expect("every stream begins with a message that has a cursor")
    }
}

impl Stream for Ws {
    async fn message(&mut self) -> Held<Message> {
        let what = reading::awaited(self.cursor.is_some());
        loop {
            let received = soon(what, self.socket.next()).await?;
            let text = match received {
                Some(Ok(tungstenite::Message::Text(text))) => text,
                Some(Ok(tungstenite::Message::Ping(_) | tungstenite::Message::Pong(_))) => continue,
                Some(Ok(tungstenite::Message::Close(frame))) => {
                    let code = frame.map_or_else(|| "no code".to_owned(), |frame| format!("code {}", frame.code));
                    return Err(departs(what, format!("a close frame with {code}")));
                }
                Some(Ok(other)) => return Err(departs("text messages", quoted(&other.into_data()))),
                Some(Err(error)) => return Err(departs(what, format!("an error: {error}"))),
                None => return Err(departs(what, "the end of the connection")),
            };
            match Message::read(text.as_bytes(), &self.topic)? {
                Some(message) => {
                    match &message {
                        Message::Subscribed { cursor, .. } => self.cursor = Some(*cursor),
                        Message::Notification(delivered) => {
                            self.cursor = self.cursor.map(|cursor| Cursor { offset: delivered.id, ..cursor });
                        }
                        Message::Gap(_) => {}
                    }
                    return Ok(message);
                }
                None if self.cursor.is_some() => continue,
                None => return Err(departs(what, quoted(text.as_bytes()))),
            }
        }
    }
}

/// Puts the area's claims to the server.
pub(super) async fn walk(server: &Server, report: &mut Report<'_>) {
    report.enter("ws");
    reading::walk::<Ws>(server, report).await;
    report.step("the handshake is answered with 101 and the key's accept", accepts(server)).await;
    report.step("a ping is answered with a pong that has the same payload", ping(server)).await;
    report
        .step("a ping in text, {\"type\":\"ping\"}, is answered with {\"type\":\"pong\"}", ping_in_text(server))
        .await;
    report.step("whatever else a client says is ignored, and the connection stays", said(server)).await;
    report.step("a message in fragments, a ping between them, is taken", fragments(server)).await;
    report.step("a close frame is echoed, its code and all, and the connection ends", close(server)).await;
    report.step("a close frame without a code is echoed too", close_without_code(server)).await;
    report.step("a frame without a mask ends the connection with 1002", without_mask(server)).await;
    report.step("a frame with reserved bits ends the connection with 1002", reserved_bits(server)).await;
    report.step("text that is not UTF-8 ends the connection with 1007", not_utf8(server)).await;
    report.step("a message of 16 MiB ends the connection with 1009", oversized(server)).await;
    report.step("a version other than 13 is refused, and 13 named", version(server)).await;
    report.step("a handshake without a key, or no handshake at all, is refused", no_handshake(server)).await;
}

/// Shakes hands by hand; `fields` take the place of the version.
pub(super) async fn shake_hands(server: &Server, path: &str, fields: &str) -> Held<(Wire, Answer)> {
    let request = format!("GET {path}");
    let mut wire = Wire::dial(server).await?;
    let fields = format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{fields}");
    wire.write(wire.request(&request, &fields).as_bytes()).await?;
    let answer = wire.answer(&request).await?;
    Ok((wire, answer))
}

/// The fields of a handshake that is all right.
pub(super) fn thirteen() -> String {
    format!("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n", generate_key())
}

/// A connection whose first message has been read.
async fn open(server: &Server) -> Held<Wire> {
    let path = subscription(&server.fresh_topic(), Transport::Ws, &[]);
    let (mut wire, answer) = shake_hands(server, &path, &thirteen()).await?;
    answer.with_status(101)?;
    until(&mut wire, TEXT).await?;
    Ok(wire)
}

/// Reads up to the next frame of this kind; what the feed says meanwhile goes by.
async fn until(wire: &mut Wire, first: u8) -> Held<Frame> {
    let what = match first {
        CLOSE => "a close frame",
        PONG => "a pong",
        _ => "a text message",
    };
    loop {
        match wire.frame(what).await? {
            Some(frame) if frame.first == first => return Ok(frame),
            Some(frame) if frame.first == CLOSE => {
                return Err(departs(what, format!("a close frame with code {:?}", frame.close_code())));
            }
            Some(_) => {}
            None => return Err(departs(what, "the end of the connection")),
        }
    }
}

/// Holds if the server closes with this code and ends the connection.
async fn closes(wire: &mut Wire, code: u16) -> Held {
    let frame = until(wire, CLOSE).await?;
    let seen = frame.close_code().map_or_else(|| "none".to_owned(), |code| code.to_string());
    ensure(frame.close_code() == Some(code), format!("the close code {code}"), seen)?;
    // RFC 6455, section 5.5.1: who hears a close frame answers it; then the server is the one to end the connection.
    let _ = wire.write(&masked(CLOSE, &code.to_be_bytes())).await;
    ends(wire).await
}

async fn ends(wire: &mut Wire) -> Held {
    let rest = wire.rest().await?;
    ensure(rest.is_empty(), "nothing after the close frame", quoted(&rest))
}

async fn accepts(server: &Server) -> Held {
    let key = generate_key();
    let path = subscription(&server.fresh_topic(), Transport::Ws, &[]);
    let fields = format!("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n");
    let (_, answer) = shake_hands(server, &path, &fields).await?;
    let answer = answer.with_status(101)?;
    answer.ensure_header("upgrade", "websocket")?;
    let connection = answer.header("connection").unwrap_or_default();
    let upgrades = connection.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    ensure(upgrades, "`connection: upgrade`", answer.seen_header("connection"))?;
    let accept = derive_accept_key(key.as_bytes());
    let is = answer.header("sec-websocket-accept") == Some(&*accept);
    ensure(is, format!("`sec-websocket-accept: {accept}`"), answer.seen_header("sec-websocket-accept"))?;
    let extensions = answer.header("sec-websocket-extensions").unwrap_or_default();
    ensure(extensions.is_empty(), "no extension, as none was offered", quoted(extensions.as_bytes()))?;
    let protocol = answer.header("sec-websocket-protocol").unwrap_or_default();
    ensure(protocol.is_empty(), "no subprotocol, as none was offered", quoted(protocol.as_bytes()))
}

async fn ping(server: &Server) -> Held {
    let mut wire = open(server).await?;
    for payload in [&b"are you there?"[..], b"", &[0xff; 125]] {
        wire.write(&masked(PING, payload)).await?;
        let pong = until(&mut wire, PONG).await?;
        ensure(pong.payload == payload, format!("a pong with {}", quoted(payload)), quoted(&pong.payload))?;
    }
    Ok(())
}

async fn ping_in_text(server: &Server) -> Held {
    let mut wire = open(server).await?;
    wire.write(&masked(TEXT, br#"{"type":"ping"}"#)).await?;
    let answer = until(&mut wire, TEXT).await?;
    Object::read("the answer to a ping in text", &answer.payload)?.ensure_is("type", "pong")
}

async fn said(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let (mut reader, _) = Ws::open(server, &topic, None).await?;
    for said in ["hello", r#"{"type":"subscribe","topic":"x"}"#, ""] {
        let sent = reader.socket.send(tungstenite::Message::text(said)).await;
        sent.map_err(|error| departs("a connection that stays open", format!("an error: {error}")))?;
    }
    let cursor = server.publish(&topic, "1").await?;
    reader.next().await?.ensure_is(cursor.offset, "1")
}

async fn fragments(server: &Server) -> Held {
    let mut wire = open(server).await?;
    let frames =
        [masked(TEXT_FRAGMENT, b"hel"), masked(PING, b"between"), masked(LAST_FRAGMENT, b"lo"), masked(PING, b"after")];
    wire.write(&frames.concat()).await?;
    for payload in [&b"between"[..], b"after"] {
        let pong = until(&mut wire, PONG).await?;
        ensure(pong.payload == payload, format!("a pong with {}", quoted(payload)), quoted(&pong.payload))?;
    }
    Ok(())
}

async fn close(server: &Server) -> Held {
    let mut wire = open(server).await?;
    wire.write(&masked(CLOSE, b"\x03\xe8done")).await?;
    let code = until(&mut wire, CLOSE).await?.close_code();
    ensure(code == Some(1000), "the close code 1000", code.map_or_else(|| "none".to_owned(), |code| code.to_string()))?;
    ends(&mut wire).await
}

async fn close_without_code(server: &Server) -> Held {
    let mut wire = open(server).await?;
    wire.write(&masked(CLOSE, b"")).await?;
    until(&mut wire, CLOSE).await?;
    ends(&mut wire).await
}

async fn without_mask(server: &Server) -> Held {
    let mut wire = open(server).await?;
    wire.write(&unmasked(TEXT, b"hello")).await?;
    closes(&mut wire, 1002).await
}

async fn reserved_bits(server: &Server) -> Held {
    const RESERVED: u8 = 0x40;
    let mut wire = open(server).await?;
    wire.write(&masked(TEXT | RESERVED, b"hello")).await?;
    closes(&mut wire, 1002).await
}

async fn not_utf8(server: &Server) -> Held {
    let mut wire = open(server).await?;
    wire.write(&masked(TEXT, b"\xc3\x28")).await?;
    closes(&mut wire, 1007).await
}

async fn oversized(server: &Server) -> Held {
    let mut wire = open(server).await?;
    wire.write(&masked_head(TEXT, OVERSIZED)).await?;
    wire.pour(&[b'x'; PIECE], OVERSIZED / PIECE).await?;
    closes(&mut wire, 1009).await
}

async fn version(server: &Server) -> Held {
    let path = subscription(&server.fresh_topic(), Transport::Ws, &[]);
    let fields = format!("Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: {}\r\n", generate_key());
    let (_, answer) = shake_hands(server, &path, &fields).await?;
    ensure_no_upgrade(&answer)?;
    answer.ensure_header("sec-websocket-version", "13")
}

async fn no_handshake(server: &Server) -> Held {
    let path = subscription(&server.fresh_topic(), Transport::Ws, &[]);
    let (_, answer) = shake_hands(server, &path, "Sec-WebSocket-Version: 13\r\n").await?;
    ensure_no_upgrade(&answer)?;
    ensure_no_upgrade(&server.get(&path).await?)
}

/// Many servers leave the handshake to a library, so that no body is asked for here.
fn ensure_no_upgrade(answer: &Answer) -> Held {
    ensure(matches!(answer.status, 426 | 400), "426 or 400", answer.seen())
}
