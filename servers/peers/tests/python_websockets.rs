//! The chat over Python's `websockets`: a set of clients, and both ways of sending to all of them.

mod lab;

use lab::crowd::Crowd;
use lab::{Client, bounded};
use peers::Peer;
use serde_json::json;

const PEER: &str = "python-websockets";

/// Connects and takes the welcome: the client, and how many there are with it.
async fn join(peer: &Peer) -> (Client, u64) {
    let mut client = Client::connect(&peer.ws("/")).await;
    let welcome = client.hear_json().await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    (client, welcome["clients"].as_u64().unwrap())
}

#[tokio::test]
async fn what_one_says_is_sent_to_all_untouched_either_way() {
    for way in ["library", "gather"] {
        let Some(peer) = Peer::for_test(PEER, &[("BROADCAST", way)]).await else { return };
        let (mut first, _) = join(&peer).await;
        let (mut second, clients) = join(&peer).await;
        assert_eq!(clients, 2);
        let payload = "wl1:0badcafe:0000:00000001:00000000000000ff;";
        first.say(&json!({"type": "message", "payload": payload}).to_string()).await;
        for client in [&mut first, &mut second] {
            let heard = client.hear_json().await;
            assert_eq!((&heard["type"], &heard["payload"]), (&json!("message"), &json!(payload)), "{way}");
        }
    }
}

#[tokio::test]
async fn who_left_is_in_the_set_no_more() {
    let Some(peer) = Peer::for_test(PEER, &[]).await else { return };
    let (stays, _) = join(&peer).await;
    let (leaves, clients) = join(&peer).await;
    assert_eq!(clients, 2);
    leaves.leave().await;
    assert_eq!(join(&peer).await.1, 2, "the one who left is counted");
    stays.leave().await;
}

#[tokio::test]
async fn who_does_not_answer_pings_is_let_go() {
    let Some(peer) = Peer::for_test(PEER, &[("PING_INTERVAL", "0.2"), ("PING_TIMEOUT", "0.2")]).await else { return };
    // Its pings stay unread in the socket's buffer, so they stay unanswered.
    let (_silent, _) = join(&peer).await;
    let (mut lively, _) = join(&peer).await;
    bounded(async {
        while join(&peer).await.1 > 2 {
            lively.say(r#"{"type":"echo","payload":"here"}"#).await;
            assert_eq!(lively.hear_json().await["payload"], "here", "the one that answers pings is still there");
        }
    })
    .await;
}

#[tokio::test]
async fn nonsense_is_answered_with_an_error_and_ends_nothing() {
    let Some(mut peer) = Peer::for_test(PEER, &[]).await else { return };
    let (mut client, _) = join(&peer).await;
    let deep = "[".repeat(100_000);
    let (no_json, too_large) = (r#"{"type":"message","payload":NaN}"#, r#"{"type":"message","payload":1e999}"#);
    for nonsense in ["{", "null", "7", "[]", r#"{"type":"other"}"#, r#"{"type":{}}"#, "NaN", no_json, too_large, &deep]
    {
        client.say(nonsense).await;
        assert_eq!(client.hear_json().await["type"], "error", "{nonsense:.20}");
    }
    client.say_bytes(b"\xff\xfe").await;
    assert_eq!(client.hear_json().await["type"], "error");
    client.say(r#"{"type":"echo","payload":"still here"}"#).await;
    assert_eq!(client.hear_json().await["payload"], "still here");
    assert!(peer.is_running());
}

#[tokio::test]
async fn more_than_a_thousand_clients_are_held_at_once() {
    let Some(peer) = Peer::for_test(PEER, &[]).await else { return };
    let mut crowd = Crowd::of_sockets(&peer.url, "/", "welcome").await;
    join(&peer).await.0.say(r#"{"type":"message","payload":"to everyone"}"#).await;
    crowd.all_hear("to everyone").await;
}
