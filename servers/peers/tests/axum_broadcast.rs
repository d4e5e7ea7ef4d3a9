//! The naive Rust server: broadcast over its two transports, and what a reader that lags loses without a word.

mod lab;

use lab::Client;
use lab::wire::{Wire, flood, flood_number, publish};
use peers::Peer;

/// More than a channel of 100 and the buffers of two sockets hold.
const FLOOD: usize = 400;

#[tokio::test]
async fn what_is_published_reaches_websockets_and_event_streams() {
    let Some(peer) = Peer::for_test("axum-broadcast", &[]).await else { return };
    let mut socket = Client::connect(&peer.ws("/topics/news/ws")).await;
    let mut stream = Wire::dial(&peer).await;
    stream.get("/topics/news/sse", &[]).await;
    let head = stream.hear_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("text/event-stream"), "{head}");
    let (status, answer) = publish(&peer, "news", r#"{"a": "wl1:"}"#).await;
    assert_eq!((status, answer.as_str()), (201, ""));
    assert_eq!(socket.hear().await, r#"{"a": "wl1:"}"#);
    assert_eq!(stream.hear_until("\n\n\r\n").await, "15\r\ndata: {\"a\": \"wl1:\"}\n\n\r\n");
    assert_eq!(publish(&peer, "nobody-listens", "1").await.0, 201);
}

/// The loss is a hole in the numbers and nothing else: no message, no close, and the stream goes on with what is newest.
#[tokio::test]
async fn a_reader_that_lags_loses_messages_and_is_not_told() {
    let Some(peer) = Peer::for_test("axum-broadcast", &[]).await else { return };
    let mut slow = Wire::dial_narrow(&peer).await;
    slow.upgrade("/topics/news/ws").await;
    for number in 0..FLOOD {
        assert_eq!(publish(&peer, "news", &flood(number)).await.0, 201, "the publisher is not told either");
    }
    let mut heard = Vec::new();
    while heard.last() != Some(&(FLOOD - 1)) {
        let (first, payload) = slow.hear_frame().await;
        assert_eq!(first, 0x81, "nothing but text messages comes");
        heard.push(flood_number(&payload));
    }
    assert!(heard.is_sorted(), "{heard:?}");
    assert!(heard.len() < FLOOD, "it heard all {FLOOD}: the flood is too small for this machine's socket buffers");
    let holes: Vec<_> = heard.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    assert_eq!(holes.len(), 1, "one hole, where it was overtaken: {holes:?}");
    publish(&peer, "news", &flood(FLOOD)).await;
    assert_eq!(flood_number(&slow.hear_frame().await.1), FLOOD, "and it goes on as if nothing had been");
}
