//! The chat over Socket.IO: polling that upgrades, rooms, namespaces, acknowledgements, a token, recovery.

mod lab;

use lab::crowd::Crowd;
use lab::socketio::SocketIo;
use lab::{Client, bounded, get, post};
use peers::Peer;
use serde_json::{Value, json};

async fn enter(peer: &Peer) -> SocketIo {
    SocketIo::connect(&peer.ws(""), "/", &json!({})).await.unwrap()
}

#[tokio::test]
async fn a_chat_message_reaches_everyone_and_is_acknowledged() {
    let Some(peer) = Peer::for_test("socketio", &[]).await else { return };
    let (mut first, mut second) = (enter(&peer).await, enter(&peer).await);
    let postmark = "wl1:0badcafe:0000:00000001:00000000000000ff;";
    let answer = first.ask(&json!(["chat message", postmark])).await;
    assert_eq!(answer, json!([{"status": "ok"}]));
    let heard = second.hear().await;
    assert_eq!((&heard[0], &heard[1]), (&json!("chat message"), &json!(postmark)));
}

#[tokio::test]
async fn what_is_said_in_a_room_stays_in_it() {
    let Some(peer) = Peer::for_test("socketio", &[]).await else { return };
    let (mut inside, mut outside) = (enter(&peer).await, enter(&peer).await);
    assert_eq!(inside.join("news").await, json!({"status": "ok", "clients": 1}));
    assert_eq!(outside.join("sports").await["clients"], 1);
    outside.emit(&json!(["say", "news", "for the room"])).await;
    outside.emit(&json!(["chat message", "for all"])).await;
    assert_eq!(&inside.hear().await.as_array().unwrap()[..3], [json!("said"), json!("news"), json!("for the room")]);
    assert_eq!(outside.hear().await[1], "for all", "the room's message came outside");
    assert_eq!(inside.hear().await[1], "for all");
    assert_eq!(inside.ask(&json!(["leave", "news"])).await[0]["status"], "ok");
    outside.emit(&json!(["say", "news", "nobody hears"])).await;
    outside.emit(&json!(["chat message", "the next"])).await;
    assert_eq!(inside.hear().await[1], "the next", "who left the room still hears it");
}

#[tokio::test]
async fn a_namespace_of_its_own_echoes_and_acknowledges_what_it_was_given() {
    let Some(peer) = Peer::for_test("socketio", &[]).await else { return };
    let mut client = SocketIo::connect(&peer.ws(""), "/echo", &json!({})).await.unwrap();
    client.emit(&json!(["hello", 1, "two"])).await;
    assert_eq!(client.hear().await.as_array().unwrap()[..3], [json!("hello"), json!(1), json!("two")]);
    assert_eq!(client.ask(&json!(["hello", {"a": 1}])).await, json!([{"a": 1}]));
    let refused = SocketIo::connect(&peer.ws(""), "/nowhere", &json!({})).await.err();
    assert_eq!(refused, Some(json!({"message": "Invalid namespace"})));
}

