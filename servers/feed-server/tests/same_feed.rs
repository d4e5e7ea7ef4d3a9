//! The same feed over every transport: order, resumption, gaps.

mod lab;

use feed::Transport;
use lab::{Server, Started};

fn gap(cursor: &str) -> Started {
    Started { recovered: false, gap: Some(cursor.to_owned()) }
}

const WHOLE: Started = Started { recovered: true, gap: None };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_delivers_every_notification_in_order() {
    let server = Server::start(&[]);
    server.publish_numbers(1..=3).await;
    let mut readers = Vec::new();
    for transport in Transport::ALL {
        readers.push(server.read(transport, None).await);
    }
    server.publish_numbers(4..=203).await;
    for reader in &mut readers {
        assert_eq!(reader.started, WHOLE);
        assert_eq!(reader.next(200).await, (4..=203).collect::<Vec<_>>(), "from now on means nothing older");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_wakes_every_waiting_transport() {
    let server = Server::start(&[]);
    for transport in [Transport::LongPoll, Transport::Sse, Transport::Ws, Transport::SocketIo] {
        let mut reader = server.read(transport, None).await;
        let read = |stats: &feed::ServerStats| stats.connections["long-poll"].bytes_read;
        let before = read(&server.stats().await);
        let waiting = tokio::spawn(async move { reader.next(1).await });
        if transport == Transport::LongPoll {
            server.stats_when(|stats| read(stats) > before).await;
        }
        server.publish("news", "7").await;
        assert_eq!(waiting.await.unwrap(), [7], "{transport}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_was_cut_off_misses_nothing_and_gets_nothing_twice() {
    let server = std::sync::Arc::new(Server::start(&[]));
    for transport in Transport::ALL {
        let mut reader = server.read(transport, None).await;
        let publisher = tokio::spawn({
            let server = server.clone();
            async move { server.publish_numbers(1..=300).await }
        });
        let mut seen = Vec::new();
        for count in [1, 7, 50, 100, 142] {
            seen.extend(reader.next(count).await);
            let cursor = reader.cursor.clone();
            drop(reader);
            reader = server.read(transport, Some(&cursor)).await;
            assert_eq!(reader.started, WHOLE);
            assert_eq!(reader.cursor, cursor);
        }
        assert_eq!(seen, (1..=300).collect::<Vec<_>>(), "{transport}");
        publisher.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_behind_the_window_is_told_about_the_gap() {
    let server = Server::start(&["--history", "4"]);
    server.publish_numbers(1..=10).await;
    let epoch = server.read(Transport::ShortPoll, None).await.cursor.split(':').next().unwrap().to_owned();
    let oldest = format!("{epoch}:6");
    let foreign = if epoch == "abc" { "abd" } else { "abc" };
    for transport in Transport::ALL {
        let told_of_a_gap = [
            (format!("{epoch}:5"), "one too old"),
            (format!("{epoch}:0"), "the beginning"),
            (format!("{epoch}:11"), "the future"),
            (format!("{epoch}:18446744073709551615"), "the far future"),
            (format!("{foreign}:8"), "another epoch"),
        ];
        for (cursor, what) in told_of_a_gap {
            let mut reader = server.read(transport, Some(&cursor)).await;
            assert_eq!(reader.started, gap(&oldest), "{transport}: {what}");
            assert_eq!(reader.next(4).await, [7, 8, 9, 10], "{transport}: {what}");
        }
        for (cursor, rest) in [(format!("{epoch}:6"), 4), (format!("{epoch}:9"), 1), (format!("{epoch}:10"), 0)] {
            let mut reader = server.read(transport, Some(&cursor)).await;
            assert_eq!(reader.started, WHOLE, "{transport}: {cursor}");
            assert_eq!(reader.next(rest).await.len(), rest);
        }
    }
    // Every gap is counted.
    server.stats_when(|stats| stats.connections.values().map(|kind| kind.gaps).sum::<u64>() == 5 * 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_joiner_gets_what_is_retained() {
    let server = Server::start(&["--history", "4"]);
    server.publish_numbers(1..=10).await;
    for transport in Transport::ALL {
        let mut reader = server.read(transport, Some("earliest")).await;
        assert_eq!(reader.started, WHOLE);
        assert_eq!(reader.next(4).await, [7, 8, 9, 10], "{transport}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retained_bytes_are_bounded_too() {
    let server = Server::start(&["--history-bytes", "1000"]);
    for _ in 0..50 {
        server.publish("news", &format!("\"{}\"", "x".repeat(300))).await;
    }
    let batch: serde_json::Value = server.get("/topics/news/short-poll?after=earliest").await.json().await.unwrap();
    let ids: Vec<_> = batch["notifications"].as_array().unwrap().iter().map(|n| n["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [49, 50], "two of 300 bytes and their envelopes fit into 1000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_cut_says_that_there_is_more() {
    let server = Server::start(&["--answer-bytes", "1000"]);
    server.publish_numbers(1..=100).await;
    for transport in [Transport::ShortPoll, Transport::LongPoll] {
        let answer = server.get(&format!("/topics/news/{transport}?after=earliest")).await.text().await.unwrap();
        assert!(answer.contains(r#""more":true"#) && answer.len() < 1500, "{answer}");
        let mut reader = server.read(transport, Some("earliest")).await;
        assert_eq!(reader.next(100).await, (1..=100).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_held_is_cut_where_any_other_is() {
    let server = Server::start(&["--answer-bytes", "1000", "--coalesce", "300"]);
    server.publish_numbers(1..=1).await;
    let mut client = server.dial().await;
    for held in 1..=2 {
        let head = server.get("/topics/news/short-poll").await.headers()["etag"].to_str().unwrap().to_owned();
        client.get(&format!("/topics/news/long-poll?after={}", head.trim_matches('"'))).await;
        server.stats_when(|stats| stats.connections["long-poll"].bytes_read > 50 * held).await;
        // Told together.
        server.publish_numbers(1..=40).await;
        let answer = client.read_until("]}", 1).await;
        assert!(answer.contains(r#""more":true"#) && answer.len() < 1500, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_feed_is_answered_with_304() {
    let server = Server::start(&[]);
    server.publish_numbers(1..=1).await;
    let http = lab::http();
    for path in ["/topics/news/short-poll", "/topics/news/long-poll?wait=0.05"] {
        let first = http.get(server.url(path)).send().await.unwrap();
        assert_eq!(
            (first.status(), &first.headers()["cache-control"]),
            (200.try_into().unwrap(), &"no-cache".parse().unwrap())
        );
        let etag = first.headers()["etag"].clone();
        let again = http.get(server.url(path)).header("if-none-match", &etag).send().await.unwrap();
        assert_eq!((again.status(), &again.headers()["etag"]), (304.try_into().unwrap(), &etag));
        server.publish("news", "2").await;
        let news = http.get(server.url(path)).header("if-none-match", &etag).send().await.unwrap();
        assert_eq!(news.status(), 200);
        assert!(news.text().await.unwrap().contains(r#""payload":2"#), "the ETag is the cursor to read after");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_reconnects_goes_on_after_its_last_event_id() {
    let server = Server::start(&[]);
    server.publish_numbers(1..=5).await;
    let cursor = server.read(Transport::ShortPoll, None).await.cursor;
    let epoch = cursor.split(':').next().unwrap();
    let http = lab::http();
    let url = server.url("/topics/news/sse?after=earliest");
    let mut answer = http.get(url).header("last-event-id", format!("{epoch}:3")).send().await.unwrap();
    let mut text = String::new();
    while !text.contains(r#""id":5"#) {
        text.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert!(text.starts_with(&format!("id:{epoch}:3\nevent:subscribed\nretry:2000\n")), "{text}");
    assert!(!text.contains(r#""id":3"#), "its URL says `earliest`, its id says otherwise: {text}");
}
