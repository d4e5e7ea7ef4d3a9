//! The way in over WebSocket: the handshake leaves HTTP as every stream does, then the library speaks over the socket.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use feed::framings::websocket::{self, Opcode, close};
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::door::{CLOSE, Door, Session};
use super::line::Line;
use super::probe::{ANSWER, probe};
use super::wire::{Returned, Wire};
use crate::guards::grants::Pass;
use crate::refusal::Refusal;
use crate::socket::Socket;
use crate::stats::Reason;
use crate::takeover::{self, Takeover};
use crate::transports::ws;

/// How long the last frames of a session may take to be written when the server stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Shakes hands (RFC 6455, section 4.2.1), for a new session or for one that polls.
pub(super) fn open(door: Arc<Door>, parts: Parts, session: Session, pass: Option<Pass>) -> Result<Response, Refusal> {
    let accept = ws::shake_hands(&parts.method, parts.version, &parts.headers)?;
    let (line, sid) = match session {
        Session::New => (door.line(pass), None),
        Session::Known(sid, line) if line.wire() => (line, Some(sid)),
        Session::Known(..) => return Err(Refusal::bad_request("this session has a WebSocket already")),
    };
    let headers = [
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (http::header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    let head = takeover::head(StatusCode::SWITCHING_PROTOCOLS, &headers.into_iter().collect::<HeaderMap>());
    let mut request = Request::from_parts(parts, ());
    request.extensions_mut().insert(line.clone());
    let claim = Claim(Some(line.clone()));
    Ok(Takeover::response(move |socket| deliver(door, line, claim, sid, head.into(), request, socket)))
}

/// A session's claim to its first WebSocket: given back when that comes to nothing before the head of the answer is written.
struct Claim(Option<Arc<Line>>);

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            line.unwire();
        }
    }
}

/// Lends the socket to the library until its session ends.
async fn deliver(
    door: Arc<Door>,
    line: Arc<Line>,
    mut claim: Claim,
    sid: Option<String>,
    head: Bytes,
    request: Request<()>,
    mut socket: Socket,
) -> Option<Socket> {
    let patience = door.app.config.write_timeout;
    let (closing, meter) = (door.app.closing.clone(), socket.meter().clone());
    timeout(patience, socket.write_all(&head)).await.ok()?.ok()?;
    claim.0 = None;
    let mut written = 0;
    if sid.is_some() {
        socket = tokio::select! {
            probed = probe(socket, &line) => probed?,
            () = closing.clone().due(&meter) => return None,
        };
        line.upgraded();
        written = ANSWER.len();
    }
    let (wire, mut returned) = Wire::new(socket, line.clone(), written, patience);
    door.speak(wire, request).await;
    let (returned, leaves) = tokio::select! {
        biased;
        returned = &mut returned => (returned.ok(), false),
        () = closing.due(&meter) => {
            if line.ends() {
                meter.ended(Reason::Shutdown);
            }
            line.hang_up();
            (returned.await.ok(), true)
        }
    };
    // An upgrade that failed after all would leave a session that polls get no answers from.
    if let Some(sid) = sid {
        door.end(&sid).await;
    }
    let Returned { mut socket, is_whole } = returned?;
    if leaves && is_whole {
        timeout(FAREWELL, socket.write_all(&farewell())).await.ok()?.ok()?;
    }
    socket.linger().await;
    None
}

/// Ends the session so that its client connects again: with a packet that says so, where one that ends the namespace would keep the
/// official client from it, and with the code of a restart.
fn farewell() -> Vec<u8> {
    let close = websocket::close_payload(close::RESTART, "the server stops: come back");
    [websocket::write(Opcode::Text, CLOSE.as_bytes()), websocket::write(Opcode::Close, &close)].concat()
}