#[tokio::test]
async fn without_the_right_token_nobody_is_let_in() {
    let Some(peer) = Peer::for_test("socketio", &[("TOKEN", "s3cret")]).await else { return };
    for namespace in ["/", "/echo"] {
        for wrong in [json!({}), json!({"token": "guess"}), json!({"token": {"$ne": ""}})] {
            let refused = SocketIo::connect(&peer.ws(""), namespace, &wrong).await.err();
            assert_eq!(refused, Some(json!({"message": "Access denied"})), "{namespace} {wrong}");
        }
        SocketIo::connect(&peer.ws(""), namespace, &json!({"token": "s3cret"})).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_begins_as_polling_and_goes_on_as_websocket() {
    let Some(peer) = Peer::for_test("socketio", &[]).await else { return };
    let open = get(&peer.http("/socket.io/?EIO=4&transport=polling")).await;
    let open: Value = serde_json::from_str(open.strip_prefix('0').expect("an open packet")).unwrap();
    assert_eq!(open["upgrades"], json!(["websocket"]));
    let session = open["sid"].as_str().unwrap();
    let poll = peer.http(&format!("/socket.io/?EIO=4&transport=polling&sid={session}"));
    assert_eq!(post(&poll, "text/plain", "40").await, (200, "ok".to_owned()));
    assert!(get(&poll).await.starts_with("40{\"sid\":"));
    assert_eq!(post(&poll, "text/plain", "420[\"join\",\"news\"]").await.0, 200);
    assert!(get(&poll).await.starts_with("430[{\"status\":\"ok\""));

    let mut socket = Client::connect(&peer.ws(&format!("/socket.io/?EIO=4&transport=websocket&sid={session}"))).await;
    socket.say("2probe").await;
    assert_eq!(socket.hear().await, "3probe");
    socket.say("5").await;
    socket.say("42[\"say\",\"news\",\"over the socket\"]").await;
    assert!(socket.hear().await.starts_with("42[\"said\",\"news\",\"over the socket\""));
}

#[tokio::test]
async fn who_lost_the_connection_is_sent_what_it_missed() {
    let Some(peer) = Peer::for_test("socketio", &[]).await else { return };
    let mut traveller = enter(&peer).await;
    traveller.join("news").await;
    let mut speaker = enter(&peer).await;
    speaker.ask(&json!(["say", "news", "before"])).await;
    let heard = traveller.hear().await;
    let (session, offset) = (traveller.session["pid"].clone(), heard[3].clone());
    assert!(session.is_string() && offset.is_string(), "{} {heard}", traveller.session);
    // Not in order, as a network that breaks: a client that leaves on purpose is not recovered.
    drop(traveller);
    bounded(async { while speaker.join("news").await["clients"] != 1 {} }).await;
    speaker.ask(&json!(["say", "news", "meanwhile"])).await;
    let mut back = SocketIo::connect(&peer.ws(""), "/", &json!({"pid": session, "offset": offset})).await.unwrap();
    assert_eq!(back.session["pid"], session, "the session is another");
    assert_eq!(back.hear().await[2], "meanwhile");
    speaker.ask(&json!(["say", "news", "after"])).await;
    assert_eq!(back.hear().await[2], "after", "it is in its rooms again");
}

#[tokio::test]
async fn who_does_not_answer_pings_is_let_go() {
    let settings = [("PING_INTERVAL_MS", "200"), ("PING_TIMEOUT_MS", "200")];
    let Some(peer) = Peer::for_test("socketio", &settings).await else { return };
    // Pings of Engine.IO are text messages: reading them without an answer is silence.
    let mut silent = Client::connect(&peer.ws("/socket.io/?EIO=4&transport=websocket")).await;
    silent.end().await;
    let mut lively = enter(&peer).await;
    for _ in 0..5 {
        assert_eq!(lively.ask(&json!(["chat message", 1])).await[0]["status"], "ok");
    }
}

#[tokio::test]
async fn nonsense_is_refused_and_ends_no_one_else() {
    let Some(mut peer) = Peer::for_test("socketio", &[]).await else { return };
    let mut client = enter(&peer).await;
    for room in [json!(null), json!(7), json!(""), json!({"a": 1}), json!("x".repeat(129))] {
        let answer = client.ask(&json!(["join", room])).await;
        assert_eq!(answer[0]["status"], "error", "{room}: {answer}");
    }
    client.emit(&json!(["say", 7])).await;
    assert_eq!(client.hear().await[0], "refused");
    // What is no packet costs whoever sent it the connection.
    for broken in ["9", "42{", "42[\"connect\"]", "42[]"] {
        let mut other = enter(&peer).await;
        other.say_raw(broken).await;
        other.end().await;
    }
    for odd in ["42", "43", "4312[]", "40null", "451-[\"say\",{\"_placeholder\":true,\"num\":9}]"] {
        enter(&peer).await.say_raw(odd).await;
    }
    for _ in 0..5 {
        assert_eq!(enter(&peer).await.ask(&json!(["chat message", 1])).await[0]["status"], "ok");
    }
    assert!(peer.is_running());
}

#[tokio::test]
async fn more_than_a_thousand_clients_are_held_at_once() {
    let Some(peer) = Peer::for_test("socketio", &[]).await else { return };
    let path = "/socket.io/?EIO=4&transport=websocket";
    let mut crowd = Crowd::of_sockets(&peer.url, path, "0{").await;
    // "40" as a masked text frame, the mask being zero.
    crowd.all_say(b"\x81\x82\0\0\0\x0040").await;
    crowd.all_hear("40{").await;
    enter(&peer).await.ask(&json!(["chat message", "to everyone"])).await;
    crowd.all_hear("to everyone").await;
}
