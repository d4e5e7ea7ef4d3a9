//! A poll that brings nothing, again and again: told the same at little cost, and something else as soon as there is something else to say.

mod lab;

use std::time::Duration;

use lab::{Raw, Server};

/// Four ways of asking for what follows the newest notification.
const WAYS: [fn(&str) -> String; 4] = [
    |cursor| get(&format!("/topics/news/short-poll?after={cursor}"), ""),
    |cursor| get("/topics/news/short-poll", &format!("If-None-Match: \"{cursor}\"\r\n")),
    |_| get("/topics/news/short-poll", ""),
    |cursor| get(&format!("/topics/news/short-poll?after={cursor}"), "Origin: http://x\r\n"),
];

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
}

/// The answer to one request, which has a body unless it is 304.
async fn ask(client: &mut Raw, request: &str) -> String {
    client.write(request).await;
    let mut answer = client.read_until("\r\n\r\n", 1).await;
    let length = answer.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|len| len.parse().unwrap());
    let head = answer.find("\r\n\r\n").unwrap() + 4;
    while answer.len() - head < length.unwrap_or(0) {
        answer.push_str(&client.read_until("}", 1).await);
    }
    answer
}

/// An answer without its date, and the date.
fn dated(answer: &str) -> (String, String) {
    let date = answer.lines().find(|line| line.starts_with("date: ")).expect("a date");
    (answer.replace(date, "date: ..."), date.to_owned())
}

/// The cursor after the newest notification, asked for on a connection of its own.
async fn cursor(server: &Server) -> String {
    let answer = ask(&mut server.dial().await, &get("/topics/news/short-poll", "")).await;
    let etag = answer.split("etag: \"").nth(1).expect("it has an ETag");
    etag.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_poll_is_answered_the_same_each_time_and_counted_to_the_byte() {
    let server = Server::start(&["--allow-origin", "http://x"]);
    server.publish("news", "1").await;
    for way in WAYS {
        let request = way(&cursor(&server).await);
        // What came before is counted to its end.
        let before = server.stats_when(|stats| stats.connections["short-poll"].open == 0).await;
        let before = before.connections["short-poll"].clone();
        let mut client = server.dial().await;
        let (first, _) = dated(&ask(&mut client, &request).await);
        for _ in 0..4 {
            assert_eq!(dated(&ask(&mut client, &request).await).0, first);
        }
        let received = client.received;
        // What is asked next is not charged with what was read before.
        client.get("/topics/news/sse").await;
        client.read_until("subscribed", 1).await;
        // A client may read a byte before the server has counted it.
        let written = before.bytes_written + received;
        let after = server.stats_when(|stats| stats.connections["short-poll"].bytes_written >= written).await;
        let after = &after.connections["short-poll"];
        assert_eq!((after.answered - before.answered, after.empty - before.empty), (5, 5), "{request}");
        assert_eq!(after.bytes_read - before.bytes_read, 5 * request.len() as u64, "{request}");
        assert_eq!(after.bytes_written - before.bytes_written, received, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_is_in_the_next_answer() {
    let server = Server::start(&[]);
    server.publish("news", "1").await;
    for way in &WAYS[..2] {
        let request = way(&cursor(&server).await);
        let mut client = server.dial().await;
        for _ in 0..3 {
            assert!(!ask(&mut client, &request).await.contains("payload"));
        }
        let id = server.publish("news", "2").await;
        for _ in 0..3 {
            let answer = ask(&mut client, &request).await;
            assert_eq!(answer.matches(&format!("\"id\":{id},")).count(), 1, "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_poll_on_the_same_connection_is_answered_for_what_it_says() {
    let server = Server::start(&[]);
    server.publish("other", "\"of another topic\"").await;
    server.publish("news", "1").await;
    for way in &WAYS[..2] {
        let cursor = cursor(&server).await;
        let (same, mut client) = (way(&cursor), server.dial().await);
        let others = [
            (get("/topics/other/short-poll?after=earliest", ""), "of another topic"),
            (get("/topics/news/short-poll?after=earliest", ""), "\"payload\":1}"),
            (get("/topics/news/short-poll?after=nonsense", ""), "HTTP/1.1 400 "),
            (get("/healthz", ""), "HTTP/1.1 200 "),
            (format!("{same}{}", get("/nowhere", "")), "HTTP/1.1 404 "),
        ];
        for (other, expected) in others {
            let first = ask(&mut client, &same).await;
            assert_eq!(dated(&ask(&mut client, &same).await).0, dated(&first).0);
            client.write(&other).await;
            client.read_until(expected, 1).await;
            // What is left of it.
            client.get("/healthz").await;
            client.read_until("ok\n", 1).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_has_the_date_of_its_own_second() {
    let server = Server::start(&[]);
    let (mut client, request) = (server.dial().await, WAYS[2](""));
    let (first, date) = dated(&ask(&mut client, &request).await);
    let later = async {
        loop {
            let (answer, now) = dated(&ask(&mut client, &request).await);
            assert_eq!(answer, first);
            if now != date {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(lab::PATIENCE, later).await.expect("another second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_the_same_too_often_is_told_when_to_come_back() {
    let server = Server::start(&["--requests-per-second", "0.01", "--requests-burst", "5"]);
    let (mut client, request) = (server.dial().await, WAYS[2](""));
    for _ in 0..5 {
        assert!(ask(&mut client, &request).await.starts_with("HTTP/1.1 200 "));
    }
    for _ in 0..2 {
        assert!(ask(&mut client, &request).await.starts_with("HTTP/1.1 429 "));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_the_same_is_told_that_the_server_stops() {
    let mut server = Server::start(&["--drain", "4s"]);
    let (mut client, request) = (server.dial().await, WAYS[2](""));
    for _ in 0..3 {
        ask(&mut client, &request).await;
    }
    server.tell_to_stop();
    let last = async {
        loop {
            // Closed between two polls, or told that this is the last.
            client.write(&request).await;
            let mut some = [0; 4096];
            match tokio::io::AsyncReadExt::read(&mut client.stream, &mut some).await {
                Ok(0) | Err(_) => return,
                Ok(len) if String::from_utf8_lossy(&some[..len]).contains("\r\nconnection: close\r\n") => return,
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(lab::PATIENCE, last).await.expect("it has to leave");
    server.stop().await;
}
