//! A cursor goes back to the server as the server wrote it: a JSON number keeps each of its digits.

mod foreign;
mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use foreign::measure;
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
        let place = (0..=messages.len()).find(|&count| (log.cursor)(count) == *since);
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
    let cursors: [(&str, Cursor); 4] = [
        ("a time with nine decimals", |count| format!("1795132801.8000000{count:02}")),
        ("ids above 2^64", |count| format!("{}", (1_u128 << 64) + 1 + count as u128)),
        ("an exponent", |count| format!("{}e3", count + 1)),
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
