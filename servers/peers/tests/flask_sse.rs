//! Messages over Flask: a stream with a queue per client, short and long polling.

mod lab;

use lab::crowd::Crowd;
use lab::raw::Raw;
use lab::{get, post};
use peers::Peer;
use serde_json::{Value, json};

const PEER: &str = "flask-sse";

async fn publish(peer: &Peer, text: &str) -> u64 {
    let (status, body) = post(&peer.http("/api/messages"), "application/json", json!({"text": text}).to_string()).await;
    assert_eq!(status, 201, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["id"].as_u64().unwrap()
}

async fn poll(peer: &Peer, path: &str) -> Value {
    serde_json::from_str(&get(&peer.http(path)).await).unwrap()
}

#[tokio::test]
async fn a_published_message_reaches_every_stream_untouched() {
    let Some(peer) = Peer::for_test(PEER, &[]).await else { return };
    let mut streams =
        [Raw::stream(&peer.url, "/api/notifications").await, Raw::stream(&peer.url, "/api/notifications").await];
    for stream in &mut streams {
        stream.hear(": connected\n\n").await;
    }
    let postmark = "wl1:0badcafe:0000:00000001:00000000000000ff;";
    let id = publish(&peer, postmark).await;
    for stream in &mut streams {
        stream.hear(&format!("id: {id}\ndata: {{\"id\": {id}, \"text\": \"{postmark}\"}}\n\n")).await;
    }
}

#[tokio::test]
async fn a_short_poll_brings_what_came_since() {
    let Some(peer) = Peer::for_test(PEER, &[]).await else { return };
    publish(&peer, "before").await;
    assert_eq!(poll(&peer, "/api/messages").await, json!({"messages": [], "last": 1}), "without a number, from now on");
    publish(&peer, "after").await;
    let answer = poll(&peer, "/api/messages?since=1").await;
    assert_eq!(answer, json!({"messages": [{"id": 2, "text": "after"}], "last": 2}));
    assert_eq!(poll(&peer, "/api/messages?since=2").await["messages"], json!([]));
}

#[tokio::test]
async fn a_long_poll_is_held_until_there_is_a_message_or_its_time_is_over() {
    let Some(peer) = Peer::for_test(PEER, &[]).await else { return };
    assert_eq!(poll(&peer, "/api/messages/wait").await, json!({"messages": [], "last": 0}), "the first does not wait");
    assert_eq!(poll(&peer, "/api/messages/wait?since=0&timeout=1").await["messages"], json!([]));
    let mut held = Raw::send(&peer.url, "/api/messages/wait?since=0&timeout=60").await;
    // Answered by the same loop, so the one that is held was read before.
    poll(&peer, "/api/messages").await;
    publish(&peer, "news").await;
    held.hear("{\"last\":1,\"messages\":[{\"id\":1,\"text\":\"news\"}]}").await;
}

#[tokio::test]
async fn a_silent_stream_gets_a_heartbeat() {
    let Some(peer) = Peer::for_test(PEER, &[("HEARTBEAT", "0.1")]).await else { return };
    let mut stream = Raw::stream(&peer.url, "/api/notifications").await;
    stream.hear(": still here\n\n").await;
}

#[tokio::test]
async fn a_stream_whose_queue_is_full_is_ended() {
    let Some(peer) = Peer::for_test(PEER, &[("QUEUE_MAX", "2")]).await else { return };
    let mut slow = Raw::stream(&peer.url, "/api/notifications").await;
    let mut other = Raw::stream(&peer.url, "/api/notifications").await;
    // Large enough to fill the socket's buffers of a client that does not read, after which the queue fills.
    let large = "x".repeat(900_000);
    for _ in 0..20 {
        let id = publish(&peer, &large).await;
        other.hear(&format!("id: {id}\n")).await;
        other.forget();
    }
    // The last chunk: a browser then connects anew.
    slow.hear("\r\n0\r\n\r\n").await;
    let id = publish(&peer, "the end").await;
    other.hear(&format!("id: {id}\n")).await;
}

#[tokio::test]
async fn nonsense_is_refused_with_what_was_expected() {
    let Some(mut peer) = Peer::for_test(PEER, &[]).await else { return };
    let url = peer.http("/api/messages");
    for nonsense in ["", "{", "null", "7", "[]", "{\"other\":1}"] {
        let (status, body) = post(&url, "application/json", nonsense).await;
        assert!(status == 400 && body.contains("expected"), "{nonsense}: {status} {body}");
    }
    assert_eq!(post(&url, "application/json", format!("\"{}\"", "x".repeat(2_000_000))).await.0, 413);
    for query in ["since=x", "since=-1", "since=", "since=99999999999999999999", "since=%F0%9F%98%80"] {
        let answer = lab::http().get(peer.http(&format!("/api/messages?{query}"))).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
    }
    publish(&peer, "still here").await;
    assert!(peer.is_running());
}

#[tokio::test]
async fn more_than_a_thousand_streams_are_held_at_once() {
    let Some(peer) = Peer::for_test(PEER, &[]).await else { return };
    let mut crowd = Crowd::of_streams(&peer.url, "/api/notifications", ": connected").await;
    publish(&peer, "to everyone").await;
    crowd.all_hear("to everyone").await;
}
