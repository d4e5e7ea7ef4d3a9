//! Whether the other side is still there (Engine.IO protocol: heartbeat).

use std::time::Duration;

use crate::case::{Case, departs, keeps, run};
use crate::client::{Polls, Ws};
use crate::lab::{Server, now};

/// Longer than a busy machine takes to answer a ping.
const PATIENT: [&str; 4] = ["--socketio-ping-interval", "300ms", "--socketio-ping-timeout", "20s"];

pub(crate) fn cases() -> Vec<Case> {
    vec![
        keeps("heartbeat, polling: the server pings and a client that answers stays", run!(polling)),
        keeps("heartbeat, polling: a client that does not answer is closed", run!(polling_timeout)),
        keeps("heartbeat, websocket: the server pings and a client that answers stays", run!(websocket)),
        keeps("heartbeat, websocket: a client that does not answer is closed", run!(websocket_timeout)),
        keeps("heartbeat: pings come every pingInterval", run!(interval)),
        keeps("heartbeat: a client that is closed for its silence is counted so", run!(counted)),
        departs(
            "heartbeat: the first ping comes after pingInterval",
            "socketioxide pings at once after the handshake, then every pingInterval",
            run!(first),
        ),
    ]
}

fn short() -> Server {
    Server::start(&["--socketio-ping-interval", "300ms", "--socketio-ping-timeout", "2s"])
}

async fn polling() {
    let server = Server::start(&PATIENT);
    let polls = Polls::open(&server).await;
    for _ in 0..5 {
        assert_eq!(polls.poll().await, (200, "2".to_owned()));
        polls.post("3").await;
    }
}

async fn polling_timeout() {
    let server = short();
    let polls = Polls::enter(&server).await;
    closed(&server, 1).await;
    polls.assert_closed().await;
    let polls = Polls::enter(&server).await;
    closed(&server, 2).await;
    assert_eq!(polls.send("3").await.0, 400, "a pong that is late");
}

/// Waits until so many sessions were closed for their silence.
async fn closed(server: &Server, sessions: u64) {
    server.stats_when(|stats| stats.connections["socketio"].ended.get("pong-timeout") == Some(&sessions)).await;
}

async fn websocket() {
    let server = Server::start(&PATIENT);
    let mut ws = Ws::open(&server).await;
    for _ in 0..5 {
        assert_eq!(ws.hear().await.unwrap(), "2");
        ws.say("3").await;
    }
}

async fn websocket_timeout() {
    let server = short();
    let mut ws = Ws::open(&server).await;
    ws.assert_closed().await;
}

async fn interval() {
    let server = Server::start(&PATIENT);
    let before = now();
    let mut ws = Ws::open(&server).await;
    for _ in 0..4 {
        assert_eq!(ws.hear().await.unwrap(), "2");
        ws.say("3").await;
    }
    // From the first ping to the fourth there are three intervals, however late a busy machine hears of the first.
    // That they come at all is bounded by the case: by the usual interval, 25 s, they would not.
    assert!(before.elapsed() >= Duration::from_millis(900), "{:?}", before.elapsed());
}

async fn counted() {
    let server = short();
    let mut ws = Ws::enter(&server).await;
    while ws.hear().await.is_some() {}
    closed(&server, 1).await;
}

async fn first() {
    // So long that a ping which comes at once is not taken for one that comes after it, however busy the machine is.
    let server = Server::start(&["--socketio-ping-interval", "9s", "--socketio-ping-timeout", "9s"]);
    let mut ws = Ws::open(&server).await;
    let before = now();
    assert_eq!(ws.hear().await.unwrap(), "2");
    assert!(before.elapsed() >= Duration::from_secs(8), "after {:?}", before.elapsed());
}
