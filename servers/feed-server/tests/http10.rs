//! HTTP/1.0, which nginx speaks to upstreams unless it is told otherwise: everything but WebSocket is served.

mod lab;

use lab::secure::Secure;
use lab::{PATIENCE, Raw, Server, dechunked};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// What a client of HTTP/1.0 says of the connection: nothing, that it ends (nginx), or that it stays (ab, old proxies).
const CONNECTIONS: [&str; 3] = ["", "Connection: close\r\n", "Connection: keep-alive\r\n"];

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nHost: x\r\n{fields}\r\n")
}

/// Head and body of an answer.
fn halves(answer: &str) -> (&str, &str) {
    answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no end of the head: {answer}"))
}

fn has_field(head: &str, field: &str) -> bool {
    head.to_ascii_lowercase().lines().any(|line| line == field)
}

/// Asserts that `answer` is an event stream that ends with its connection: no coding, no length, and events from the first byte on.
fn assert_ends_with_its_connection(answer: &str) {
    let (head, body) = halves(answer);
    assert!(head.starts_with("HTTP/1.1 200 ") && has_field(head, "connection: close"), "{answer}");
    assert!(has_field(head, "content-type: text/event-stream"), "{answer}");
    for absent in ["transfer-encoding", "content-length", "keep-alive"] {
        assert!(!head.contains(absent), "{absent}: {answer}");
    }
    lab::assert_events(body);
}

#[tokio::test]
async fn an_event_stream_over_http_1_0_is_what_it_is_over_1_1_without_chunks_and_ended_by_a_close() {
    for connection in CONNECTIONS {
        let mut server = Server::start(&["--sse-retry", "2s", "--history", "3", "--drain", "1s"]);
        server.publish_numbers(1..=5).await;
        let epoch = server.get("/topics/news/short-poll").await.headers()["etag"].to_str().unwrap().to_owned();
        let epoch = epoch.trim_matches('"').split(':').next().unwrap().to_owned();
        // The first is told a gap, the others start now; one sits in the same row as those of HTTP/1.1.
        let path = format!("/topics/news/sse?after={epoch}:1");
        let (mut old, mut seated) = (server.dial().await, server.dial().await);
        let (mut new, mut beside) = (server.dial().await, server.dial().await);
        old.write(get(&path, connection)).await;
        new.get(&path).await;
        seated.write(get("/topics/news/sse", connection)).await;
        beside.get("/topics/news/sse").await;
        let mut told = Vec::new();
        for (client, last) in [
            (&mut old, "\"payload\":5}"),
            (&mut new, "\"payload\":5}"),
            (&mut seated, "recovered\":true}"),
            (&mut beside, "recovered\":true}"),
        ] {
            told.push(client.read_until(last, 1).await);
        }
        server.publish_numbers(6..=7).await;
        for (client, told) in [&mut old, &mut new, &mut seated, &mut beside].into_iter().zip(&mut told) {
            told.push_str(&client.read_until("\"payload\":7}", 1).await);
        }
        server.tell_to_stop();
        for (client, told) in [&mut old, &mut new, &mut seated, &mut beside].into_iter().zip(&mut told) {
            told.push_str(&client.read_to_end().await);
        }
        let [old, new, seated, beside] = &told[..] else { unreachable!() };
        for (old, new) in [(old, new), (seated, beside)] {
            assert_ends_with_its_connection(old);
            // The last `retry` is a random one.
            let events = |text: &str| text.rsplit_once("retry:").map(|(events, _)| events.to_owned()).unwrap();
            assert_eq!(events(halves(old).1), events(&dechunked(new)), "{connection:?}");
            assert!(old.ends_with("\n\n"), "{old}");
        }
        assert!(old.contains("event:gap\n") && old.matches("\ndata:{\"type\":\"notification\"").count() == 5, "{old}");
        server.stop().await;
    }
}

#[tokio::test]
async fn heartbeats_and_large_events_come_as_they_are_over_http_1_0() {
    let server = Server::start(&["--heartbeat", "50ms"]);
    let mut client = server.dial().await;
    client.write(get("/topics/news/sse", "")).await;
    let mut told = client.read_until("\n:\n\n", 2).await;
    let large = format!("\"{}\"", "x".repeat(60_000));
    for _ in 0..20 {
        server.publish("news", &large).await;
    }
    told.push_str(&client.read_until("x\"}\n\n", 20).await);
    assert_ends_with_its_connection(&told);
    assert_eq!(told.matches(&*large).count(), 20);
}

#[tokio::test]
async fn a_reader_over_http_1_0_who_falls_behind_is_told_the_gap_and_ended() {
    let server = Server::start(&["--history", "2", "--send-buffer", "4096"]);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = Raw::new(socket.connect(server.address).await.unwrap());
    slow.write(get("/topics/news/sse", "")).await;
    let mut told = slow.read_until("recovered\":true}\n\n", 1).await;
    for _ in 0..40 {
        server.publish("news", &format!("\"{}\"", "x".repeat(60_000))).await;
    }
    server.ended("sse", "fell-behind", 1).await;
    told.push_str(&slow.read_to_end().await);
    assert_ends_with_its_connection(&told);
    let last = told.trim_end().rsplit_once("\n\n").unwrap().1;
    assert!(last.starts_with("event:gap\ndata:{\"type\":\"gap\""), "{last}");
}

