//! WebSocket (Engine.IO protocol: websocket, packet encoding).

use crate::case::{Case, keeps, run};
use crate::client::Ws;
use crate::lab::Server;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        keeps("websocket: each packet is a frame of its own", run!(frames)),
        keeps("websocket: binary goes as it is", run!(binary)),
        keeps("websocket: what is no packet closes the connection", run!(no_packet)),
        keeps("websocket: a packet that a client may not send closes the connection", run!(wrong_packet)),
        keeps("websocket: a close packet closes the connection", run!(close)),
        keeps("websocket: a close frame closes the connection", run!(close_frame)),
        keeps("websocket: a message of more than maxPayload closes the connection", run!(too_large)),
    ]
}

async fn frames() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    ws.say(r#"420["subscribe",{"topic":"news"}]"#).await;
    ws.next_json("430").await;
    server.publish_numbers(1..=5).await;
    for number in 1..=5 {
        assert_eq!(ws.next_json("42").await[1]["payload"], number);
    }
}

async fn binary() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    ws.say(r#"420["subscribe",{"topic":"news"}]"#).await;
    ws.next_json("430").await;
    ws.say(r#"451-["publish",{"topic":"news","payload":{"_placeholder":true,"num":0}}]"#).await;
    ws.say_bytes(&[1, 2, 3, 4]).await;
    assert_eq!(ws.next_json("42").await[1]["payload"], "AQIDBA==");
}

async fn no_packet() {
    let server = Server::start(&[]);
    for packet in ["abc", "", "9", "é"] {
        let mut ws = Ws::open(&server).await;
        ws.say(packet).await;
        ws.assert_closed().await;
    }
}

async fn wrong_packet() {
    let server = Server::start(&[]);
    for packet in ["0{}", "5", "6", "2probe"] {
        let mut ws = Ws::open(&server).await;
        ws.say(packet).await;
        ws.assert_closed().await;
    }
}

async fn close() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    ws.say("1").await;
    ws.assert_closed().await;
}

async fn close_frame() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    ws.0.close(None).await.unwrap();
    ws.assert_closed().await;
    server.stats_when(|stats| stats.connections["socketio"].open == 0).await;
}

async fn too_large() {
    let server = Server::start(&["--socketio-payload-max", "2000"]);
    let mut ws = Ws::enter(&server).await;
    let event = |len: usize| format!(r#"420["{}"]"#, "x".repeat(len));
    ws.say(&event(1990)).await;
    ws.next_json("430").await;
    ws.say(&event(1999)).await;
    ws.assert_closed().await;
}
