//! A server that hands on what is posted to it, wrapped as a test wants it: over an event stream, a WebSocket and a polled log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{SinkExt, StreamExt, stream};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;

/// A target file of it; the WebSocket has a port, and so a URL, of its own, and publishes through a socket.
pub const TARGET: &str = r#"
name = "doubled"
[publish]
path = "/say"
body = "{text}"
[transports.short-poll]
path = "/log"
query = { since = "{since}" }
remember = { since = "json /next" }
[transports.sse]
path = "/events"
live = "head"
"#;

/// The same over WebSocket.
pub const WS_TARGET: &str = r#"
name = "doubled"
[publish]
via = "ws"
path = "/"
message = "{text}"
[transports.ws]
path = "/"
"#;

/// How a posted text is handed on.
pub type Wrapping = fn(&str) -> String;

/// The body of a poll's answer, of the texts since the number that the poll named, and how many of them it holds.
pub type Answering = fn(news: &[String], since: usize) -> (String, usize);

/// All that is new in a list.
fn list(news: &[String], since: usize) -> (String, usize) {
    let body = format!(r#"{{"messages":[{}],"next":{}}}"#, news.join(","), since + news.len());
    (body, news.len())
}

#[derive(Clone)]
struct Server {
    log: Arc<Mutex<Vec<String>>>,
    news: broadcast::Sender<String>,
    wrapping: Wrapping,
    answering: Answering,
}

/// Serves [`TARGET`] until the test ends; its URL.
pub async fn serve(wrapping: Wrapping) -> String {
    serve_answering(wrapping, list).await
}

/// The same with answers to polls of another form; each has the cursor in `X-Next`, too.
pub async fn serve_answering(wrapping: Wrapping, answering: Answering) -> String {
    let server = Server { log: Arc::default(), news: broadcast::channel(4096).0, wrapping, answering };
    let app = Router::new().route("/say", post(say)).route("/log", get(read)).route("/events", get(listen));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app.with_state(server)).await.unwrap() });
    url
}

async fn say(State(server): State<Server>, text: String) -> &'static str {
    let wrapped = (server.wrapping)(&text);
    server.log.lock().unwrap().push(wrapped.clone());
    let _ = server.news.send(wrapped);
    "{\"error\":null}"
}

/// Serves what answers every reader with 200 and a refusal, over a stream and a poll; its URL.
pub async fn serve_refusing() -> String {
    const REFUSAL: &str = r#"{"ok":false,"error":"log in first"}"#;
    let stream = || async { ([(CONTENT_TYPE, "text/event-stream")], format!("data: {REFUSAL}\n\n")) };
    let poll = || async { ([(CONTENT_TYPE, "application/json")], REFUSAL) };
    let app = Router::new().route("/say", post(|| async {})).route("/log", get(poll)).route("/events", get(stream));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    url
}

async fn read(State(server): State<Server>, Query(query): Query<HashMap<String, usize>>) -> impl IntoResponse {
    let log = server.log.lock().unwrap();
    let since = query.get("since").copied().unwrap_or(0);
    let (body, taken) = (server.answering)(&log[since..], since);
    (
        [
            (CONTENT_TYPE, "application/json".to_owned()),
            (HeaderName::from_static("x-next"), (since + taken).to_string()),
        ],
        body,
    )
}

async fn listen(State(server): State<Server>) -> Response {
    let events = stream::unfold(server.news.subscribe(), |mut news| async {
        let text = news.recv().await.ok()?;
        Some((Ok::<_, std::io::Error>(format!("data: {text}\n\n")), news))
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

/// Serves [`WS_TARGET`] until the test ends; its URL.
pub async fn serve_ws(wrapping: Wrapping) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let news = broadcast::channel::<String>(4096).0;
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (news, mut heard) = (news.clone(), news.subscribe());
            tokio::spawn(async move {
                let (mut sink, mut stream) = tokio_tungstenite::accept_async(tcp).await.ok()?.split();
                loop {
                    tokio::select! {
                        message = stream.next() => if let Message::Text(text) = message?.ok()? {
                            news.send(wrapping(text.as_str())).ok()?;
                        },
                        text = heard.recv() => sink.send(Message::text(text.ok()?)).await.ok()?,
                    }
                }
                #[allow(unreachable_code)]
                Some(())
            });
        }
    });
    url
}
