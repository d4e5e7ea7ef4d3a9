//! The way in over WebSocket: the handshake leaves HTTP as every stream does, then the library speaks over the socket.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::door::{Door, Session};
use super::line::Line;
use super::probe::{ANSWER, probe};
use super::wire::Wire;
use crate::guards::grants::Pass;
use crate::refusal::Refusal;
use crate::socket::Socket;
use crate::takeover::{self, Takeover};
use crate::transports::ws;

/// How long a session may take over its goodbye when the server stops.
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
    timeout(patience, socket.write_all(&head)).await.ok()?.ok()?;
    claim.0 = None;
    let mut written = 0;
    if sid.is_some() {
        socket = tokio::select! {
            probed = probe(socket, &line) => probed?,
            () = door.app.stopped() => return None,
        };
        line.upgraded();
        written = ANSWER.len();
    }
    let (wire, mut returned) = Wire::new(socket, line.clone(), written, patience);
    door.speak(wire, request).await;
    let socket = tokio::select! {
        biased;
        socket = &mut returned => socket.ok(),
        () = door.app.stopped() => match timeout(FAREWELL, &mut returned).await {
            Ok(socket) => socket.ok(),
            Err(_) => {
                line.hang_up();
                returned.await.ok()
            }
        },
    };
    // An upgrade that failed after all would leave a session that polls get no answers from.
    if let Some(sid) = sid {
        door.end(&sid).await;
    }
    socket?.linger().await;
    None
}
