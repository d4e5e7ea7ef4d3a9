//! What every broker promises, through one server.

use feed::Transport;

use crate::lab::{PATIENCE, Server};
use crate::redis::{Keeps, Redis};

/// A server behind each broker, and what must live as long.
async fn every_broker(test: &str, flags: &[&str]) -> Vec<(&'static str, Server, Option<Redis>)> {
    let mut servers = vec![("memory", Server::start(flags), None)];
    if let Some(redis) = Redis::start(test, Keeps::Nothing) {
        servers.push(("redis", redis.server(flags).await, Some(redis)));
    }
    servers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_contiguous_from_1_whoever_publishes() {
    for (broker, server, _redis) in every_broker("offsets_are_contiguous_from_1_whoever_publishes", &[]).await {
        let server = std::sync::Arc::new(server);
        let publishers: Vec<_> = (0..8_u64)
            .map(|publisher| {
                let server = server.clone();
                tokio::spawn(async move {
                    let mut ids = Vec::new();
                    for number in 0..50 {
                        ids.push(server.publish("news", &(1000 * publisher + number).to_string()).await);
                    }
                    ids
                })
            })
            .collect();
        let mut ids = Vec::new();
        for publisher in publishers {
            let own = publisher.await.unwrap();
            assert!(own.is_sorted(), "{broker}: whoever waits for an answer publishes in order");
            ids.extend(own);
        }
        ids.sort_unstable();
        assert_eq!(ids, (1..=400).collect::<Vec<_>>(), "{broker}");
        let read = server.read(Transport::Ws, Some("earliest")).await.next(400).await;
        for publisher in 0..8 {
            let own: Vec<_> = read.iter().filter(|&&payload| payload / 1000 == publisher).collect();
            assert!(own.len() == 50 && own.is_sorted(), "{broker}: {own:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_is_in_the_log_before_its_publisher_is_answered() {
    for (broker, server, _redis) in
        every_broker("a_notification_is_in_the_log_before_its_publisher_is_answered", &["--history", "100"]).await
    {
        // Followed from the second time on, not before the first.
        for number in 1..=50 {
            assert_eq!(server.publish("news", &number.to_string()).await, number, "{broker}");
            let batch: serde_json::Value =
                server.get("/topics/news/short-poll?after=earliest").await.json().await.unwrap();
            assert_eq!(batch["offset"], number, "{broker}");
            assert_eq!(batch["notifications"].as_array().unwrap().len() as u64, number, "{broker}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_of_one_publisher_stays_in_order() {
    for (broker, server, _redis) in every_broker("a_pipeline_of_one_publisher_stays_in_order", &[]).await {
        let mut publisher = server.dial().await;
        let mut requests = String::new();
        for number in 1..=200 {
            let body = number.to_string();
            let length = body.len();
            requests += &format!("POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
        }
        publisher.write(requests).await;
        publisher.read_until("\"id\":200,", 1).await;
        let read = server.read(Transport::Sse, Some("earliest")).await.next(200).await;
        assert_eq!(read, (1..=200).collect::<Vec<_>>(), "{broker}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_behind_the_window_is_told_about_the_gap_whatever_the_broker() {
    let flags = ["--history", "4"];
    for (broker, server, _redis) in
        every_broker("a_reader_behind_the_window_is_told_about_the_gap_whatever_the_broker", &flags).await
    {
        server.publish_numbers(1..=10).await;
        let epoch = server.read(Transport::ShortPoll, None).await.cursor.split(':').next().unwrap().to_owned();
        for transport in Transport::OWN {
            let mut reader = server.read(transport, Some(&format!("{epoch}:5"))).await;
            assert_eq!(reader.started.gap, Some(format!("{epoch}:6")), "{broker}: {transport}");
            assert_eq!(reader.next(4).await, [7, 8, 9, 10], "{broker}: {transport}");
            for lost in [format!("{epoch}:11"), "zzzzzzzzzzzzz:8".to_owned()] {
                let reader = server.read(transport, Some(&lost)).await;
                assert_eq!(reader.started.gap, Some(format!("{epoch}:6")), "{broker}: {transport}: {lost}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_too_many_is_refused_whatever_the_broker() {
    for (broker, server, _redis) in
        every_broker("a_topic_too_many_is_refused_whatever_the_broker", &["--topics-max", "1"]).await
    {
        server.publish("news", "1").await;
        let answers = [
            server.get("/topics/other/short-poll").await,
            crate::lab::http().post(server.url("/topics/third")).body("1").timeout(PATIENCE).send().await.unwrap(),
        ];
        for answer in answers {
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["retry-after"]),
                (503, &"1".parse().unwrap()),
                "{broker}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broker_is_and_how_it_does_is_told() {
    for (broker, server, _redis) in every_broker("what_a_broker_is_and_how_it_does_is_told", &[]).await {
        let stats = server.stats().await.broker;
        assert_eq!((&*stats.kind, stats.connected, stats.reconnects, stats.errors), (broker, true, 0, 0));
        assert_eq!(server.get("/readyz").await.status(), 200);
        assert!(server.get("/metrics").await.text().await.unwrap().contains("\nfeed_broker_connected 1\n"));
    }
}
