//! Publishing: a body becomes the next notification of its topic, and the publisher learns its number.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use bytes::Bytes;
use feed::{Payload, TopicName};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::app::App;
use crate::brokers::{Broker, Failure};
use crate::detour::WholeBody;
use crate::guards::{self, topics::Topic};
use crate::hub::Published;
use crate::keys::{Key, KeyError};
use crate::refusal::Refusal;
use crate::stats::{Kind, Meter};

/// Says that two publications are one (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that one had been published before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Where it lives.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/topics/{topic}", post(publish))
}

async fn publish(
    State(app): State<Arc<App>>,
    Extension(meter): Extension<Arc<Meter>>,
    topic: Result<Topic, Refusal>,
    request: Request,
) -> Response {
    meter.label(Kind::Other);
    let understood = match read(&app, topic, request).await {
        Ok((topic, headers, body)) => {
            understand(topic, &headers, &body).map_err(|refusal| (Extension(WholeBody), refusal).into_response())
        }
        Err(refusal) => Err(refusal.into_response()),
    };
    let Asked { topic, payload, key } = match understood {
        Ok(asked) => asked,
        Err(refusal) => {
            refuse(&app);
            return refusal;
        }
    };
    let publishing = {
        let app = app.clone();
        async move { once(&app, &topic, &payload, key.as_ref()).await }
    };
    let published = match app.broker {
        Broker::Memory(_) => publishing.await,
        // Elsewhere it may be done when its publisher has gone, and then it has to be counted.
        Broker::Redis(_) => {
            tokio::spawn(publishing).await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
        }
    };
    match published {
        Ok(Published { cursor, is_repeated }) => {
            let answer = format!(r#"{{"id":{},"epoch":"{}"}}"#, cursor.offset, cursor.epoch);
            let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            let mut answer = (StatusCode::CREATED, Extension(WholeBody), headers, answer).into_response();
            if is_repeated {
                answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            }
            answer
        }
        Err(failure) => (Extension(WholeBody), Refusal::from(failure)).into_response(),
    }
}

/// Publishes what came in a request or over a socket, once if it has a `key`; counted.
pub(crate) async fn once(
    app: &App,
    topic: &TopicName,
    payload: &Payload,
    key: Option<&Key>,
) -> Result<Published, Failure> {
    let published = app.broker.publish_once(topic, payload, key).await;
    let counter = match &published {
        Ok(Published { is_repeated: false, .. }) => &app.stats.published,
        Ok(_) => &app.stats.repeated,
        Err(_) => &app.stats.refused,
    };
    counter.fetch_add(1, Relaxed);
    published
}

/// Counts what makes no sense.
pub(crate) fn refuse(app: &App) {
    app.stats.refused.fetch_add(1, Relaxed);
}

/// A publication that makes sense.
struct Asked {
    topic: TopicName,
    payload: Payload,
    key: Option<Key>,
}

/// Where it goes, what is said of it, and all of it.
async fn read(
    app: &App,
    topic: Result<Topic, Refusal>,
    request: Request,
) -> Result<(TopicName, HeaderMap, Bytes), Refusal> {
    let topic = topic?.into_publishable(app)?;
    let (http::request::Parts { headers, .. }, body) = request.into_parts();
    let body = guards::body::read(body, app.config.body_max, "--body-max", app.config.head_timeout).await?;
    Ok((topic, headers, body))
}

fn understand(topic: TopicName, headers: &HeaderMap, body: &Bytes) -> Result<Asked, Refusal> {
    let payload = match media_type(headers)? {
        Some(other) => Payload::from_bytes(body, other),
        None => Payload::from_json(body).map_err(|error| {
            Refusal::bad_request(format!("malformed JSON: {error}; expected a JSON value, or another content-type"))
        })?,
    };
    Ok(Asked { topic, payload, key: key(headers)? })
}

/// The key of a publication that may be repeated: a string as RFC 8941 writes it (section 3.3.3), or, as many clients do, without its
/// quotes.
fn key(headers: &HeaderMap) -> Result<Option<Key>, Refusal> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bad = |error: &dyn std::fmt::Display| Refusal::bad_request(format!("Idempotency-Key: {error}"));
    if values.next().is_some() {
        return Err(bad(&"more than one: expected one"));
    }
    let text = value.to_str().unwrap_or_default().trim();
    let unquoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if unquoted.contains(['"', '\\']) {
        return Err(bad(&KeyError));
    }
    unquoted.parse().map(Some).map_err(|error: KeyError| bad(&error))
}

/// The media type of what is published, unless it is JSON or not said. `curl -d` calls everything a form: nobody publishes
/// forms, so that counts as not said.
fn media_type(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let value = value.to_str().map_err(|_| Refusal::bad_request("a content-type that is not ASCII"))?.trim();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = matches!(&*essence, "" | "application/json" | "application/x-www-form-urlencoded")
        || essence.ends_with("+json");
    Ok(if is_json { None } else { Some(value) })
}
