//! A server of events: one stream for everybody who has the key, published to with PUT.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// The key that lets in.
pub const KEY: &str = "open-sesame-4711";

/// A target file of it.
pub const TARGET: &str = r#"
name = "events"
[publish]
method = "PUT"
path = "/say?room=all"
headers = { Content-Type = "text/plain", X-Key = "{token}" }
body = "somebody says: {text}!"
[transports.sse]
path = "/events"
query = { key = "{token}" }
live = "head"
"#;

type Events = Arc<broadcast::Sender<Bytes>>;

/// Serves until the test ends; its URL.
pub async fn serve() -> String {
    let events: Events = Arc::new(broadcast::channel(4096).0);
    let app = Router::new().route("/say", put(say)).route("/events", get(listen)).with_state(events);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    url
}

async fn say(State(events): State<Events>, headers: HeaderMap, text: Bytes) -> StatusCode {
    if headers.get("X-Key").is_none_or(|key| key != KEY) {
        return StatusCode::FORBIDDEN;
    }
    let _ = events.send(text);
    StatusCode::NO_CONTENT
}

async fn listen(State(events): State<Events>, uri: axum::http::Uri) -> Response {
    if uri.query() != Some(&format!("key={KEY}")) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let lines = stream::unfold(events.subscribe(), |mut events| async {
        let text = events.recv().await.ok()?;
        Some((Ok::<_, std::io::Error>([b"data: ", &text[..], b"\n\n"].concat()), events))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(lines)).into_response()
}
