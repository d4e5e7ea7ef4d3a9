//! Publishing: a body becomes the next notification of its topic, and the publisher learns its number.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use feed::Payload;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::app::App;
use crate::detour::WholeBody;
use crate::guards::{self, topics::Topic};
use crate::refusal::Refusal;
use crate::stats::{Kind, Meter};

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
    match accept(&app, topic, request).await {
        Ok(answer) => {
            app.stats.published.fetch_add(1, Relaxed);
            let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (StatusCode::CREATED, Extension(WholeBody), headers, answer).into_response()
        }
        Err(refusal) => {
            app.stats.refused.fetch_add(1, Relaxed);
            refusal.into_response()
        }
    }
}

async fn accept(app: &App, topic: Result<Topic, Refusal>, request: Request) -> Result<String, Refusal> {
    let topic = topic?;
    let topic = topic.to_publish_on(app)?;
    let (http::request::Parts { headers, .. }, body) = request.into_parts();
    let body = guards::body::read(body, app.config.body_max, "--body-max", app.config.head_timeout).await?;
    let payload = match media_type(&headers)? {
        Some(other) => Payload::from_bytes(&body, other),
        None => Payload::from_json(&body).map_err(|error| {
            Refusal::bad_request(format!("malformed JSON: {error}; expected a JSON value, or another content-type"))
        })?,
    };
    let cursor = app.broker.publish(topic, &payload).await?;
    Ok(format!(r#"{{"id":{},"epoch":"{}"}}"#, cursor.offset, cursor.epoch))
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
