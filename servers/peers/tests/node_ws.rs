//! The chat over Node's `ws`: a Map of clients, broadcast, direct messages, and the end of the silent.

mod lab;

use lab::crowd::Crowd;
use lab::{Client, bounded};
use peers::Peer;
use serde_json::json;

/// Connects and takes the welcome: the client and its id.
async fn join(peer: &Peer) -> (Client, String) {
    let mut client = Client::connect(&peer.ws("/")).await;
    let welcome = client.hear_json().await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    (client, welcome["clientId"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_one_says_is_sent_to_all_untouched() {
    let Some(peer) = Peer::for_test("node-ws", &[]).await else { return };
    let (mut first, first_id) = join(&peer).await;
    let (mut second, _) = join(&peer).await;
    let payload = "wl1:0badcafe:0000:00000001:00000000000000ff;";
    first.say(&json!({"type": "message", "payload": payload}).to_string()).await;
    for client in [&mut first, &mut second] {
        let heard = client.hear_json().await;
        assert_eq!((&heard["type"], &heard["from"]), (&json!("message"), &json!(first_id)));
        assert_eq!(heard["payload"], payload);
    }
}

#[tokio::test]
async fn a_direct_message_reaches_its_addressee_alone() {
    let Some(peer) = Peer::for_test("node-ws", &[]).await else { return };
    let (mut first, first_id) = join(&peer).await;
    let (mut second, second_id) = join(&peer).await;
    let (mut third, _) = join(&peer).await;
    first.say(&json!({"type": "direct", "to": second_id, "payload": "for you"}).to_string()).await;
    let heard = second.hear_json().await;
    assert_eq!(
        (&heard["type"], &heard["from"], &heard["payload"]),
        (&json!("direct"), &json!(first_id), &json!("for you"))
    );
    first.say(&json!({"type": "message", "payload": "for all"}).to_string()).await;
    assert_eq!(third.hear_json().await["payload"], "for all", "the third heard what was not for it");
}

#[tokio::test]
async fn who_left_is_in_the_map_no_more() {
    let Some(peer) = Peer::for_test("node-ws", &[]).await else { return };
    let (mut first, _) = join(&peer).await;
    let (second, second_id) = join(&peer).await;
    second.leave().await;
    first.say(&json!({"type": "direct", "to": second_id, "payload": 1}).to_string()).await;
    let heard = first.hear_json().await;
    assert_eq!(heard["type"], "error");
    assert!(heard["message"].as_str().unwrap().contains(&second_id), "{heard}");
}

#[tokio::test]
async fn who_does_not_answer_pings_is_terminated_and_who_does_is_not() {
    let Some(peer) = Peer::for_test("node-ws", &[("PING_INTERVAL_MS", "200")]).await else { return };
    let (mut lively, _) = join(&peer).await;
    // Its pings stay unread in the socket's buffer, so they stay unanswered.
    let (_silent, silent_id) = join(&peer).await;
    let ask = json!({"type": "direct", "to": silent_id, "payload": "are you there?"}).to_string();
    bounded(async {
        loop {
            lively.say(&ask).await;
            lively.say(r#"{"type":"ping"}"#).await;
            // The pong alone, as long as the silent one is there; an error first, once it is gone.
            if lively.hear_json().await["type"] == "error" {
                break;
            }
        }
    })
    .await;
    assert_eq!(lively.hear_json().await["type"], "pong", "the one that answers pings is still there");
}

#[tokio::test]
async fn nonsense_is_answered_with_an_error_and_ends_nothing() {
    let Some(mut peer) = Peer::for_test("node-ws", &[]).await else { return };
    let (mut client, _) = join(&peer).await;
    for nonsense in ["{", "null", "7", "[]", r#"{"type":"constructor"}"#, r#"{"type":"direct"}"#, r#"{"type":{}}"#] {
        client.say(nonsense).await;
        let heard = client.hear_json().await;
        assert_eq!(heard["type"], "error", "{nonsense}: {heard}");
    }
    client.say_bytes(b"\xff\xfe").await;
    assert_eq!(client.hear_json().await["type"], "error");
    client.say(r#"{"type":"echo","payload":"still here"}"#).await;
    assert_eq!(client.hear_json().await["payload"], "still here");
    assert!(peer.is_running());
}

#[tokio::test]
async fn more_than_a_thousand_clients_are_held_at_once() {
    let Some(peer) = Peer::for_test("node-ws", &[]).await else { return };
    let mut crowd = Crowd::of_sockets(&peer.url, "/", "welcome").await;
    join(&peer).await.0.say(r#"{"type":"message","payload":"to everyone"}"#).await;
    crowd.all_hear("to everyone").await;
}
