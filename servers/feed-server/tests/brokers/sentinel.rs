//! The primary is where Sentinels say; `tests/failover.rs` has real ones.

use feed::Transport;

use crate::lab::Server;
use crate::lab::sentinel::Sentinel;
use crate::redis::{Keeps, Redis};

async fn behind(sentinels: &[&Sentinel]) -> Server {
    let addresses: Vec<_> = sentinels.iter().map(|sentinel| sentinel.address.to_string()).collect();
    Server::connect(&["--broker", &format!("redis-sentinel://{}/main", addresses.join(","))]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sentinel_with_the_newest_configuration_is_believed_wherever_it_stands() {
    let test = "the_sentinel_with_the_newest_configuration_is_believed_wherever_it_stands";
    let Some(old) = Redis::start(test, Keeps::Nothing) else { return };
    let Some(new) = Redis::start(test, Keeps::Nothing) else { return };
    let (behind_time, gone) = (Sentinel::start(6, &old.address()).await, Sentinel::start(9, "192.0.2.1:1").await);
    let newest = Sentinel::start(7, &new.address()).await;
    // Nobody listens there any more.
    let gone_address = gone.address;
    drop(gone);
    for order in [[&behind_time, &newest], [&newest, &behind_time]] {
        let server = behind(&order).await;
        server.publish("news", "1").await;
    }
    let broker = format!("redis-sentinel://{gone_address},{},{}/main/0", behind_time.address, newest.address);
    Server::connect(&["--broker", &broker]).await.publish("news", "1").await;
    assert_eq!(new.command(&["XLEN", "wirelab:log:news"]).unwrap(), ":3");
    assert_eq!(old.command(&["XLEN", "wirelab:log:news"]).unwrap(), ":0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_replaced_is_left_though_it_knows_nothing_of_that() {
    let test = "a_primary_that_is_replaced_is_left_though_it_knows_nothing_of_that";
    let Some(old) = Redis::start(test, Keeps::Nothing) else { return };
    let Some(new) = Redis::start(test, Keeps::Nothing) else { return };
    new.follow(&old);
    let sentinels = [Sentinel::start(1, &old.address()).await, Sentinel::start(1, &old.address()).await];
    let server = behind(&[&sentinels[0], &sentinels[1]]).await;
    server.publish_numbers(1..=3).await;
    let mut reader = server.read(Transport::Ws, Some("earliest")).await;
    assert_eq!(reader.next(3).await, [1, 2, 3]);
    new.has_copied(&old);
    new.has_run_for_a_while();
    new.promote();
    // The second one tells; the first one has not heard of it yet.
    sentinels[1].switch_to(2, &new.address());
    server.stats_when(|stats| stats.broker.connected && stats.broker.reconnects == 1).await;
    server.publish("news", "4").await;
    assert_eq!(reader.message().await.unwrap()["payload"], 4, "it ran before the loss: no gap");
    assert_eq!(old.command(&["XLEN", "wirelab:log:news"]).unwrap(), ":3", "nothing more was written there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_no_sentinel_answers_does_not_start_and_says_which_it_asked() {
    let config = ["feed-server", "--listen", "127.0.0.1:0", "--broker", "redis-sentinel://me:s3cret@127.0.0.1:1/main"];
    let config = <feed_server::Config as clap::Parser>::try_parse_from(config).unwrap();
    let error = format!("{:#}", feed_server::listen(&config).await.unwrap_err());
    let expected = "cannot use the broker at redis-sentinel://127.0.0.1:1/main: start Redis 5 or newer there";
    assert!(error.starts_with(expected) && error.contains("no Sentinel tells where the primary is"), "{error}");
    assert!(error.contains("127.0.0.1:1: ") && !error.contains("s3cret"), "{error}");
}
