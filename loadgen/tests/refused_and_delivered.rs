//! What a server refused and gave to somebody all the same was published: whoever did not get it has lost it.

mod foreign;
mod support;

use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use foreign::{Measured, example, late, measure};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Every so many publications are refused, kept, and shown once.
const REFUSED: usize = 4;

/// What was posted, and who of it must not be shown again.
type Room = Arc<Mutex<Vec<(Value, bool)>>>;

#[derive(serde::Deserialize)]
struct Since {
    since: Option<usize>,
}

async fn write(State(room): State<Room>, Json(message): Json<Value>) -> (StatusCode, &'static str) {
    let mut room = room.lock().unwrap();
    room.push((message, false));
    if room.len().is_multiple_of(REFUSED) { (StatusCode::SERVICE_UNAVAILABLE, "{}") } else { (StatusCode::OK, "{}") }
}

async fn read(State(room): State<Room>, Query(query): Query<Since>) -> Json<Value> {
    let mut room = room.lock().unwrap();
    let next = room.len();
    let mut shown = Vec::new();
    for (place, (message, is_over)) in room.iter_mut().enumerate().skip(query.since.unwrap_or(0)) {
        if !*is_over {
            shown.push(message.clone());
        }
        *is_over = (place + 1).is_multiple_of(REFUSED);
    }
    Json(json!({ "next": next, "messages": shown }))
}

/// Measures the REST API of the examples at `url`.
async fn measured(url: &str) -> Measured {
    let target = example("rest");
    measure(&["--transport", "short-poll", "--target", target.to_str().unwrap(), "--url", url]).await
}

#[tokio::test]
async fn who_did_not_get_what_another_client_got_has_lost_it() {
    let app = Router::new().route("/rooms/{room}/messages", get(read).post(write)).with_state(Room::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    let measured = measured(&url).await;
    let run = results::load(&measured.out).unwrap_or_else(|e| panic!("{e}: {}", measured.stderr)).run;
    let (books, published) = (&run.measured.deliveries, &run.measured.published);
    assert!((2..=4).contains(&published.refused), "of 12 in the window: {published:?}");
    assert_eq!(published.refused_and_delivered, Some(published.refused));
    let clients = u64::from(run.asked.clients);
    assert_eq!((books.expected, books.duplicated), (published.due * clients, 0));
    assert_eq!(books.lost, published.refused * (clients - 1), "one client each has it: {books:?}");
    assert!(measured.stdout.contains("arrived all the same)"), "{}", measured.stdout);
}

#[tokio::test]
async fn what_arrived_although_it_was_refused_does_not_stand_for_what_is_still_under_way() {
    // More is under way at the window's end than was refused in it.
    let measured = measured(&late::serve(4).await).await;
    let run = results::load(&measured.out).unwrap_or_else(|e| panic!("{e}: {}", measured.stderr)).run;
    let (books, published) = (&run.measured.deliveries, &run.measured.published);
    assert!(published.refused >= 2, "{published:?}");
    assert_eq!(published.refused_and_delivered, Some(published.refused));
    let expected = published.due * u64::from(run.asked.clients);
    assert_eq!((books.delivered, books.lost, books.late), (expected, 0, 0), "{books:?}");
}
