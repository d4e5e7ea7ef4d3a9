//! Namespaces, events and acknowledgements (Socket.IO protocol).

use std::time::Duration;

use crate::case::{Case, departs, keeps, run};
use crate::client::{Polls, Ws, json};
use crate::lab::Server;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        keeps("connect: the main namespace answers with a session id", run!(connect)),
        keeps("connect: an auth payload is taken", run!(auth)),
        keeps("connect: over polling as well", run!(connect_polling)),
        keeps("connect: what is refused gets a connect error with a message, and may try again", run!(connect_error)),
        keeps("connect: an unknown namespace gets a connect error with a message", run!(unknown_namespace)),
        keeps("connect: an invalid handshake closes the connection", run!(invalid_handshake)),
        keeps("connect: a client that does not connect in time is closed", run!(no_connect)),
        keeps(
            "connect: an event, an acknowledgement or a disconnect before it closes the connection",
            run!(event_first),
        ),
        departs(
            "connect: an event to another namespace before it closes the connection",
            "socketioxide ignores it; such a client is closed after --socketio-connect-timeout",
            run!(event_elsewhere_first),
        ),
        keeps("connect: what a client says as soon as it is connected is taken, and answered", run!(at_once)),
        keeps(
            "disconnect: the client leaves the namespace, its connection stays, and it may come back",
            run!(disconnect),
        ),
        keeps("disconnect: readings end with it", run!(disconnect_ends)),
        keeps("event: one that asks for it is acknowledged under its id", run!(acknowledged)),
        keeps("event: one that the server does not know is acknowledged, too", run!(unknown_event)),
        keeps("event: acknowledgements come for every id, in the order of the events", run!(in_order)),
        keeps("event: a payload that is no array, or an empty one, closes the connection", run!(no_array)),
        keeps("binary event: attachments follow, and it is acknowledged", run!(binary_event)),
        keeps("binary event: more attachments than the server takes close the connection", run!(attachments)),
        keeps("binary event: text in place of an attachment closes the connection", run!(text_for_binary)),
        keeps("binary event: binary that was not announced closes the connection", run!(binary_unannounced)),
        keeps("packet: an unknown type, or one of the server's, closes the connection", run!(packet_types)),
    ]
}

async fn connect() {
    let server = Server::start(&[]);
    let mut ws = Ws::open(&server).await;
    ws.say("40").await;
    let data = ws.next_json("40").await;
    assert!(data["sid"].is_string() && data.as_object().unwrap().len() == 1, "{data}");
}

