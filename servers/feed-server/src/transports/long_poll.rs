//! Long polling: the client asks, and the answer waits until there is something to say.
//!
//! Connections: one, always with a request on its way.
//! Bytes: two HTTP heads for each batch of notifications, and for each `wait` without any.
//! Waiting: none while a request is held; one round trip for what is published between an answer and the next request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use feed::{After, Cursor};
use http::Method;
use serde::Deserialize;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::app::App;
use crate::clock;
use crate::fanout::Form;
use crate::guards::grants::{Lease, Pass};
use crate::guards::origin::Cors;
use crate::guards::token;
use crate::guards::topics::Topic;
use crate::refusal::Refusal;
use crate::session::{Session, Wake};
use crate::socket::Socket;
use crate::stats::{Kind, Meter, Reason};
use crate::subscription;
use crate::takeover::{self, Takeover};

/// Seconds that an answer waits unless the client says otherwise: less than the 30 s after which many proxies give up.
const WAIT: f64 = 25.0;
/// Bytes of further requests that are kept while an answer is held; what exceeds them waits in the socket.
const EARLY_MAX: usize = 16 << 10;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    after: Option<String>,
    wait: Option<f64>,
}

/// Where it lives.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/topics/{topic}/long-poll", get(open))
}

/// Accepts a reader and takes its cursor; answers at once if it can, holds the answer otherwise.
async fn open(
    State(app): State<Arc<App>>,
    Extension(meter): Extension<Arc<Meter>>,
    topic: Topic,
    request: Request,
) -> Result<Response, Refusal> {
    meter.label(Kind::LongPoll);
    let (method, headers) = (request.method(), request.headers());
    let Params { after, wait } = subscription::params(request.uri())?;
    let wait = checked(wait.unwrap_or(WAIT), app.config.wait_max)?;
    let known = subscription::if_none_match(headers);
    let after = subscription::after(after.as_deref())?.or(known.map(After::Cursor)).unwrap_or_default();
    let log = topic.log(&app, after).await?;
    let max = app.config.answer_bytes;
    let answer = Answer::read(&log, after, max);
    if !answer.is_empty() || wait.is_zero() || *method == Method::HEAD {
        return Ok(answer.response(&meter, known, method));
    }
    let cursor = answer.cursor();
    let keep_alive = takeover::keeps_alive(request.version(), headers);
    let cors = request.extensions().get::<Cors>().cloned();
    let lease = Lease::of(request.extensions().get::<Pass>());
    Ok(Takeover::held(move |socket| {
        // The answer that is shared says nothing of closing, or of pages that may read it.
        let form = if keep_alive && cors.is_none() { Form::Answer } else { Form::Call };
        let session = Session::new(socket, log, cursor, form, app.config.write_timeout);
        deliver(session, Question { known, keep_alive, cors, lease, until: clock::now() + wait, max })
    }))
}

fn checked(wait: f64, max: Duration) -> Result<Duration, Refusal> {
    match Duration::try_from_secs_f64(wait) {
        Ok(wait) if wait <= max => Ok(wait),
        _ => Err(Refusal::bad_request(format!("bad wait `{wait}`: expected 0 to {} seconds", max.as_secs_f64()))),
    }
}

/// What a held answer has to observe.
struct Question {
    known: Option<Cursor>,
    keep_alive: bool,
    cors: Option<Cors>,
    lease: Lease,
    until: Instant,
    max: usize,
}

/// Waits until the head moves, the time is over, the server stops or the client is gone; answers, and gives the socket back
/// for the next request.
async fn deliver(mut session: Box<Session>, question: Question) -> Option<Socket> {
    let mut early = Vec::new();
    let mut keep_alive = question.keep_alive;
    loop {
        match session.next(question.lease.cut(question.until)).await {
            Wake::Moved | Wake::Readable | Wake::Due if question.lease.is_over() => {
                session.ended(Reason::TokenExpired);
                session.send(token::expired().last_answer());
                session.finish().await?.linger().await;
                return None;
            }
            Wake::Answered => return give_back(session, &early).await,
            Wake::Moved | Wake::Due => break,
            Wake::Readable => {
                session.receive(|bytes, _| early.extend_from_slice(bytes))?;
                // Nothing more may come that would wake us after the answer.
                session.take_calls_only();
                if early.len() >= EARLY_MAX {
                    session.stop_listening();
                }
            }
            Wake::Closing => {
                session.ended(Reason::Shutdown);
                keep_alive = false;
                break;
            }
            Wake::FellBehind | Wake::Stalled | Wake::Gone => return None,
        }
    }
    let answer = Answer::read(session.log(), After::Cursor(session.cursor()), question.max);
    let bytes = answer.bytes(&session.meter(), question.known, keep_alive, question.cors.as_ref());
    session.send(bytes);
    give_back(session, &early).await.filter(|_| keep_alive)
}

async fn give_back(session: Box<Session>, early: &[u8]) -> Option<Socket> {
    session.answer_written().await?;
    let mut socket = session.finish().await?;
    socket.unread(early);
    Some(socket)
}
