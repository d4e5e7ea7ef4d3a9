//! A cursor goes back to the server as the server wrote it: a JSON number keeps each of its digits, a text each of its characters. One
//! that the server takes back is not repeated.

mod foreign;
mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use foreign::measure;
use futures_util::StreamExt;
use support::{finish, loadgen};
use tokio::net::TcpListener;

/// What has been published, and how the server writes the cursor behind the first so many.
#[derive(Clone)]
struct Log {
    messages: Arc<Mutex<Vec<String>>>,
    cursor: Cursor,
    /// Cursors that were asked for and never given.
    unknown: Arc<Mutex<Vec<String>>>,
}

/// How a server writes the cursor behind so many messages.
type Cursor = fn(usize) -> String;

/// Serves a log that is polled with `?since=` until the test ends; its URL. A cursor that it has never given begins anew.
async fn serve(cursor: Cursor) -> (String, Log) {
    let log = Log { messages: Arc::default(), cursor, unknown: Arc::default() };
    let app = Router::new().route("/log", get(read).post(write)).with_state(log.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    (url, log)
}

async fn write(State(log): State<Log>, message: String) {
    log.messages.lock().unwrap().push(message);
}

async fn read(State(log): State<Log>, Query(query): Query<HashMap<String, String>>) -> impl IntoResponse {
    let messages = log.messages.lock().unwrap();
    let start = query.get("since").map_or(0, |since| {
        let place = (0..=messages.len()).find(|&count| {
            let cursor = (log.cursor)(count);
            serde_json::from_str(&cursor).unwrap_or(cursor) == *since
        });
        place.unwrap_or_else(|| {
            log.unknown.lock().unwrap().push(since.clone());
            0
        })
    });
    let body = format!(r#"{{"messages":[{}],"next":{}}}"#, messages[start..].join(","), (log.cursor)(messages.len()));
    ([(CONTENT_TYPE, "application/json")], body)
}

const TARGET: &str = r#"
name = "log"
[publish]
path = "/log"
[transports.short-poll]
path = "/log"
query = { since = "{since}" }
remember = { since = "json /next" }
"#;

#[tokio::test]
async fn a_cursor_that_is_a_number_goes_back_with_each_of_its_digits() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("log.toml");
    std::fs::write(&target, TARGET).unwrap();
    let cursors: [(&str, Cursor); 5] = [
        ("a time with nine decimals", |count| format!("1795132801.8000000{count:02}")),
        ("ids above 2^64", |count| format!("{}", (1_u128 << 64) + 1 + count as u128)),
        ("an exponent", |count| format!("{}e3", count + 1)),
        ("control characters", |count| format!(r#""{count}\n\u0001&%2B+""#)),
        ("below zero and at it", |count| if count == 0 { "-0.0".to_owned() } else { format!("-{count}.0") }),
    ];
    for (what, cursor) in cursors {
        let (url, log) = serve(cursor).await;
        let target = target.to_str().unwrap();
        let measured = measure(&["--transport", "short-poll", "--target", target, "--url", &url]).await;
        let unknown = log.unknown.lock().unwrap().clone();
        assert!(unknown.is_empty(), "{what}: asked for {:?}, which was never given\n{}", unknown[0], measured.stdout);
        measured.exact(12);
    }
}

/// The `Last-Event-ID` of each request for the stream.
type Asked = Arc<Mutex<Vec<Option<String>>>>;

/// An answer of one event for the first five requests, one that goes on for every further one.
async fn stream(State(asked): State<Asked>, headers: HeaderMap) -> impl IntoResponse {
    let id = headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned());
    let mut asked = asked.lock().unwrap();
    asked.push(id);
    let event = match asked.len() {
        // Of the client that tries the server out before the run.
        1 => "data: hello\n\n",
        2 => "id: 7\ndata: one\n\n",
        3 => "data: two, which says nothing of an id\n\n",
        4 => "id\ndata: three\n\n",
        _ => "data: four\n\n",
    };
    let event = futures_util::stream::once(async move { Ok::<_, std::io::Error>(event) });
    let body = match asked.len() {
        ..6 => Body::from_stream(event),
        _ => Body::from_stream(event.chain(futures_util::stream::pending())),
    };
    ([(CONTENT_TYPE, "text/event-stream")], body)
}

#[tokio::test]
async fn an_empty_event_id_takes_back_the_one_before() {
    let asked = Asked::default();
    let app = Router::new().route("/sse", get(stream).post(|| async {})).with_state(asked.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("stream.toml");
    let file = r#"
name = "stream"
[publish]
path = "/sse"
[transports.sse]
path = "/sse"
headers = { Last-Event-ID = "{last}" }
remember = { last = "event id" }
live = "request"
"#;
    std::fs::write(&target, file).unwrap();
    let mut command = loadgen();
    command.args(["run", "--transport", "sse", "--clients", "1", "--rate", "5", "--duration", "1s", "--warmup", "0s"]);
    command.args(["--settle", "500ms", "--pin", "off", "--target", target.to_str().unwrap(), "--url", &url, "--out"]);
    command.arg(folder.path().join("run"));
    let (_, stdout, stderr) = tokio::task::spawn_blocking(move || finish(&mut command)).await.unwrap();
    let asked = asked.lock().unwrap().clone();
    let expected = [None, None, Some("7"), Some("7"), None, None];
    assert_eq!(asked, expected.map(|id| id.map(str::to_owned)), "{stdout}{stderr}");
}
