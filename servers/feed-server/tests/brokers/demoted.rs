//! The primary becomes a replica and closes nothing: publishers and readers leave it, and find who takes writes.

use feed::Transport;

use crate::lab::{PATIENCE, Reader, Server, http};
use crate::redis::{Keeps, Redis};

/// Publishes a number; the status, `Retry-After`, and why not.
pub(crate) async fn try_publish(server: &Server, number: u64) -> (u16, Option<String>, String) {
    let post = http().post(server.url("/topics/news")).body(number.to_string());
    let answer = post.timeout(PATIENCE).send().await.unwrap();
    let retry = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), retry, answer.text().await.unwrap())
}

/// A primary, its replica, a server behind the primary, and a stream that has three notifications.
async fn pair(test: &str) -> Option<([Redis; 2], Server, Reader)> {
    let old = Redis::start(test, Keeps::Nothing)?;
    let new = Redis::start(test, Keeps::Nothing)?;
    new.follow(&old);
    let server = old.server(&[]).await;
    server.publish_numbers(1..=3).await;
    let mut reader = server.read(Transport::Sse, Some("earliest")).await;
    assert_eq!(reader.next(3).await, [1, 2, 3]);
    Some(([old, new], server, reader))
}

/// Swaps them: nothing is written meanwhile.
fn demote(old: &Redis, new: &Redis) {
    new.promote();
    old.follow(new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_are_told_of_a_demoted_primary_and_its_connections_are_dropped() {
    let test = "publishers_are_told_of_a_demoted_primary_and_its_connections_are_dropped";
    let Some(([old, new], server, mut reader)) = pair(test).await else { return };
    demote(&old, &new);
    let (status, retry, why) = try_publish(&server, 0).await;
    assert_eq!((status, retry.as_deref()), (503, Some("1")));
    // By the publication itself, unless the pulse was quicker.
    assert!(why.contains("is a replica: nothing was done") || why.contains("out of reach: nothing was done"), "{why}");
    // It was dialled again, in vain.
    server.stats_when(|stats| !stats.broker.connected && stats.broker.errors >= 2).await;
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status(), 503, "nothing can be published");
    assert!(answer.text().await.unwrap().contains("is a replica"));
    let listeners = || old.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).unwrap();
    let gone = async {
        while listeners() != "$0" {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("who listens leaves as well");
    // It takes writes again: it is found.
    old.promote();
    server.stats_when(|stats| stats.broker.connected && stats.broker.reconnects == 1).await;
    assert_eq!(server.get("/readyz").await.status(), 200);
    server.publish_numbers(4..=5).await;
    assert_eq!(reader.next(2).await, [4, 5], "no gap, nothing twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_leave_a_demoted_primary_though_nobody_publishes() {
    let test = "readers_leave_a_demoted_primary_though_nobody_publishes";
    let Some(([old, new], server, mut reader)) = pair(test).await else { return };
    demote(&old, &new);
    server.stats_when(|stats| !stats.broker.connected).await;
    old.promote();
    server.stats_when(|stats| stats.broker.connected).await;
    server.publish("news", "4").await;
    assert_eq!(reader.next(1).await, [4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_its_primary_is_left_as_well() {
    let test = "a_replica_without_its_primary_is_left_as_well";
    let Some(([old, _new], server, mut reader)) = pair(test).await else { return };
    assert_eq!(old.command(&["CONFIG", "SET", "replica-serve-stale-data", "no"]).unwrap(), "+OK");
    // Nobody listens there: from now on it answers MASTERDOWN.
    assert_eq!(old.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap(), "+OK");
    let (status, _, why) = try_publish(&server, 0).await;
    assert!(status == 503 && (why.contains("is a replica") || why.contains("out of reach")), "{status} {why}");
    server.stats_when(|stats| !stats.broker.connected).await;
    old.promote();
    server.stats_when(|stats| stats.broker.connected).await;
    server.publish("news", "4").await;
    assert_eq!(reader.next(1).await, [4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_does_not_start_behind_a_replica() {
    let test = "a_server_does_not_start_behind_a_replica";
    let Some(primary) = Redis::start(test, Keeps::Nothing) else { return };
    let Some(replica) = Redis::start(test, Keeps::Nothing) else { return };
    replica.follow(&primary);
    let config = ["feed-server", "--listen", "127.0.0.1:0", "--broker", &replica.url()];
    let config = <feed_server::Config as clap::Parser>::try_parse_from(config).unwrap();
    let error = format!("{:#}", feed_server::listen(&config).await.unwrap_err());
    assert!(error.contains(&format!("its primary is {}", primary.address())), "{error}");
}
