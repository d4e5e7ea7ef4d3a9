//! A REST API like that of the examples, which shows what is posted to it a while later.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use loadgen::clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How much later.
pub const DELAY: Duration = Duration::from_millis(700);

#[derive(Clone)]
struct Room {
    /// What was posted, and when.
    messages: Arc<Mutex<Vec<(Value, Instant)>>>,
    /// Every so many publications are refused, and shown all the same.
    refused: usize,
}

#[derive(serde::Deserialize)]
struct Since {
    since: Option<usize>,
}

/// Serves until the test ends, and refuses one of so many publications, which it shows all the same; its URL.
pub async fn serve(refused: usize) -> String {
    let room = Room { messages: Arc::default(), refused };
    let app = Router::new().route("/rooms/{room}/messages", get(read).post(write)).with_state(room);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    url
}

async fn write(State(room): State<Room>, Json(message): Json<Value>) -> (StatusCode, &'static str) {
    let mut messages = room.messages.lock().unwrap();
    messages.push((message, clock::now()));
    let is_refused = messages.len().is_multiple_of(room.refused);
    if is_refused { (StatusCode::SERVICE_UNAVAILABLE, "{}") } else { (StatusCode::OK, "{}") }
}

async fn read(State(room): State<Room>, Query(query): Query<Since>) -> Json<Value> {
    let messages = room.messages.lock().unwrap();
    let since = query.since.unwrap_or(0);
    let ripe = messages.iter().take_while(|(_, at)| at.elapsed() >= DELAY).count().max(since);
    let shown: Vec<&Value> = messages[since..ripe].iter().map(|(message, _)| message).collect();
    Json(json!({ "next": ripe, "messages": shown }))
}
