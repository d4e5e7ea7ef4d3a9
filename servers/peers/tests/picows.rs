//! The broadcaster over picows: what one says reaches all of its topic, and who does not read is dropped.

mod lab;

use lab::Client;
use lab::wire::{Wire, flood, flood_number};
use peers::Peer;

/// More than the buffers of two sockets and 1 MiB hold.
const FLOOD: usize = 300;

#[tokio::test]
async fn what_one_says_reaches_all_of_its_topic_untouched() {
    let Some(peer) = Peer::for_test("picows", &[]).await else { return };
    let mut first = Client::connect(&peer.ws("/topics/news/ws")).await;
    let mut second = Client::connect(&peer.ws("/topics/news/ws")).await;
    let mut other = Client::connect(&peer.ws("/topics/other/ws")).await;
    first.say("{\"text\": \"ä\"}").await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.hear().await, "{\"text\": \"ä\"}");
    }
    other.say("1").await;
    assert_eq!(other.hear().await, "1", "topics are separate");
    second.leave().await;
    first.say("2").await;
    assert_eq!(first.hear().await, "2");
    assert_eq!(lab::http().get(peer.http("/topics/news")).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped_and_the_others_lose_nothing() {
    let Some(peer) = Peer::for_test("picows", &[]).await else { return };
    let mut slow = Wire::dial_narrow(&peer).await;
    slow.upgrade("/topics/news/ws").await;
    let mut fast = Client::connect(&peer.ws("/topics/news/ws")).await;
    for number in 0..FLOOD {
        fast.say(&flood(number)).await;
        assert_eq!(flood_number(fast.hear().await.as_bytes()), number);
    }
    let heard = slow.end().await.len();
    assert!((60_000..FLOOD * 60_000).contains(&heard), "it got {heard} bytes of {}", FLOOD * 60_000);
}
