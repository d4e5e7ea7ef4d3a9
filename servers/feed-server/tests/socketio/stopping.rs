//! Stopping: every session gets its goodbye.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Polls, Ws};
use crate::lab::{Server, now};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_is_told_when_the_server_stops() {
    let mut server = Server::start(&["--drain", "1s"]);
    let mut ws = Ws::enter(&server).await;
    ws.say(r#"420["subscribe",{"topic":"news"}]"#).await;
    ws.next_json("430").await;
    let mut at_the_door = Ws::open(&server).await;
    let mut polls = Polls::enter(&server).await;
    polls.settle().await;
    let mut polls_at_the_door = Polls::open(&server).await;
    polls_at_the_door.settle().await;
    let mut held = Vec::new();
    for polls in [polls, polls_at_the_door] {
        let before = server.stats().await.connections["socketio"].bytes_read;
        held.push(tokio::spawn(async move { polls.poll().await }));
        server.stats_when(|stats| stats.connections["socketio"].bytes_read > before).await;
    }
    server.stats_when(|stats| stats.connections["socketio"].open >= 4).await;
    server.tell_to_stop();

    let mut said = Vec::new();
    while let Some(Ok(message)) = ws.0.next().await {
        said.push(message);
    }
    let [.., Message::Text(packet), Message::Close(Some(close))] = &said[..] else { panic!("{said:?}") };
    assert_eq!(packet.as_str(), "1", "a close packet: the client will connect again");
    assert_eq!(u16::from(close.code), 1012);
    for held in held {
        assert_eq!(held.await.unwrap(), (200, "1".to_owned()));
    }
    at_the_door.assert_closed().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_takes_nothing_does_not_hold_up_the_end() {
    let server = Server::start(&["--drain", "9500ms"]);
    let mut ws = Ws::enter(&server).await;
    ws.say(r#"420["subscribe",{"topic":"news"}]"#).await;
    ws.next_json("430").await;
    for _ in 0..150 {
        server.publish("news", &format!("\"{}\"", "x".repeat(60_000))).await;
    }
    // Nothing is read; its instant comes within half of the time, and its end is waited for 3 s, not the rest of it.
    let before = now();
    server.stop().await;
    assert!(before.elapsed() < Duration::from_secs(9), "{:?}", before.elapsed());
    let mut rest = Vec::new();
    let _ = ws.0.get_mut().read_to_end(&mut rest).await;
}
