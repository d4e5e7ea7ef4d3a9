//! A REST API: messages are posted to a room, and polled with `?since=`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Rooms = Arc<Mutex<HashMap<String, Vec<Value>>>>;

/// Serves until the test ends; its URL.
pub async fn serve() -> String {
    let app = Router::new().route("/rooms/{room}/messages", get(read).post(write)).with_state(Rooms::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    url
}

async fn write(State(rooms): State<Rooms>, Path(room): Path<String>, Json(message): Json<Value>) -> Json<Value> {
    let mut rooms = rooms.lock().unwrap();
    let messages = rooms.entry(room).or_default();
    messages.push(message);
    Json(json!({ "id": messages.len() }))
}

async fn read(
    State(rooms): State<Rooms>,
    Path(room): Path<String>,
    Query(query): Query<HashMap<String, usize>>,
) -> Json<Value> {
    let rooms = rooms.lock().unwrap();
    let messages = rooms.get(&room).map_or(&[][..], Vec::as_slice);
    let since = query.get("since").copied().unwrap_or(0);
    Json(json!({ "next": messages.len(), "messages": messages[since..] }))
}
