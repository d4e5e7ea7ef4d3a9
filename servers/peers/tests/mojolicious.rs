//! The Mojolicious servers: the greeting, the echo, and the chat that announces who joins and leaves.

mod lab;

use lab::Client;
use lab::crowd::Crowd;
use lab::raw::Raw;
use peers::Peer;

const PEER: &str = "mojolicious";

#[tokio::test]
async fn the_minimal_server_greets() {
    let Some(peer) = Peer::for_test(PEER, &[]).await else { return };
    let mut client = Client::connect(&peer.ws("/")).await;
    assert_eq!(client.hear().await, "Connected!");
    client.leave().await;
}

#[tokio::test]
async fn the_echo_server_sends_back_what_is_said() {
    let Some(peer) = Peer::for_test(PEER, &[]).await else { return };
    let mut client = Client::connect(&peer.ws("/echo")).await;
    for text in ["hello", "", "wl1:0badcafe:0000:00000001:00000000000000ff;", "日本語"] {
        client.say(text).await;
        assert_eq!(client.hear().await, format!("echo: {text}"));
    }
}

#[tokio::test]
async fn the_chat_announces_who_joins_and_leaves_with_the_head_count() {
    let Some(peer) = Peer::for_test(PEER, &[]).await else { return };
    let mut first = Client::connect(&peer.ws("/chat")).await;
    assert_eq!(first.hear().await, "Connected! You are guest 1, 1 here");
    assert_eq!(first.hear().await, "guest 1 joined, 1 here");
    let mut second = Client::connect(&peer.ws("/chat")).await;
    assert_eq!(second.hear().await, "Connected! You are guest 2, 2 here");
    for client in [&mut first, &mut second] {
        assert_eq!(client.hear().await, "guest 2 joined, 2 here");
    }
    second.say("hello").await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.hear().await, "guest 2: hello");
    }
    second.leave().await;
    assert_eq!(first.hear().await, "guest 2 left, 1 here");
    // Without a goodbye, too.
    let third = Client::connect(&peer.ws("/chat")).await;
    assert_eq!(first.hear().await, "guest 3 joined, 2 here");
    drop(third);
    assert_eq!(first.hear().await, "guest 3 left, 1 here");
}

#[tokio::test]
async fn in_a_crowd_those_of_a_second_are_announced_together() {
    let Some(peer) = Peer::for_test(PEER, &[("ANNOUNCE_EACH_MAX", "0")]).await else { return };
    let mut first = Client::connect(&peer.ws("/chat")).await;
    assert_eq!(first.hear().await, "Connected! You are guest 1, 1 here");
    assert_eq!(first.hear().await, "1 joined, 0 left, 1 here");
    let second = Client::connect(&peer.ws("/chat")).await;
    assert_eq!(first.hear().await, "1 joined, 0 left, 2 here");
    second.leave().await;
    assert_eq!(first.hear().await, "0 joined, 1 left, 1 here");
}

#[tokio::test]
async fn who_is_silent_for_too_long_is_let_go() {
    let Some(peer) = Peer::for_test(PEER, &[("INACTIVITY_TIMEOUT", "1")]).await else { return };
    let mut silent = Client::connect(&peer.ws("/echo")).await;
    silent.end().await;
}

#[tokio::test]
async fn what_is_no_text_ends_its_sender_alone() {
    let Some(mut peer) = Peer::for_test(PEER, &[]).await else { return };
    let mut first = Client::connect(&peer.ws("/echo")).await;
    for path in ["/echo", "/chat"] {
        let mut other = Raw::upgrade(&peer.url, path).await;
        // A text frame whose bytes are no UTF-8, masked with zeros.
        other.write(b"\x81\x82\0\0\0\0\xff\xfe").await;
        other.end().await;
    }
    first.say_bytes(b"\xff\xfe").await;
    first.hear().await;
    first.say("still here").await;
    assert_eq!(first.hear().await, "echo: still here");
    assert!(peer.is_running());
}

#[tokio::test]
async fn more_than_a_thousand_clients_are_held_at_once() {
    let Some(peer) = Peer::for_test(PEER, &[]).await else { return };
    let mut crowd = Crowd::of_sockets(&peer.url, "/chat", "Connected!").await;
    Client::connect(&peer.ws("/chat")).await.say("to everyone").await;
    crowd.all_hear(": to everyone").await;
}
