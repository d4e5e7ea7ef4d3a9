//! Server-Sent Events: one answer that never ends, an event for each notification; in chunks, or, over HTTP/1.0, as they are.
//!
//! Connections: one, which carries nothing from the client after its request.
//! Bytes: one pair of HTTP heads in all; then a chunk head, an `id:` and a `data:` around each notification, about 40 bytes.
//! Waiting: none.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use feed::Cursor;
use feed::framings::sse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use rand::RngExt;

use crate::app::App;
use crate::clock;
use crate::guards::grants::{Lease, Pass};
use crate::guards::origin::Cors;
use crate::guards::topics::Topic;
use crate::hub::Start;
use crate::last_event_id;
use crate::refusal::Refusal;
use crate::session::{Lost, Session, Wake};
use crate::socket::Socket;
use crate::stats::{Kind, Meter, Reason};
use crate::takeover::{self, Takeover};
use crate::transports::coding::Coding;

/// What a client may send after its request, though nobody listens; more ends the stream.
const IGNORED_MAX: usize = 16 << 10;

/// How long a client of a server that stops shall wait before it comes back, in parts of `--sse-retry`: clients that once came together
/// drift apart.
const RETRY: std::ops::Range<f64> = 0.5..1.5;

/// Where it lives.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/topics/{topic}/sse", get(open))
}

/// Accepts a reader and takes its cursor.
async fn open(
    State(app): State<Arc<App>>,
    Extension(meter): Extension<Arc<Meter>>,
    topic: Topic,
    cors: Option<Extension<Cors>>,
    pass: Option<Extension<Pass>>,
    request: Request,
) -> Result<Response, Refusal> {
    meter.label(Kind::Sse);
    let coding = Coding::of(request.version());
    let after = last_event_id::start(request.uri(), request.headers())?;
    let log = topic.log(&app, after).await?;
    let head = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    if *request.method() == Method::HEAD {
        return Ok((StatusCode::OK, head).into_response());
    }
    Ok(Takeover::response(move |socket| {
        let mut head: HeaderMap = head.into_iter().collect();
        coding.dress(&mut head);
        if let Some(Extension(cors)) = cors {
            cors.dress(&mut head);
        }
        let start = log.start(after);
        let mut session = Session::new(socket, log, start.cursor, coding.form(), app.config.write_timeout);
        session.send(takeover::head(StatusCode::OK, &head));
        greet(&mut session, coding, start, app.config.sse_retry);
        let lease = Lease::of(pass.as_deref());
        deliver(session, coding, app.config.heartbeat, app.config.sse_retry, lease)
    }))
}

/// The first events: where the subscription begins, and what is lost before it.
fn greet(session: &mut Session, coding: Coding, start: Start, retry: Duration) {
    let subscribed = session.subscribed(start);
    session.send(coding.piece(sse::write(Some("subscribed"), Some(start.cursor), Some(retry), &subscribed)));
    if !start.recovered {
        tell_gap(session, coding, start.cursor);
    }
}

/// Waits, writes, moves the cursor, until somebody goes.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice, and there are thousands of these")]
fn deliver(
    mut session: Box<Session>,
    coding: Coding,
    heartbeat: Duration,
    retry: Duration,
    lease: Lease,
) -> impl Future<Output = Option<Socket>> + Send {
    async move {
        let mut ignored = 0;
        // One that waits to be written counts: who takes nothing is not sent one after the other.
        let mut beat = session.wrote();
        let reason = loop {
            match session.next(lease.cut(beat.max(session.wrote()) + heartbeat)).await {
                Wake::Moved | Wake::Readable | Wake::Due if lease.is_over() => break Reason::TokenExpired,
                Wake::Moved => match session.read() {
                    Ok(batch) => session.deliver(batch.entries.iter().map(|entry| coding.notification(entry))),
                    Err(Lost::History(oldest)) => tell_gap(&mut session, coding, oldest),
                    Err(Lost::FellBehind(oldest)) => {
                        tell_gap(&mut session, coding, oldest);
                        break Reason::FellBehind;
                    }
                },
                Wake::Due => {
                    beat = clock::now();
                    session.send(coding.piece(sse::HEARTBEAT.to_vec()));
                }
                Wake::Readable => {
                    ignored += session.receive(|_, _| ())?;
                    if ignored > IGNORED_MAX {
                        break Reason::TooMuch;
                    }
                }
                Wake::FellBehind => {
                    session.skip();
                    let oldest = session.log().oldest();
                    tell_gap(&mut session, coding, oldest);
                    break Reason::FellBehind;
                }
                Wake::Stalled => {
                    session.ended(Reason::WriteTimeout);
                    return None;
                }
                Wake::Closing => {
                    let retry = retry.mul_f64(rand::rng().random_range(RETRY));
                    session.send(coding.piece(format!("retry:{}\n\n", retry.as_millis()).into_bytes()));
                    break Reason::Shutdown;
                }
                Wake::Gone | Wake::Answered => return None,
            }
        };
        session.ended(reason);
        if let Some(end) = coding.end() {
            session.send(end);
        }
        let socket = session.finish().await?;
        if coding == Coding::UntilClose {
            // Closed at once, with something of the client's unread, it would be cut, which nobody could tell from its end.
            socket.linger().await;
        }
        None
    }
}

fn tell_gap(session: &mut Session, coding: Coding, oldest: Cursor) {
    let gap = session.gap(oldest);
    session.send(coding.piece(sse::write(Some("gap"), None, None, &gap)));
}