async fn auth() {
    let server = Server::start(&[]);
    let mut ws = Ws::open(&server).await;
    ws.say(r#"40{"token":"123"}"#).await;
    assert!(ws.next_json("40").await["sid"].is_string());
}

async fn connect_polling() {
    let server = Server::start(&[]);
    let mut polls = Polls::open(&server).await;
    polls.post(r#"40{"token":"123"}"#).await;
    assert!(polls.next_json("40").await["sid"].is_string());
}

async fn connect_error() {
    let server = Server::start(&[]);
    let mut ws = Ws::open(&server).await;
    ws.say("40[1]").await;
    let error = ws.next_json("44").await;
    assert!(error["message"].as_str().unwrap().starts_with("bad auth: expected an object"), "{error}");
    ws.say("40").await;
    ws.next_json("40").await;
}

async fn unknown_namespace() {
    let server = Server::start(&[]);
    let mut ws = Ws::open(&server).await;
    for say in ["40/random", "40/random,", r#"40/random,{"token":"1"}"#] {
        ws.say(say).await;
        assert_eq!(ws.next().await, r#"44/random,{"message":"Invalid namespace"}"#);
    }
    ws.say("40").await;
    ws.next_json("40").await;
}

async fn invalid_handshake() {
    let server = Server::start(&[]);
    for packet in ["4abc", "4", "4é"] {
        let mut ws = Ws::open(&server).await;
        ws.say(packet).await;
        ws.assert_closed().await;
    }
}

async fn no_connect() {
    let server = Server::start(&["--socketio-connect-timeout", "300ms"]);
    let mut ws = Ws::open(&server).await;
    // Usually it would be after 45 s, for longer than anything is waited for here.
    ws.assert_closed().await;
}

async fn event_first() {
    let server = Server::start(&[]);
    for packet in [r#"42["subscribe",{"topic":"news"}]"#, r#"430["x"]"#, "41"] {
        let mut ws = Ws::open(&server).await;
        ws.say(packet).await;
        ws.assert_closed().await;
    }
}

async fn event_elsewhere_first() {
    let server = Server::start(&[]);
    let mut ws = Ws::open(&server).await;
    ws.say(r#"42/random,["x"]"#).await;
    assert_eq!(ws.hear().await.as_deref(), Some("2"));
    tokio::time::timeout(Duration::from_secs(1), ws.assert_closed()).await.expect("it is closed");
}

async fn at_once() {
    let server = std::sync::Arc::new(Server::start(&[]));
    server.publish("news", "1").await;
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let mut ws = Ws::enter(&server).await;
                    ws.say(r#"420["subscribe",{"topic":"news","after":"earliest"}]"#).await;
                    ws.next_json("430").await;
                    assert_eq!(ws.next_json("42").await[1]["payload"], 1);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

async fn disconnect() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    for _ in 0..100 {
        ws.say("41").await;
        ws.say("40").await;
        ws.next_json("40").await;
    }
    ws.say(r#"423["nothing"]"#).await;
    ws.next_json("433").await;
}

async fn disconnect_ends() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    ws.say(r#"420["subscribe",{"topic":"news"}]"#).await;
    ws.next_json("430").await;
    ws.say("41").await;
    ws.say("40").await;
    ws.next_json("40").await;
    server.publish("news", "1").await;
    ws.say(r#"423["nothing"]"#).await;
    ws.next_json("433").await;
}

async fn acknowledged() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    for id in ["0", "12", "456", "9007199254740991"] {
        ws.say(&format!(r#"42{id}["publish",{{"topic":"news","payload":[1,"2",{{"3":[true]}}]}}]"#)).await;
        let answer = ws.next_json(&format!("43{id}")).await;
        assert!(answer[0]["id"].is_u64() && answer.as_array().unwrap().len() == 1, "{answer}");
    }
}

async fn unknown_event() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    ws.say(r#"425["nothing",1,2]"#).await;
    let answer = ws.next_json("435").await;
    assert_eq!(answer[0]["error"], "unknown event `nothing`: expected subscribe or publish");
}

async fn in_order() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    for id in 0..60 {
        ws.say(&format!(r#"42{id}["publish",{{"topic":"news","payload":{id}}}]"#)).await;
    }
    for id in 0..60 {
        assert_eq!(ws.next_json(&format!("43{id}")).await[0]["id"], id + 1);
    }
}

async fn no_array() {
    let server = Server::start(&[]);
    for packet in ["42", "42[]", "42{}", r#"42"subscribe""#, "42[1]", "42[", "420", "42null"] {
        let mut ws = Ws::enter(&server).await;
        ws.say(packet).await;
        ws.assert_closed().await;
    }
}

async fn attachments() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    ws.say(r#"4517-["publish",{"topic":"news","payload":{"_placeholder":true,"num":0}}]"#).await;
    ws.assert_closed().await;
}

async fn binary_event() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    ws.say(r#"420["subscribe",{"topic":"news"}]"#).await;
    ws.next_json("430").await;
    ws.say(
        r#"452-789["publish",{"topic":"news","payload":{"_placeholder":true,"num":1}},{"_placeholder":true,"num":0}]"#,
    )
    .await;
    ws.say_bytes(&[1, 2, 3]).await;
    ws.say_bytes(&[4, 5, 6]).await;
    let mut packets = [ws.next().await, ws.next().await];
    packets.sort();
    assert_eq!(json(&packets[0], "42")[1]["payload"], "BAUG");
    assert_eq!(json(&packets[1], "43789")[0]["id"], 1);
}

async fn text_for_binary() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    ws.say(r#"451-["publish",{"_placeholder":true,"num":0}]"#).await;
    ws.say(r#"42["nothing"]"#).await;
    ws.assert_closed().await;
}

async fn binary_unannounced() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    ws.say_bytes(&[1, 2, 3]).await;
    ws.assert_closed().await;
}

async fn packet_types() {
    let server = Server::start(&[]);
    for packet in ["47", "49[]", r#"44{"message":"x"}"#, "45", r#"45["x"]"#, "43[]"] {
        let mut ws = Ws::enter(&server).await;
        ws.say(packet).await;
        ws.assert_closed().await;
    }
}
