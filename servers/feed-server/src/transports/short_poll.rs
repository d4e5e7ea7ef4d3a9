//! Short polling: the client asks every so often, and is answered at once, mostly with nothing.
//!
//! Connections: one, kept alive between polls.
//! Bytes: two HTTP heads a poll, whether there is news or not; `If-None-Match` spares the empty body.
//! Waiting: half the polling interval on average, all of it at worst.
//!
//! Nothing is most of what it says, so the answer that says so stands (`standing.rs`).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use feed::{After, Cursor};
use http::Method;

use crate::answer::Answer;
use crate::app::App;
use crate::guards::readmission::Readmission;
use crate::guards::topics::Topic;
use crate::refusal::Refusal;
use crate::standing::WhileNothingFollows;
use crate::stats::{Kind, Meter};
use crate::subscription::{self, Params};

/// Where it lives.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/topics/{topic}/short-poll", get(open))
}

/// Accepts a reader and takes its cursor: from `after`, else from `If-None-Match`, else from now on.
async fn open(
    State(app): State<Arc<App>>,
    Extension(meter): Extension<Arc<Meter>>,
    topic: Topic,
    request: Request,
) -> Result<Response, Refusal> {
    meter.label(Kind::ShortPoll);
    let Params { after } = subscription::params(request.uri())?;
    let known = subscription::if_none_match(request.headers());
    let after = subscription::after(after.as_deref())?.or(known.map(After::Cursor)).unwrap_or_default();
    let lease = topic.lease();
    let log = topic.log(&app, after).await?;
    let answer = Answer::read(&log, after, app.config.answer_bytes);
    let mut response = deliver(&answer, known, &meter, request.method());
    if answer.is_empty() && *request.method() == Method::GET {
        let readmission = Readmission::of(&app, &meter, lease);
        response.extensions_mut().insert(WhileNothingFollows::new(log.clone(), answer.cursor(), readmission));
    }
    Ok(response)
}

/// Answers at once with what was read; the `ETag` is the moved cursor.
fn deliver(answer: &Answer<'_>, known: Option<Cursor>, meter: &Meter, method: &Method) -> Response {
    answer.response(meter, known, method)
}
