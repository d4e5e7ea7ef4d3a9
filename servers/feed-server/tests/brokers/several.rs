//! Several servers behind one broker: one order, the same bytes, and readers who change servers.

use std::sync::Arc;

use feed::Transport;

use crate::lab::Server;
use crate::redis::{Keeps, Redis};

async fn history(server: &Server) -> String {
    server.get("/topics/news/short-poll?after=earliest").await.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_show_one_order_and_the_same_bytes() {
    let Some(redis) = Redis::start("two_servers_show_one_order_and_the_same_bytes", Keeps::Nothing) else { return };
    let servers = [redis.server(&[]).await, redis.server(&[]).await].map(Arc::new);
    let mut readers = Vec::new();
    for server in &servers {
        for transport in Transport::OWN {
            readers.push(server.read(transport, None).await);
        }
    }
    let publishers: Vec<_> = (0..8)
        .map(|publisher| {
            let server = servers[publisher % 2].clone();
            tokio::spawn(async move {
                for number in 0..50 {
                    server.publish("news", &(1000 * publisher + number).to_string()).await;
                }
            })
        })
        .collect();
    let mut orders = Vec::new();
    for reader in &mut readers {
        orders.push(reader.next(400).await);
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
    assert!(orders.iter().all(|order| *order == orders[0]), "one order, through every server and transport");
    let shown = history(&servers[0]).await;
    assert!(shown.contains("\"id\":400,"));
    assert_eq!(shown, history(&servers[1]).await, "ids, epoch, timestamps and encoding");
    assert_eq!(shown, history(&redis.server(&[]).await).await, "a server that came later reads the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_goes_on_at_another_server_with_its_cursor() {
    let Some(redis) = Redis::start("a_reader_goes_on_at_another_server_with_its_cursor", Keeps::Nothing) else {
        return;
    };
    let servers = [redis.server(&[]).await, redis.server(&[]).await].map(Arc::new);
    for transport in Transport::OWN {
        let mut reader = servers[0].read(transport, None).await;
        let publisher = tokio::spawn({
            let server = servers[0].clone();
            async move { server.publish_numbers(1..=300).await }
        });
        let mut seen = Vec::new();
        for (turn, count) in [1, 7, 50, 100, 142].into_iter().enumerate() {
            seen.extend(reader.next(count).await);
            let cursor = reader.cursor.clone();
            drop(reader);
            reader = servers[(turn + 1) % 2].read(transport, Some(&cursor)).await;
            assert!(reader.started.recovered, "{transport}: {cursor}");
            assert_eq!(reader.cursor, cursor);
        }
        assert_eq!(seen, (1..=300).collect::<Vec<_>>(), "{transport}");
        publisher.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_ahead_of_its_new_server_is_not_told_of_a_gap() {
    let test = "a_reader_that_is_ahead_of_its_new_server_is_not_told_of_a_gap";
    let Some(redis) = Redis::start(test, Keeps::Nothing) else { return };
    let (ahead, behind) = (redis.server(&[]).await, redis.server(&[]).await);
    behind.read(Transport::ShortPoll, None).await;
    for number in 1..=100 {
        ahead.publish("news", &number.to_string()).await;
        let cursor = ahead.read(Transport::ShortPoll, None).await.cursor;
        let reader = behind.read(Transport::ShortPoll, Some(&cursor)).await;
        assert!(reader.started.recovered, "{cursor}");
        assert_eq!(reader.cursor, cursor);
    }
    // A notification whose news never came: Redis has it, and some other server has delivered it.
    let cursor = ahead.read(Transport::ShortPoll, None).await.cursor;
    let epoch = cursor.strip_suffix(":100").unwrap();
    redis.command(&["XADD", "wirelab:log:news", "101-0", "entry", &format!("{epoch} 101 1795132800000000 0 101")]);
    redis.command(&["HSET", "wirelab:topic:news", "head", "101"]);
    for transport in Transport::OWN {
        let cursor = format!("{epoch}:101");
        let reader = behind.read(transport, Some(&cursor)).await;
        assert!(reader.started.recovered, "{transport}");
        assert_eq!(reader.cursor, cursor);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_later_has_the_whole_history() {
    let Some(redis) = Redis::start("a_server_that_comes_later_has_the_whole_history", Keeps::Nothing) else { return };
    let first = redis.server(&["--history", "300"]).await;
    first.publish_numbers(1..=10).await;
    let cursor = first.read(Transport::ShortPoll, None).await.cursor;
    first.publish_numbers(11..=310).await;
    let later = redis.server(&["--history", "300"]).await;
    for transport in Transport::OWN {
        let mut reader = later.read(transport, Some(&cursor)).await;
        assert!(reader.started.recovered);
        assert_eq!(reader.next(300).await, (11..=310).collect::<Vec<_>>(), "{transport}");
        let earliest = later.read(transport, Some("earliest")).await;
        assert_eq!(earliest.cursor, cursor, "{transport}");
    }
    assert_eq!(
        redis.command(&["XLEN", "wirelab:log:news"]).unwrap(),
        ":300",
        "Redis retains no more than it is asked to"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_crowd_that_comes_at_once_one_asks_redis() {
    let Some(redis) = Redis::start("of_a_crowd_that_comes_at_once_one_asks_redis", Keeps::Nothing) else { return };
    let server = Arc::new(redis.server(&[]).await);
    let before = redis.scripts_run();
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move { server.read(Transport::Ws, Some("zzzzzzzzzzzzz:8")).await.started.recovered })
        })
        .collect();
    for reader in crowd {
        assert!(!reader.await.unwrap());
    }
    let asked = redis.scripts_run() - before;
    assert!((1..30).contains(&asked), "100 readers, {asked} questions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_retains_no_more_bytes_than_it_is_asked_to() {
    let Some(redis) = Redis::start("redis_retains_no_more_bytes_than_it_is_asked_to", Keeps::Nothing) else { return };
    let server = redis.server(&["--history-bytes", "1000"]).await;
    for _ in 0..50 {
        server.publish("news", &format!("\"{}\"", "x".repeat(300))).await;
    }
    assert_eq!(redis.command(&["XLEN", "wirelab:log:news"]).unwrap(), ":3", "without their envelopes, three fit");
    assert_eq!(history(&server).await, history(&redis.server(&["--history-bytes", "1000"]).await).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_json_crosses_servers_unharmed() {
    let Some(redis) = Redis::start("what_is_no_json_crosses_servers_unharmed", Keeps::Nothing) else { return };
    let (one, other) = (redis.server(&[]).await, redis.server(&[]).await);
    let http = crate::lab::http();
    let bodies = [("text/plain; charset=utf-8", "grüß Gott \u{0}\n".as_bytes()), ("image/png", &[0, 255, 10, 13, 32])];
    for (media_type, body) in bodies {
        let post = http.post(one.url("/topics/news")).header("content-type", media_type).body(body.to_vec());
        assert_eq!(post.send().await.unwrap().status(), 201);
    }
    let shown = history(&one).await;
    assert_eq!(shown, history(&other).await);
    assert!(shown.contains(r#""content_type":"text/plain; charset=utf-8","payload":"grüß Gott \u0000\n""#), "{shown}");
    assert!(shown.contains(r#""content_type":"image/png","payload":"AP8KDSA=""#), "{shown}");
}
