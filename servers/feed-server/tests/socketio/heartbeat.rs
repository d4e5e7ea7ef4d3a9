//! Whether the other side is still there (Engine.IO protocol: heartbeat).

use std::time::Duration;

use tokio::time::sleep;

use crate::case::{Case, departs, keeps, run};
use crate::client::{Polls, Ws};
use crate::lab::{Server, now};

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
    let server = short();
    let polls = Polls::open(&server).await;
    for _ in 0..5 {
        assert_eq!(polls.poll().await, (200, "2".to_owned()));
        polls.post("3").await;
    }
}

async fn polling_timeout() {
    let server = short();
    let polls = Polls::open(&server).await;
    sleep(Duration::from_millis(2800)).await;
    polls.assert_closed().await;
    let polls = Polls::open(&server).await;
    assert_eq!(polls.poll().await.1, "2");
    sleep(Duration::from_millis(2800)).await;
    assert_eq!(polls.send("3").await.0, 400, "a pong that is late");
}

async fn websocket() {
    let server = short();
    let mut ws = Ws::open(&server).await;
    for _ in 0..5 {
        assert_eq!(ws.hear().await.unwrap(), "2");
        ws.say("3").await;
    }
}

async fn websocket_timeout() {
    let server = short();
    let mut ws = Ws::open(&server).await;
    let before = now();
    ws.assert_closed().await;
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
}

async fn interval() {
    let server = short();
    let before = now();
    let mut ws = Ws::open(&server).await;
    for _ in 0..4 {
        assert_eq!(ws.hear().await.unwrap(), "2");
        ws.say("3").await;
    }
    // From the first ping to the fourth there are three intervals, however late a busy machine hears of the first.
    assert!((900..5000).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
}

async fn counted() {
    let server = short();
    let mut ws = Ws::enter(&server).await;
    while ws.hear().await.is_some() {}
    let stats = server.stats_when(|stats| stats.connections["socketio"].ended.contains_key("pong-timeout")).await;
    assert_eq!(stats.connections["socketio"].ended["pong-timeout"], 1);
}

async fn first() {
    let server = Server::start(&["--socketio-ping-interval", "1s", "--socketio-ping-timeout", "1s"]);
    let mut ws = Ws::open(&server).await;
    let before = now();
    assert_eq!(ws.hear().await.unwrap(), "2");
    assert!(before.elapsed() >= Duration::from_millis(900), "after {:?}", before.elapsed());
}
