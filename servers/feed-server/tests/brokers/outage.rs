//! Redis goes and comes back: what publishers and readers notice.

use std::time::Duration;

use feed::Transport;

use crate::lab::{PATIENCE, Server, assert_quick, now};
use crate::redis::{Keeps, Redis};

/// Publishes a number; the status, and `Retry-After` if it is there.
async fn try_publish(server: &Server, number: u64) -> (u16, Option<String>) {
    let post = crate::lab::http().post(server.url("/topics/news")).body(number.to_string());
    let answer = post.timeout(PATIENCE).send().await.unwrap();
    let retry = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), retry)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_refuses_publishers_and_loses_no_reader_anything() {
    let test = "an_outage_refuses_publishers_and_loses_no_reader_anything";
    let Some(mut redis) = Redis::start(test, Keeps::Everything) else { return };
    let (one, other) = (redis.server(&[]).await, redis.server(&[]).await);
    let mut readers = Vec::new();
    for server in [&one, &other] {
        for transport in Transport::OWN {
            readers.push(server.read(transport, None).await);
        }
    }
    one.publish_numbers(1..=50).await;
    redis.kill();
    // It tries to come back, in vain.
    one.stats_when(|stats| !stats.broker.connected && stats.broker.errors > 0).await;
    assert_eq!(try_publish(&one, 0).await, (503, Some("1".to_owned())), "nobody is left hanging");
    assert_eq!(one.get("/readyz").await.status(), 503);
    assert_eq!(one.get("/healthz").await.status(), 200);
    assert!(one.get("/metrics").await.text().await.unwrap().contains("\nfeed_broker_connected 0\n"));
    for transport in Transport::OWN {
        let mut reader = one.read(transport, Some("earliest")).await;
        assert_eq!(reader.next(50).await.len(), 50, "{transport}: what a server has, it serves");
    }
    assert_eq!(one.get("/topics/new/short-poll").await.status(), 503, "what it cannot know, it does not make up");

    redis.restart();
    // Whoever comes back first may publish at once: the other has to catch up with what it did not hear.
    one.stats_when(|stats| stats.broker.connected).await;
    one.publish_numbers(51..=100).await;
    other.stats_when(|stats| stats.broker.connected).await;
    other.publish_numbers(101..=150).await;
    for reader in &mut readers {
        assert_eq!(reader.next(150).await, (1..=150).collect::<Vec<_>>(), "no hole, nothing twice, no reconnection");
    }
    let stats = other.stats().await;
    assert_eq!(stats.broker.reconnects, 1);
    assert_eq!(stats.connections.values().map(|kind| kind.gaps).sum::<u64>(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_holds_no_publisher_for_long() {
    let Some(redis) = Redis::start("a_redis_that_hangs_holds_no_publisher_for_long", Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    let mut reader = server.read(Transport::Sse, None).await;
    server.publish_numbers(1..=3).await;
    redis.signal("-STOP");
    // Within the bound of the request itself.
    assert_eq!(try_publish(&server, 4).await.0, 503);
    server.stats_when(|stats| !stats.broker.connected).await;
    // Once it is known to hang, the answer comes at once: an answer of its own would be waited for 2 s.
    assert_quick(Duration::from_secs(1), async || {
        let asked = now();
        assert_eq!(try_publish(&server, 5).await.0, 503);
        asked.elapsed()
    })
    .await;
    redis.signal("-CONT");
    server.stats_when(|stats| stats.broker.connected).await;
    server.publish("news", "6").await;
    let mut seen = reader.next(4).await;
    if seen[3] == 4 {
        // It was told that this may or may not be published: Redis had it when it woke up.
        seen.remove(3);
        seen.extend(reader.next(1).await);
    }
    assert_eq!(seen, [1, 2, 3, 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_cut_off_catches_up_with_what_it_missed() {
    let test = "a_listener_that_is_cut_off_catches_up_with_what_it_missed";
    let Some(redis) = Redis::start(test, Keeps::Nothing) else { return };
    let (one, other) = (redis.server(&[]).await, redis.server(&[]).await);
    let mut reader = other.read(Transport::Ws, None).await;
    for turn in 0..5 {
        redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        let numbers = 1 + 20 * turn..=20 * (turn + 1);
        one.publish_numbers(numbers.clone()).await;
        assert_eq!(reader.next(20).await, numbers.collect::<Vec<_>>());
        other.stats_when(|stats| stats.broker.connected && stats.broker.reconnects == turn + 1).await;
        one.stats_when(|stats| stats.broker.connected).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_is_answered_when_its_own_server_has_it_though_no_news_came() {
    let test = "a_publisher_is_answered_when_its_own_server_has_it_though_no_news_came";
    let Some(redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    let mut reader = server.read(Transport::Sse, None).await;
    // Redis drops whoever listens instead of sending more than 16 KiB.
    assert_eq!(redis.command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1 1 1"]).unwrap(), "+OK");
    let long = format!("\"{}\"", "x".repeat(40_000));
    for turn in 1..=5 {
        assert_eq!(server.publish("news", &long).await, turn);
        let batch: serde_json::Value = server.get("/topics/news/short-poll?after=earliest").await.json().await.unwrap();
        assert_eq!(batch["offset"], turn);
        server.stats_when(|stats| stats.broker.connected && stats.broker.reconnects == turn).await;
        assert_eq!(reader.message().await.unwrap()["id"], turn);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_its_broker_does_not_start() {
    let config = ["feed-server", "--listen", "127.0.0.1:0", "--broker", "redis://127.0.0.1:1"];
    let config = <feed_server::Config as clap::Parser>::try_parse_from(config).unwrap();
    let error = format!("{:#}", feed_server::listen(&config).await.unwrap_err());
    assert!(error.starts_with("cannot use the broker at redis://127.0.0.1:1: start Redis 5 or newer there"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_counted_and_tried_again_by_one_task_however_much_news_come() {
    let test = "what_cannot_be_read_is_counted_and_tried_again_by_one_task_however_much_news_come";
    let Some(redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    server.publish_numbers(1..=3).await;
    let mut reader = server.read(Transport::Ws, Some("earliest")).await;
    assert_eq!(reader.next(3).await, [1, 2, 3]);
    let cursor = server.read(Transport::ShortPoll, None).await.cursor;
    let epoch = cursor.split(':').next().unwrap();
    redis.command(&["XADD", "wirelab:log:news", "4-0", "entry", "no entry"]);
    redis.command(&["HSET", "wirelab:topic:news", "head", "4"]);
    let count = 200;
    for offset in 6..6 + count {
        redis.command(&["PUBLISH", "wirelab:news:news", &format!("{epoch} {offset} 1 0 0")]);
    }
    let stats = server.stats_when(|stats| stats.broker.errors >= 2).await;
    assert!(stats.broker.errors < count / 4, "{} errors", stats.broker.errors);
    assert_eq!(redis.command(&["FLUSHALL"]).unwrap(), "+OK");
    assert_eq!(reader.message().await.unwrap()["type"], "gap", "it was tried until it worked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_outlives_one_to_the_same_topic_that_is_refused() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    let test = "a_subscription_outlives_one_to_the_same_topic_that_is_refused";
    let Some(mut redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", server.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut hear = async |say: &str, wanted: &str| {
        if !say.is_empty() {
            socket.send(Message::text(say)).await.unwrap();
        }
        let heard = async {
            loop {
                match socket.next().await.expect("it goes on").unwrap() {
                    Message::Text(text) if text.starts_with(wanted) => return text.to_string(),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("something comes")
    };
    hear("40", "40").await;
    hear(r#"420["subscribe",{"topic":"news"}]"#, "430").await;
    redis.kill();
    server.stats_when(|stats| !stats.broker.connected).await;
    let refused = hear(r#"421["subscribe",{"topic":"news","after":"zzzzzz:9"}]"#, "431").await;
    assert!(refused.contains("out of reach"), "{refused}");
    redis.restart();
    server.stats_when(|stats| stats.broker.connected).await;
    server.publish("news", "7").await;
    hear("", r#"42["notification""#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_goes_before_it_is_answered_has_published_and_is_counted() {
    let test = "a_publisher_that_goes_before_it_is_answered_has_published_and_is_counted";
    let Some(redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    let mut reader = server.read(Transport::Ws, None).await;
    for number in 1..=50 {
        let mut client = server.dial().await;
        client.write(format!("POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{number:2}")).await;
        drop(client);
        assert_eq!(reader.next(1).await, [number]);
    }
    server.stats_when(|stats| stats.published == 50).await;
}
