//! What a server refused and gave to somebody all the same was published: whoever did not get it has lost it.

mod foreign;
mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use foreign::{Measured, example, measure};
use loadgen::clock;
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

/// Measures what `app` serves as the REST API of the examples.
async fn measured(app: Router) -> Measured {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    let target = example("rest");
    measure(&["--transport", "short-poll", "--target", target.to_str().unwrap(), "--url", &url]).await
}

#[tokio::test]
async fn who_did_not_get_what_another_client_got_has_lost_it() {
    let app = Router::new().route("/rooms/{room}/messages", get(read).post(write)).with_state(Room::default());
    let measured = measured(app).await;
    let run = results::load(&measured.out).unwrap_or_else(|e| panic!("{e}: {}", measured.stderr)).run;
    let (books, published) = (&run.measured.deliveries, &run.measured.published);
    assert!((2..=4).contains(&published.refused), "of 12 in the window: {published:?}");
    assert_eq!(published.refused_and_delivered, Some(published.refused));
    let clients = u64::from(run.asked.clients);
    assert_eq!((books.expected, books.duplicated), (published.due * clients, 0));
    assert_eq!(books.lost, published.refused * (clients - 1), "one client each has it: {books:?}");
    assert!(measured.stdout.contains("arrived all the same)"), "{}", measured.stdout);
}

/// Every so many publications are refused, and shown to everybody all the same.
const REFUSED_AND_SHOWN: usize = 4;
/// How late whatever was posted is shown: more of it is under way at the window's end than was refused.
const DELAY: Duration = Duration::from_millis(700);

/// What was posted, and when.
type SlowRoom = Arc<Mutex<Vec<(Value, Instant)>>>;

async fn write_slowly(State(room): State<SlowRoom>, Json(message): Json<Value>) -> (StatusCode, &'static str) {
    let mut room = room.lock().unwrap();
    room.push((message, clock::now()));
    let is_refused = room.len().is_multiple_of(REFUSED_AND_SHOWN);
    if is_refused { (StatusCode::SERVICE_UNAVAILABLE, "{}") } else { (StatusCode::OK, "{}") }
}

async fn read_slowly(State(room): State<SlowRoom>, Query(query): Query<Since>) -> Json<Value> {
    let room = room.lock().unwrap();
    let since = query.since.unwrap_or(0);
    let ripe = room.iter().take_while(|(_, at)| at.elapsed() >= DELAY).count().max(since);
    let shown: Vec<&Value> = room[since..ripe].iter().map(|(message, _)| message).collect();
    Json(json!({ "next": ripe, "messages": shown }))
}

#[tokio::test]
async fn what_arrived_although_it_was_refused_does_not_stand_for_what_is_still_under_way() {
    let room = SlowRoom::default();
    let app = Router::new().route("/rooms/{room}/messages", get(read_slowly).post(write_slowly)).with_state(room);
    let measured = measured(app).await;
    let run = results::load(&measured.out).unwrap_or_else(|e| panic!("{e}: {}", measured.stderr)).run;
    let (books, published) = (&run.measured.deliveries, &run.measured.published);
    assert!(published.refused >= 2, "{published:?}");
    assert_eq!(published.refused_and_delivered, Some(published.refused));
    let expected = published.due * u64::from(run.asked.clients);
    assert_eq!((books.delivered, books.lost, books.late), (expected, 0, 0), "{books:?}");
}
