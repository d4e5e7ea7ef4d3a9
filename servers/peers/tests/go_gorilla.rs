//! The hub of Go with gorilla/websocket: broadcast, and the drop of the client whose queue is full.

mod lab;

use lab::Client;
use lab::wire::{Wire, flood, flood_number, publish};
use peers::Peer;

/// More than a queue of 256 and the buffers of two sockets hold.
const FLOOD: usize = 600;

/// Connects and says a word until it is heard: a client is registered after its handshake is answered.
async fn join(peer: &Peer, topic: &str, word: &str) -> Client {
    let mut client = Client::connect(&peer.ws(&format!("/topics/{topic}/ws"))).await;
    client.say(word).await;
    while client.hear().await != word {}
    client
}

#[tokio::test]
async fn what_is_published_reaches_the_clients_of_its_topic_untouched() {
    let Some(peer) = Peer::for_test("go-gorilla", &[]).await else { return };
    let mut first = join(&peer, "news", "1").await;
    let mut second = join(&peer, "news", "2").await;
    let mut other = join(&peer, "other", "3").await;
    assert_eq!(first.hear().await, "2", "what a client says reaches all");
    let (status, answer) = publish(&peer, "news", "{\"a\": 1}").await;
    assert_eq!((status, answer.trim_end()), (201, r#"{"dropped":0,"topic":"news"}"#));
    for reader in [&mut first, &mut second] {
        assert_eq!(reader.hear().await, "{\"a\": 1}");
    }
    other.say("4").await;
    assert_eq!(other.hear().await, "4", "topics are separate");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped_and_the_others_lose_nothing() {
    let Some(peer) = Peer::for_test("go-gorilla", &[]).await else { return };
    let mut slow = Wire::dial_narrow(&peer).await;
    slow.upgrade("/topics/news/ws").await;
    // A text frame with a mask of zeros; what it says comes back once it is registered.
    slow.say(b"\x81\x86\0\0\0\0\"slow\"").await;
    assert_eq!(slow.hear_frame().await.1, b"\"slow\"");
    let mut fast = join(&peer, "news", "\"both are here\"").await;
    slow.hear_frame().await;
    let reading = tokio::spawn(async move {
        for number in 0..FLOOD {
            assert_eq!(flood_number(fast.hear().await.as_bytes()), number);
        }
    });
    let mut answer = String::new();
    for number in 0..FLOOD {
        answer = publish(&peer, "news", &flood(number)).await.1;
    }
    reading.await.unwrap();
    assert_eq!(answer.trim_end(), r#"{"dropped":1,"topic":"news"}"#);
    // What was in its queue when it was dropped comes still, then the farewell.
    let mut heard = 0;
    loop {
        let (first, payload) = slow.hear_frame().await;
        if first == 0x88 {
            break;
        }
        assert_eq!(flood_number(&payload), heard, "nothing is missing before the end");
        heard += 1;
    }
    assert!((256..FLOOD).contains(&heard), "it heard {heard} of {FLOOD}");
}

#[tokio::test]
async fn nonsense_is_refused_and_a_notification_that_is_too_long_as_well() {
    let Some(peer) = Peer::for_test("go-gorilla", &[]).await else { return };
    assert_eq!(publish(&peer, "news", &"x".repeat(65 << 10)).await.0, 413);
    assert_eq!(publish(&peer, "news/sse", "1").await.0, 404);
    assert_eq!(lab::http().get(peer.http("/topics/news")).send().await.unwrap().status(), 405);
    assert_eq!(
        lab::http().get(peer.http("/topics/news/ws")).send().await.unwrap().status(),
        400,
        "no WebSocket client"
    );
}
