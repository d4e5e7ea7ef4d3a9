//! A server of events that sends each listener only what it pleases.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// A target file of it.
pub const TARGET: &str = r#"
name = "partial"
[publish]
path = "/say"
headers = { Content-Type = "text/plain" }
body = "{text}"
[transports.sse]
path = "/events"
live = "head"
"#;

/// Whether a listener is sent an event, both counted from 0 as they come. The first listener is loadgen's probe.
pub type Sends = fn(listener: usize, event: usize) -> bool;

#[derive(Clone)]
struct Events {
    said: Arc<broadcast::Sender<(usize, Bytes)>>,
    count: Arc<AtomicUsize>,
    listeners: Arc<AtomicUsize>,
    sends: Sends,
}

/// Serves until the test ends; its URL.
pub async fn serve(sends: Sends) -> String {
    let said = Arc::new(broadcast::channel(4096).0);
    let events = Events { said, count: Arc::default(), listeners: Arc::default(), sends };
    let app = Router::new().route("/say", post(say)).route("/events", get(listen)).with_state(events);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    url
}

async fn say(State(events): State<Events>, text: Bytes) -> StatusCode {
    let number = events.count.fetch_add(1, Ordering::Relaxed);
    let _ = events.said.send((number, text));
    StatusCode::NO_CONTENT
}

async fn listen(State(events): State<Events>) -> Response {
    let (listener, sends) = (events.listeners.fetch_add(1, Ordering::Relaxed), events.sends);
    let lines = stream::unfold(events.said.subscribe(), move |mut said| async move {
        loop {
            let (number, text) = said.recv().await.ok()?;
            if sends(listener, number) {
                return Some((Ok::<_, std::io::Error>([b"data: ", &text[..], b"\n\n"].concat()), said));
            }
        }
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(lines)).into_response()
}