#[tokio::test]
async fn a_stream_over_http_1_0_that_is_ended_for_what_its_client_says_is_ended_and_not_cut() {
    let server = Server::start(&[]);
    let mut client = server.dial().await;
    client.write(get("/topics/news/sse", "")).await;
    let mut told = client.read_until("recovered\":true}\n\n", 1).await;
    // Far more than is ignored: most of it is unread when the server is done.
    client.write(vec![b'x'; 100_000]).await;
    told.push_str(&client.read_to_end().await);
    assert_ends_with_its_connection(&told);
    server.ended("sse", "sent-too-much", 1).await;
}

#[tokio::test]
async fn a_head_alone_of_a_stream_over_http_1_0_ends_there() {
    let server = Server::start(&[]);
    let mut client = server.dial().await;
    client.write("HEAD /topics/news/sse HTTP/1.0\r\n\r\n").await;
    let answer = client.read_to_end().await;
    assert!(answer.contains(" 200 OK\r\n") && halves(&answer).1.is_empty(), "{answer}");
    assert!(!answer.contains("transfer-encoding"), "{answer}");
}

#[tokio::test]
async fn an_event_stream_over_http_1_0_and_tls_is_served_and_ended() {
    let mut secure = Secure::start(&["--drain", "1s"]).await;
    let mut line = secure.dial().await;
    line.write_all(get("/topics/news/sse", "").as_bytes()).await.unwrap();
    let mut told = String::new();
    while !told.contains("recovered\":true}\n\n") {
        let mut buffer = [0; 4096];
        let len = timeout(PATIENCE, line.read(&mut buffer)).await.expect("it is told").unwrap();
        assert!(len > 0, "{told}");
        told.push_str(std::str::from_utf8(&buffer[..len]).unwrap());
    }
    secure.server.tell_to_stop();
    // With close_notify: without, this is an error.
    timeout(PATIENCE, line.read_to_string(&mut told)).await.expect("it ends").unwrap();
    assert_ends_with_its_connection(&told);
}

#[tokio::test]
async fn polls_and_publications_over_http_1_0_are_answered_whether_the_connection_stays_or_not() {
    let server = Server::start(&[]);
    let publish =
        |connection: &str| format!("POST /topics/news HTTP/1.0\r\nHost: x\r\n{connection}Content-Length: 3\r\n\r\n123");
    for connection in CONNECTIONS {
        let stays = connection.contains("keep-alive");
        let requests = [
            (get("/topics/other/short-poll", connection), 200, "\"notifications\":[]}", stays),
            (get("/topics/other/long-poll?wait=0", connection), 200, "\"notifications\":[]}", stays),
            // What was held is the last answer of its connection, and says so.
            (get("/topics/other/long-poll?wait=0.05", connection), 200, "\"notifications\":[]}", false),
            (publish(connection), 201, "\"epoch\":\"", stays),
            (get("/socket.io/?EIO=4&transport=polling", connection), 200, "\"sid\":\"", stays),
            (get("/healthz", connection), 200, "ok\n", stays),
            (get("/nowhere", connection), 404, "\"error\":", stays),
        ];
        for (request, status, body, stays) in requests {
            let mut client = server.dial().await;
            client.write(&request).await;
            let answer = match stays {
                false => client.read_to_end().await,
                true => {
                    let first = client.read_until(body, 1).await;
                    client.write(get("/healthz", connection)).await;
                    [first, client.read_until("ok\n", 1).await].concat()
                }
            };
            assert!(
                answer.starts_with("HTTP/1.") && answer[8..].starts_with(&format!(" {status} ")),
                "{request}{answer}"
            );
            assert!(answer.contains(body) && answer.contains("content-length: "), "{request}{answer}");
            assert!(!answer.contains("transfer-encoding"), "{request}{answer}");
            let heads = answer.matches("HTTP/1.").count();
            let said = answer.to_ascii_lowercase().matches("\r\nconnection: keep-alive\r\n").count();
            assert_eq!((heads, said), if stays { (2, 2) } else { (1, 0) }, "{request}{answer}");
        }
    }
    assert_eq!(server.stats().await.published, 3);
}

#[tokio::test]
async fn a_poll_held_over_http_1_0_is_answered_by_what_is_published() {
    let server = Server::start(&[]);
    let mut held = Vec::new();
    for connection in CONNECTIONS {
        let mut client = server.dial().await;
        client.write(get("/topics/news/long-poll?wait=20", connection)).await;
        held.push(client);
    }
    server.stats_when(|stats| stats.connections["long-poll"].open == 3).await;
    server.publish("news", "7").await;
    for mut client in held {
        let answer = client.read_to_end().await;
        let (head, body) = halves(&answer);
        assert!(head.starts_with("HTTP/1.1 200 ") && has_field(head, "connection: close"), "{answer}");
        assert!(has_field(head, &format!("content-length: {}", body.len())), "{answer}");
        assert!(body.contains("\"payload\":7}]}"), "{answer}");
    }
}

#[tokio::test]
async fn a_websocket_over_http_1_0_is_refused_with_what_to_set_in_nginx() {
    let server = Server::start(&[]);
    // nginx passes neither field on unless it is told to.
    for fields in
        ["Connection: close\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"]
    {
        for path in ["/topics/news/ws", "/socket.io/?EIO=4&transport=websocket"] {
            let mut client = server.dial().await;
            client.write(get(path, fields)).await;
            let answer = client.read_to_end().await;
            assert!(answer[8..].starts_with(" 426 "), "{path} {fields}: {answer}");
            for part in ["HTTP/1.0", "proxy_http_version 1.1", "proxy_set_header Upgrade $http_upgrade"] {
                assert!(halves(&answer).1.contains(part), "{part}: {answer}");
            }
        }
    }
}
