//! From polling to WebSocket (Engine.IO protocol: upgrade).

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use crate::case::{Case, keeps, run};
use crate::client::{Polls, Ws};
use crate::lab::Server;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        keeps("upgrade: a probe is answered, and the session goes on over websocket", run!(succeeds)),
        keeps("upgrade: a pending poll is answered with a noop", run!(pending)),
        keeps("upgrade: a poll between probe and upgrade is answered with a noop", run!(between)),
        keeps("upgrade: nothing is lost and nothing comes twice", run!(nothing_lost)),
        keeps("upgrade: polls and posts afterwards are answered with 400, and the session goes on", run!(polls_after)),
        keeps("upgrade: another websocket for the session is refused, and the session goes on", run!(second)),
        keeps("upgrade: a websocket that does not probe is closed", run!(no_probe)),
        keeps("upgrade: a session whose probe failed goes on polling, and may probe again", run!(failed)),
    ]
}

/// Probes and upgrades.
async fn upgrade(server: &Server, sid: &str) -> Ws {
    let mut ws = Ws::upgrade(server, sid).await.unwrap();
    ws.say("2probe").await;
    assert_eq!(ws.hear().await.unwrap(), "3probe");
    ws.say("5").await;
    ws
}

async fn succeeds() {
    let server = Server::start(&[]);
    let polls = Polls::open(&server).await;
    let mut ws = upgrade(&server, &polls.sid).await;
    ws.say("40").await;
    ws.next_json("40").await;
}

async fn pending() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    polls.settle().await;
    let upgrade = async {
        let mut ws = Ws::upgrade(&server, &polls.sid).await.unwrap();
        ws.say("2probe").await;
        assert_eq!(ws.hear().await.unwrap(), "3probe");
        ws
    };
    let (answer, _ws) = polls.poll_while(&server, upgrade).await;
    assert_eq!(answer, (200, "6".to_owned()));
}

async fn between() {
    let server = Server::start(&[]);
    let polls = Polls::enter(&server).await;
    let mut ws = Ws::upgrade(&server, &polls.sid).await.unwrap();
    ws.say("2probe").await;
    assert_eq!(ws.hear().await.unwrap(), "3probe");
    assert_eq!(polls.poll().await, (200, "6".to_owned()));
    ws.say("5").await;
    ws.say(r#"427["nothing"]"#).await;
    ws.next_json("437").await;
}

async fn nothing_lost() {
    let server = Server::start(&["--socketio-payload-max", "8000"]);
    let mut polls = Polls::enter(&server).await;
    polls.post(r#"420["subscribe",{"topic":"news"}]"#).await;
    polls.next_json("430").await;
    // More than an answer may hold, and more than may be under way, before, during and after the upgrade.
    let filler = "x".repeat(500);
    let publish = async |from: u64| {
        for number in from..from + 40 {
            server.publish("news", &format!(r#"{{"number":{number},"filler":"{filler}"}}"#)).await;
        }
    };
    publish(1).await;
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.push(polls.next_json("42").await[1]["payload"]["number"].as_u64().unwrap());
    }
    let mut ws = Ws::upgrade(&server, &polls.sid).await.unwrap();
    ws.say("2probe").await;
    assert_eq!(ws.hear().await.unwrap(), "3probe");
    publish(41).await;
    seen.extend(polls.left().iter().map(|packet| packet[1]["payload"]["number"].as_u64().unwrap()));
    ws.say("5").await;
    publish(81).await;
    while seen.len() < 120 {
        seen.push(ws.next_json("42").await[1]["payload"]["number"].as_u64().unwrap());
    }
    assert_eq!(seen, (1..=120).collect::<Vec<_>>());
}

async fn polls_after() {
    let server = Server::start(&[]);
    let polls = Polls::enter(&server).await;
    let mut ws = upgrade(&server, &polls.sid).await;
    ws.say(r#"421["nothing"]"#).await;
    ws.next_json("431").await;
    assert_eq!(polls.poll().await.0, 400);
    assert_eq!(polls.send("3").await.0, 400);
    ws.say(r#"422["nothing"]"#).await;
    ws.next_json("432").await;
}

async fn second() {
    let server = Server::start(&[]);
    let polls = Polls::enter(&server).await;
    let mut ws = Ws::upgrade(&server, &polls.sid).await.unwrap();
    assert!(Ws::upgrade(&server, &polls.sid).await.is_err(), "while the first one probes");
    ws.say("2probe").await;
    assert_eq!(ws.hear().await.unwrap(), "3probe");
    ws.say("5").await;
    ws.say(r#"421["nothing"]"#).await;
    ws.next_json("431").await;
    assert!(Ws::upgrade(&server, &polls.sid).await.is_err(), "after the upgrade");
    ws.say(r#"422["nothing"]"#).await;
    ws.next_json("432").await;
}

async fn no_probe() {
    let server = Server::start(&[]);
    for packet in ["3probe", "40", "5", "2", "abc"] {
        let polls = Polls::enter(&server).await;
        let mut ws = Ws::upgrade(&server, &polls.sid).await.unwrap();
        ws.say(packet).await;
        ws.assert_closed().await;
    }
}

async fn failed() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    for (probes, pings) in [(false, false), (true, false), (true, true)] {
        let mut ws = Ws::upgrade(&server, &polls.sid).await.unwrap();
        if probes {
            ws.say("2probe").await;
            assert_eq!(ws.hear().await.unwrap(), "3probe");
        }
        if pings {
            ws.0.send(Message::Ping(Bytes::new())).await.unwrap();
            ws.say("5").await;
        } else {
            ws.0.close(None).await.unwrap();
        }
        ws.assert_closed().await;
        polls.post(r#"420["nothing"]"#).await;
        // Until the server has noticed, polls are answered with nothing.
        while polls.next().await == "6" {}
    }
    let mut ws = upgrade(&server, &polls.sid).await;
    ws.say(r#"421["nothing"]"#).await;
    ws.next_json("431").await;
}
