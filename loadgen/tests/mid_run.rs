//! What a server says in the middle of a run is not what it said at its beginning, and is quoted.

mod foreign;
mod support;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use foreign::measure;
use tokio::net::TcpListener;

const TARGET: &str = r#"
name = "log"
[publish]
path = "/log"
body = "{payload}"
[transports.short-poll]
path = "/log"
query = { since = "{since}" }
remember = { since = "json /next" }
"#;

#[derive(serde::Deserialize)]
struct Since {
    since: Option<usize>,
}

/// A log that is polled, and that refuses everybody in a 200 from the sixth message on; its URL.
async fn serve() -> String {
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let written = Arc::clone(&log);
    let read = async move |Query(Since { since }): Query<Since>| {
        let log = log.lock().unwrap();
        if log.len() > 5 {
            return r#"{"error":"session expired"}"#.to_owned();
        }
        let news = log[since.unwrap_or(log.len())..].join(",");
        format!(r#"{{"messages":[{news}],"next":{}}}"#, log.len())
    };
    let write = async move |message: String| written.lock().unwrap().push(message);
    let app = Router::new().route("/log", get(read).post(write));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    url
}

#[tokio::test]
async fn a_refusal_in_a_200_in_the_middle_of_a_run_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.toml");
    std::fs::write(&path, TARGET).unwrap();
    let words = ["--transport", "short-poll", "--target", path.to_str().unwrap(), "--url", &serve().await];
    let told = measure(&words).await.stdout;
    let quoted = "the first: `{\"messages\":[],\"next\":0}`, and of another kind: `{\"error\":\"session expired\"}`\n";
    assert!(told.contains(quoted), "{told}");
}
