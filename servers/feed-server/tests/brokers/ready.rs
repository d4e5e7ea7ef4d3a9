//! `/readyz` says whether publishing works now, and why not; asking costs Redis one write a second at most.

use std::time::Duration;

use crate::demoted::try_publish;
use crate::lab::{PATIENCE, Server};
use crate::redis::{Keeps, Redis};

/// Asks until the status is as expected; what it said.
async fn ready_when(server: &Server, status: u16) -> String {
    let ask = async {
        loop {
            let answer = server.get("/readyz").await;
            let is_expected = answer.status() == status;
            let said = answer.text().await.unwrap();
            if is_expected {
                return said;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let Ok(said) = tokio::time::timeout(PATIENCE, ask).await else { panic!("/readyz never answered {status}") };
    said
}

fn set(redis: &Redis, name: &str, value: &str) {
    assert_eq!(redis.command(&["CONFIG", "SET", name, value]).unwrap(), "+OK", "{name} {value}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_ready_while_redis_takes_no_writes_and_says_why() {
    let test = "it_is_not_ready_while_redis_takes_no_writes_and_says_why";
    type Act = fn(&Redis);
    let troubles: [(&str, Act, Act); 3] = [
        ("out of memory", |redis| set(redis, "maxmemory", "1"), |redis| set(redis, "maxmemory", "0")),
        (
            "fewer replicas than it is to have",
            |redis| set(redis, "min-replicas-to-write", "1"),
            |redis| set(redis, "min-replicas-to-write", "0"),
        ),
        (
            "cannot write its data to disk",
            |redis| {
                // Its snapshot has no folder to go to.
                std::fs::remove_dir_all(redis.folder()).unwrap();
                set(redis, "save", "3600 1");
                redis.command(&["BGSAVE"]);
                redis.await_information("persistence", "\nrdb_last_bgsave_status:err\r");
            },
            |redis| set(redis, "stop-writes-on-bgsave-error", "no"),
        ),
    ];
    let Some(redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    for (number, (why, begin, end)) in troubles.into_iter().enumerate() {
        assert_eq!(server.get("/readyz").await.status(), 200, "before: {why}");
        begin(&redis);
        let said = ready_when(&server, 503).await;
        assert!(said.contains(why), "{why}: {said}");
        let (status, retry, refused) = try_publish(&server, 0).await;
        assert_eq!(
            (status, retry.as_deref(), &*refused),
            (503, Some("5"), &*said),
            "{why}: a publisher is told the same"
        );
        assert!(refused.contains("nothing was done"), "{refused}");
        end(&redis);
        ready_when(&server, 200).await;
        assert_eq!(server.publish("news", "1").await, 1 + number as u64, "{why}: what was refused was not done");
    }
    let stats = server.stats().await.broker;
    assert!(stats.connected && stats.reconnects == 0, "nothing was wrong with the connections: {stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_that_is_refused_is_known_to_the_next_check() {
    let test = "a_publication_that_is_refused_is_known_to_the_next_check";
    let Some(redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    ready_when(&server, 200).await;
    set(&redis, "maxmemory", "1");
    assert_eq!(try_publish(&server, 0).await.0, 503);
    assert_eq!(server.get("/readyz").await.status(), 503, "at once, not when the last write is a second old");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_ask_it_writes_once_a_second_and_never_when_nobody_asks() {
    let test = "however_many_ask_it_writes_once_a_second_and_never_when_nobody_asks";
    let Some(redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    let before = redis.calls("set");
    let began = crate::lab::now();
    let ask = async || assert_eq!(server.get("/readyz").await.status(), 200);
    for _ in 0..20 {
        futures_util::future::join_all((0..10).map(|_| ask())).await;
    }
    let writes = redis.calls("set") - before;
    let seconds = began.elapsed().as_secs() + 1;
    assert!((1..=seconds).contains(&writes), "200 checks within {seconds} s: {writes} writes");
    let left = redis.command(&["PTTL", "wirelab:ready"]).unwrap();
    assert!(left.strip_prefix(':').and_then(|left| left.parse::<i64>().ok()).is_some_and(|left| left > 0), "{left}");
    // The pulse asks every second, and writes nothing.
    let before = redis.calls("set");
    let pulses = || redis.calls("ping");
    let seen = pulses();
    let two = async {
        while pulses() < seen + 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, two).await.expect("it asks");
    assert_eq!(redis.calls("set"), before, "nobody asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_or_is_gone_is_not_ready() {
    let test = "a_redis_that_hangs_or_is_gone_is_not_ready";
    let Some(mut redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    redis.signal("-STOP");
    // Within the bound of the request itself.
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status(), 503);
    assert!(answer.text().await.unwrap().contains("out of reach"));
    redis.signal("-CONT");
    ready_when(&server, 200).await;
    redis.kill();
    assert!(ready_when(&server, 503).await.contains("out of reach"));
    redis.restart();
    ready_when(&server, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_loads_its_data_is_not_ready_and_says_so() {
    let test = "a_redis_that_loads_its_data_is_not_ready_and_says_so";
    let Some(mut redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    for number in 0..60 {
        redis.command(&["SET", &format!("other:{number}"), &"x".repeat(2000)]);
    }
    set(&redis, "rdbcompression", "no");
    assert_eq!(redis.command(&["SAVE"]).unwrap(), "+OK");
    redis.kill();
    // Three seconds, of which it is told after each key.
    redis.restart_with(&["--key-load-delay", "50000", "--loading-process-events-interval-bytes", "1024"]);
    let said = async {
        while !server.get("/readyz").await.text().await.unwrap().contains("loading its data: nothing was done") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, said).await.expect("it loads for long enough");
    assert_eq!(try_publish(&server, 0).await.0, 503);
    ready_when(&server, 200).await;
    server.publish("news", "1").await;
}
