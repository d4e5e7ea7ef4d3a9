//! Several requests in one segment: every answer comes, in order, whichever of them leave hyper.

mod lab;

use lab::{Server, handshake};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn post(payload: &str) -> String {
    format!("POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{payload}", payload.len())
}

/// Where each of `marks` first stands in `text` after the one before.
fn assert_in_order(text: &str, marks: &[&str]) {
    let mut at = 0;
    for mark in marks {
        let found = text[at..].find(mark).unwrap_or_else(|| panic!("no `{mark}` after byte {at} of: {text}"));
        at += found + mark.len();
    }
}

#[tokio::test]
async fn a_publisher_that_does_not_wait_is_answered_in_order() {
    let server = Server::start(&[]);
    let mut client = server.dial().await;
    let segment: String = (1..=200).map(|number| post(&number.to_string())).collect();
    client.write(segment).await;
    let answers = client.read_until("\"epoch\":", 200).await;
    for id in 1..=200 {
        assert!(answers.contains(&format!("{{\"id\":{id},")), "{id}");
    }
    assert_eq!(server.stats().await.published, 200);
}

#[tokio::test]
async fn a_held_answer_lets_the_requests_behind_it_wait_their_turn() {
    let server = Server::start(&[]);
    let mut client = server.dial().await;
    let segment = [
        get("/topics/news/short-poll"),
        post("\"first\""),
        get("/topics/news/long-poll"),
        get("/healthz"),
        get("/topics/news/short-poll?after=earliest"),
        get("/topics/news/long-poll?wait=0.05"),
        post("\"third\""),
        get("/topics/news/short-poll?after=earliest"),
    ]
    .concat();
    client.write(segment).await;
    let before = client.read_until("\"epoch\":", 2).await;
    assert_in_order(&before, &["HTTP/1.1 200 OK", "\"notifications\":[]", "HTTP/1.1 201 Created", "\"id\":1"]);
    server.stats_when(|stats| stats.connections["long-poll"].open == 1).await;
    assert_eq!(server.publish("news", "\"second\"").await, 2);
    let after = client.read_until("\"third\"", 1).await;
    assert_in_order(
        &after,
        &[
            "\"notifications\":[{\"type\":\"notification\",\"topic\":\"news\",\"id\":2",
            "]}HTTP/1.1 200 OK",
            "ok\nHTTP/1.1 200 OK",
            "\"first\"",
            "\"second\"",
            "]}HTTP/1.1 200 OK",
            "\"notifications\":[]}HTTP/1.1 201 Created",
            "\"id\":3",
            "HTTP/1.1 200 OK",
            "\"first\"",
            "\"second\"",
            "\"third\"",
        ],
    );
}

#[tokio::test]
async fn a_stream_begins_only_after_everything_before_it_was_written() {
    // Answers of about 500 KiB each, to a client that reads nothing until it has asked for all of them.
    let server = Server::start(&["--write-timeout", "10s"]);
    for _ in 0..10 {
        server.publish("news", &format!("\"{}\"", "x".repeat(50_000))).await;
    }
    for stream in [get("/topics/news/sse"), handshake(""), get("/topics/news/long-poll?wait=0.01")] {
        let mut client = server.dial().await;
        let poll = get("/topics/news/short-poll?after=earliest");
        client.write([&*poll.repeat(20), &stream].concat()).await;
        let text = client.read_until("\"recovered\":true", 21).await;
        assert_eq!(text.matches("xxxx\"}]}HTTP/1.1 ").count(), 20, "each answer ends before the next begins");
        assert_eq!(text.matches("\"notifications\":[{").count(), 20);
    }
}

#[tokio::test]
async fn frames_sent_before_the_handshake_was_answered_are_heard() {
    let server = Server::start(&[]);
    let mut client = server.dial().await;
    client.write([handshake("").as_bytes(), b"\x89\x82\0\0\0\0hi"].concat()).await;
    assert_in_order(&client.read_until("hi", 1).await, &["101", "subscribed", "\u{2}hi"]);
}

#[tokio::test]
async fn an_answer_to_a_client_that_closes_is_the_last() {
    let server = Server::start(&[]);
    for path in ["/topics/news/short-poll", "/topics/news/long-poll?wait=0.05", "/healthz"] {
        for request in [
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
            format!("GET {path} HTTP/1.0\r\n\r\n"),
        ] {
            let mut client = server.dial().await;
            client.write([&*request, &get("/healthz")].concat()).await;
            let answer = client.read_to_end().await;
            assert_eq!(answer.matches("HTTP/1.").count(), 1, "{answer}");
        }
    }
}
