//! What every broker promises, through one server.

use feed::Transport;

use crate::lab::{PATIENCE, Server, handshake};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_under_a_key_is_published_once_while_it_is_retained() {
    let name = "what_was_published_under_a_key_is_published_once_while_it_is_retained";
    for (broker, server, _redis) in every_broker(name, &["--history", "4"]).await {
        let http = crate::lab::http();
        let publish = async |key: &str, payload: &str| {
            let url = server.url("/topics/news");
            let asked = http.post(url).header("idempotency-key", key).body(payload.to_owned());
            let answer = asked.send().await.unwrap();
            let (status, replayed) = (answer.status().as_u16(), answer.headers().contains_key("idempotent-replayed"));
            (status, replayed, answer.json::<serde_json::Value>().await.unwrap())
        };
        let mut reader = server.read(Transport::Ws, None).await;
        let (status, replayed, first) = publish(r#""k1""#, "1").await;
        assert_eq!((status, replayed, &first["id"]), (201, false, &1.into()), "{broker}");
        for key in [r#""k1""#, "k1"] {
            assert_eq!(publish(key, "1").await, (201, true, first.clone()), "{broker}: a repeat, quoted or not");
        }
        let (status, _, told) = publish("k1", "2").await;
        assert_eq!(status, 422, "{broker}: {told}");
        assert!(told["error"].as_str().unwrap().contains("used for something else"), "{broker}: {told}");
        assert_eq!(publish("k2", "1").await.2["id"], 2, "{broker}: what is published says nothing, the key does");
        server.publish_numbers(3..=5).await;
        assert_eq!(reader.next(5).await, [1, 1, 3, 4, 5], "{broker}: no second notification");
        // The first is no longer retained, the second is.
        assert_eq!(
            (publish("k1", "1").await.2["id"].clone(), publish("k2", "1").await.1),
            (6.into(), false),
            "{broker}"
        );
        let stats = server.stats().await;
        assert_eq!((stats.published, stats.repeated, stats.refused), (7, 2, 1), "{broker}");
        for bad in ["", "a b", "\"a", &"x".repeat(129)] {
            assert_eq!(publish(bad, "1").await.0, 400, "{broker}: {bad}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_publishes_over_a_websocket_is_told_the_id_or_why_not() {
    for (broker, server, _redis) in
        every_broker("who_publishes_over_a_websocket_is_told_the_id_or_why_not", &["--body-max", "100"]).await
    {
        let mut client = server.dial().await;
        client.write(handshake("")).await;
        client.read_until("recovered\":true}", 1).await;
        let mut ask = async |said: &str| {
            let text = [&[0x81, 0x80 | 126, 0, said.len() as u8, 0, 0, 0, 0], said.as_bytes()].concat();
            client.write(text).await;
            let heard = client.read_until("{\"type\":\"ack\"", 1).await;
            let end = if heard.ends_with('}') { String::new() } else { client.read_until("}", 1).await };
            let ack = heard[heard.find("{\"type\":\"ack\"").unwrap()..].to_owned() + &end;
            serde_json::from_str::<serde_json::Value>(&ack[..=ack.find('}').unwrap()]).unwrap()
        };
        let ack = ask(r#"{"type":"publish","messageId":"m1","payload":{"text":1},"timestamp":5}"#).await;
        assert_eq!(
            (&ack["messageId"], &ack["success"], &ack["id"]),
            (&"m1".into(), &true.into(), &1.into()),
            "{broker}"
        );
        let again = ask(r#"{"type":"publish","messageId":"m1","payload":{"text":1}}"#).await;
        assert_eq!(
            (&again["id"], &again["repeated"], &again["epoch"]),
            (&1.into(), &true.into(), &ack["epoch"]),
            "{broker}"
        );
        for (said, why) in [
            (r#"{"type":"publish","messageId":"m1","payload":{"text":2}}"#.to_owned(), "used for something else"),
            (r#"{"type":"publish","payload":1}"#.to_owned(), "bad messageId"),
            (format!(r#"{{"type":"publish","messageId":"m2","payload":"{}"}}"#, "x".repeat(100)), "more than 100"),
        ] {
            let ack = ask(&said).await;
            assert!(ack["success"] == false && ack["error"].as_str().unwrap().contains(why), "{broker}: {ack}");
        }
        let url = server.url("/topics/news");
        let same = crate::lab::http().post(url).header("idempotency-key", "m1").body(r#"{"text":1}"#);
        let same: serde_json::Value = same.send().await.unwrap().json().await.unwrap();
        assert_eq!(same["id"], 1, "{broker}: the same key over HTTP");
        let stats = server.stats().await;
        assert_eq!((stats.published, stats.repeated, stats.refused), (1, 2, 3), "{broker}");
    }
}
