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

use crate::again::{Asked, Place};
use crate::answer::Answer;
use crate::app::App;
use crate::clock;
use crate::fanout::Form;
use crate::guards::grants::{Lease, Pass};
use crate::guards::origin::Cors;
use crate::guards::readmission::Readmission;
use crate::guards::token;
use crate::guards::topics::Topic;
use crate::hub::Log;
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
    let place = match (&after, known) {
        (Some(_), None) => Some(Place::Query),
        (None, Some(_)) => Some(Place::Field),
        // Two cursors that would have to move together, or none.
        _ => None,
    };
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
    let readmission = Readmission::of(&app, &meter, lease);
    Ok(Takeover::held(move |socket, asked| {
        // The answer that is shared says nothing of closing, or of pages that may read it.
        let form = if keep_alive && cors.is_none() { Form::Answer } else { Form::Call };
        let asked = place.filter(|_| form == Form::Answer).and_then(|place| Asked::find(&asked, cursor, place));
        let session = Session::new(socket, log, cursor, form, app.config.write_timeout);
        let term = Term::new(wait, app.config.idle_timeout);
        deliver(session, Question { known, keep_alive, cors, lease, max, asked, readmission, term })
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
    max: usize,
    /// The request, if it can be told when it comes again.
    asked: Option<Asked>,
    readmission: Readmission,
    term: Term,
}

impl Question {
    /// True when `bytes` are this question again, asked with `cursor`, after which there is nothing still: it is held as before.
    fn is_again(&self, bytes: &[u8], cursor: Cursor, log: &Log) -> bool {
        let again = self.asked.as_ref().and_then(|asked| asked.again(bytes));
        again == Some(cursor) && log.head() == cursor && self.readmission.is_granted()
    }

    /// Is held from now on, as it was before, after `cursor`.
    fn begin_again(&mut self, cursor: Cursor) {
        self.known = self.known.map(|_| cursor);
        self.term.begin();
    }
}

/// How long an answer is held.
struct Term {
    wait: Duration,
    /// How long a connection may idle. Who was answered is not woken for it, and has to look when it could have idled so long.
    idle: Duration,
    until: Instant,
    look: Instant,
}

impl Term {
    fn new(wait: Duration, idle: Duration) -> Self {
        let now = clock::now();
        Self { wait, idle, until: now + wait, look: now + wait.min(idle) }
    }

    fn begin(&mut self) {
        *self = Self::new(self.wait, self.idle);
    }

    /// True when it is over; else it is looked at again later.
    fn is_over(&mut self) -> bool {
        let now = clock::now();
        self.look = self.until.min(now + self.idle);
        now >= self.until
    }
}

/// Waits until the head moves, the time is over, the server stops or the client is gone; answers, and gives the socket back
/// for the next request, unless that is the same again.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice, and there are thousands of these")]
fn deliver(mut session: Box<Session>, mut question: Question) -> impl Future<Output = Option<Socket>> + Send {
    async move {
        let mut early = Vec::new();
        let mut keep_alive = question.keep_alive;
        loop {
            match session.next(question.lease.cut(question.term.look)).await {
                Wake::Answered => {
                    let cursor = session.cursor();
                    if !session.takes_request(|bytes| question.is_again(bytes, cursor, session.log())).await {
                        return give_back(session, &early).await;
                    }
                    question.begin_again(cursor);
                }
                Wake::Moved | Wake::Readable | Wake::Due if question.lease.is_over() => {
                    session.ended(Reason::TokenExpired);
                    session.send(token::expired().last_answer());
                    session.finish().await?.linger().await;
                    return None;
                }
                Wake::Due if !question.term.is_over() => {}
                Wake::Moved | Wake::Due => break,
                Wake::Readable => {
                    session.receive(|bytes, _| early.extend_from_slice(bytes))?;
                    // Nothing more may come that would wake us after the answer.
                    if !early.is_empty() {
                        session.take_calls_only();
                    }
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
}

async fn give_back(session: Box<Session>, early: &[u8]) -> Option<Socket> {
    session.answer_written().await?;
    let mut socket = session.finish().await?;
    socket.unread(early);
    Some(socket)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use bytes::Bytes;
    use feed::Payload;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;
    use crate::hub::{Habits, Hub};
    use crate::stats::Stats;
    use crate::window::Limit;

    /// Long enough for anything that happens at all.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Reads one answer, which ends with `]}`.
    async fn answer(client: &mut TcpStream) -> String {
        let mut seen = Vec::new();
        while !seen.ends_with(b"]}") {
            let read = timeout(PATIENCE, client.read_buf(&mut seen)).await.expect("an answer").unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
        }
        String::from_utf8(seen).unwrap()
    }

    #[tokio::test]
    async fn the_same_question_stays_where_it_is_until_a_guard_wants_to_see_it() {
        let bound = Limit { count: 10, bytes: 1000 };
        let hub = Hub::new(1, Habits { bound, workers: 1, coalesce: Duration::ZERO });
        let log = hub.log(&"news".parse().unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let socket = Socket::new(crate::line::Line::Clear(stream), Arc::new(Meter::new(Arc::new(Stats::new()), 0)));
        socket.ready(tokio::io::Interest::WRITABLE).await.unwrap();
        let ask = |cursor: Cursor| format!("GET /topics/news/long-poll?after={cursor} HTTP/1.1\r\n\r\n");

        let start = log.head();
        let granted = Arc::new(AtomicUsize::new(0));
        let counting = granted.clone();
        let readmission = Readmission::on(move || counting.fetch_add(1, Relaxed) < 2);
        let question = Question {
            known: None,
            keep_alive: true,
            max: 1000,
            asked: Asked::find(&Bytes::from(ask(start)), start, Place::Query),
            readmission,
            cors: None,
            lease: Lease::of(None),
            term: Term::new(Duration::from_secs(20), Duration::from_secs(20)),
        };
        let session = Session::new(socket, log.clone(), start, Form::Answer, Duration::from_secs(10));
        let delivering = tokio::spawn(deliver(session, question));

        for turn in 1..=3 {
            // It has sat down then.
            tokio::task::yield_now().await;
            log.append(&Payload { content_type: None, json: serde_json::value::to_raw_value(&turn).unwrap() });
            assert!(answer(&mut client).await.contains(&format!("\"payload\":{turn}}}")));
            assert_eq!(granted.load(Relaxed), turn - 1, "guards are asked once for each repetition");
            client.write_all(ask(log.head()).as_bytes()).await.unwrap();
            let asked = async {
                while granted.load(Relaxed) < turn {
                    tokio::task::yield_now().await;
                }
            };
            timeout(PATIENCE, asked).await.expect("it is asked whether this may be asked again");
        }
        let mut back = timeout(PATIENCE, delivering).await.expect("it ends").unwrap().expect("the connection goes on");
        assert_eq!(back.take_unread(), ask(log.head()), "what a guard wants to see is left for the router");
    }
}
