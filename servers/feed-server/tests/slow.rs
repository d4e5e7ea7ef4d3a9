//! The slow, the silent and the many: each is ended in its own named way, and the others do not notice.

mod lab;

use std::time::Duration;

use feed::Transport;
use lab::{Raw, Server, handshake, now};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Dials with small socket buffers, so that it is soon stalled.
async fn dial_narrow(server: &Server) -> Raw {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    Raw::new(socket.connect(server.address).await.unwrap())
}

/// A payload that fills sockets quickly.
fn large() -> String {
    format!("\"{}\"", "x".repeat(60_000))
}

async fn rest(client: &mut Raw) -> Vec<u8> {
    let mut rest = Vec::new();
    tokio::time::timeout(lab::PATIENCE, client.stream.read_to_end(&mut rest)).await.expect("it ends").unwrap();
    rest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_falls_behind_is_told_and_ended_while_others_get_everything() {
    let server = Server::start(&["--history", "40"]);
    for (kind, request) in
        [("sse", "GET /topics/news/sse HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()), ("ws", handshake(""))]
    {
        let mut fast = server.read(Transport::Ws, None).await;
        let mut slow = dial_narrow(&server).await;
        slow.write(request).await;
        slow.read_until("recovered\":true}", 1).await;
        let published = 200;
        for _ in 0..published {
            server.publish("news", &large()).await;
            // In step: it is the other one that falls behind.
            assert_eq!(fast.message().await.unwrap()["type"], "notification");
        }
        server.stats_when(|stats| stats.connections[kind].ended.get("fell-behind") == Some(&1)).await;
        let text = String::from_utf8_lossy(&rest(&mut slow).await).into_owned();
        let end = &text[text.len() - 150..];
        assert!(end.contains(r#"{"type":"gap","topic":"news","oldest":""#), "{kind}: {end}");
        match kind {
            "sse" => assert!(end.ends_with("\n\n\r\n0\r\n\r\n"), "{end}"),
            _ => assert!(end.ends_with("\u{3}\u{fffd}fell out of the retained history"), "{end:?}"),
        }
        let notifications = text.matches(r#""type":"notification""#).count();
        let whole = text.matches("xxxx\"}").count();
        assert_eq!(whole, notifications, "{kind}: no frame is broken by what follows it");
        assert!(notifications < 200, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_costs_the_kernel_no_more_than_its_send_buffer() {
    let send_buffer = 64 << 10;
    let server = Server::start(&["--send-buffer", &send_buffer.to_string(), "--history", "300"]);
    for (kind, request) in
        [("sse", "GET /topics/news/sse HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()), ("ws", handshake(""))]
    {
        let mut slow = dial_narrow(&server).await;
        slow.write(request).await;
        slow.read_until("recovered\":true}", 1).await;
        for _ in 0..100 {
            server.publish("news", &large()).await;
        }
        let connections = server.stats().await.connections.remove(kind).unwrap();
        // The kernel's count may be of twice the bytes; a receive buffer of 4 KiB is the smallest that there is.
        let bound = 2 * send_buffer + (16 << 10);
        assert!(
            connections.bytes_written < bound,
            "{kind}: {} of 6 MB for one that reads nothing",
            connections.bytes_written
        );
        assert_eq!((connections.open, connections.ended.len()), (1, 0), "{kind}: it is within the history");
        for _ in 0..300 {
            server.publish("news", &large()).await;
        }
        server.stats_when(|stats| stats.connections[kind].ended.get("fell-behind") == Some(&1)).await;
        let metrics = server.get("/metrics").await.text().await.unwrap();
        assert!(metrics.contains(&format!("feed_ended_total{{transport=\"{kind}\",reason=\"fell-behind\"}} 1\n")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_answer_may_take_as_long_as_it_goes_on_and_no_longer() {
    let server = Server::start(&["--send-buffer", "8192", "--write-timeout", "3s"]);
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = dial_narrow(&server).await;
        client.get("/topics/news/long-poll").await;
        clients.push(client);
    }
    server.stats_when(|stats| stats.connections["long-poll"].open == 2).await;
    server.publish("news", &large()).await;
    // One reads slowly, for longer than a farewell would be waited for; the other does not read at all.
    let mut slow = clients.remove(0);
    let before = now();
    let mut seen = Vec::new();
    let mut piece = vec![0; 2 << 10];
    while !seen.ends_with(b"\"}]}") {
        let read =
            tokio::time::timeout(lab::PATIENCE, slow.stream.read(&mut piece)).await.expect("it goes on").unwrap();
        assert!(read > 0, "an answer that was cut after {} bytes, {:?}", seen.len(), before.elapsed());
        seen.extend_from_slice(&piece[..read]);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(before.elapsed() > Duration::from_millis(3500), "{} bytes in {:?}", seen.len(), before.elapsed());
    let stats = server.stats_when(|stats| stats.connections["long-poll"].ended.contains_key("write-timeout")).await;
    assert_eq!((stats.connections["long-poll"].open, &stats.connections["long-poll"].ended["write-timeout"]), (1, &1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_is_ended_in_time() {
    let server = Server::start(&["--write-timeout", "300ms"]);
    for (kind, request) in
        [("sse", "GET /topics/news/sse HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()), ("ws", handshake(""))]
    {
        let mut slow = dial_narrow(&server).await;
        slow.write(request).await;
        slow.read_until("recovered\":true}", 1).await;
        for _ in 0..150 {
            server.publish("news", &large()).await;
        }
        let stats = server.stats_when(|stats| stats.connections[kind].ended.contains_key("write-timeout")).await;
        assert_eq!(stats.connections[kind].open, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_answer_pings_is_closed_and_one_that_does_stays() {
    let server = Server::start(&["--ping-interval", "100ms", "--pong-timeout", "2s"]);
    let mut deaf = server.dial().await;
    deaf.write(handshake("")).await;
    deaf.read_until("}", 1).await;
    let mut polite = server.read(Transport::Ws, None).await;
    let listening = tokio::spawn(async move { polite.message().await });
    let before = now();
    let bytes = rest(&mut deaf).await;
    assert_eq!(&bytes[..2], b"\x89\x00", "a ping");
    assert_eq!(&bytes[2..6], b"\x88\x11\x03\xf0", "a close with 1008");
    assert!(before.elapsed() >= Duration::from_secs(2), "{:?}", before.elapsed());
    server.stats_when(|stats| stats.connections["ws"].ended.get("pong-timeout") == Some(&1)).await;
    // Long enough for whoever came later to be ended for the same.
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.publish("news", "1").await;
    assert_eq!(listening.await.unwrap().unwrap()["payload"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_gets_heartbeats() {
    let server = Server::start(&["--heartbeat", "50ms"]);
    let mut client = server.dial().await;
    client.get("/topics/news/sse").await;
    let text = client.read_until("3\r\n:\n\n\r\n", 3).await;
    assert!(text.contains("subscribed"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_bytes_of_a_stream_come_at_once() {
    // Nothing else is said for a day that could take them along.
    let server = Server::start(&["--heartbeat", "24h"]);
    let mut answer = server.get("/topics/news/sse").await;
    let first = tokio::time::timeout(lab::PATIENCE, answer.chunk()).await.expect("they come").unwrap().unwrap();
    assert!(first.starts_with(b"id:") && first.ends_with(b"\n\n"), "{first:?}");
    for (name, value) in
        [("cache-control", "no-cache, no-transform"), ("x-accel-buffering", "no"), ("transfer-encoding", "chunked")]
    {
        assert_eq!(answer.headers()[name], value);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_only_asks_is_not_answered_without_bound() {
    let server = Server::start(&["--write-timeout", "1s"]);
    let mut client = dial_narrow(&server).await;
    client.write(handshake("")).await;
    let mut pings = Vec::new();
    for _ in 0..1000 {
        pings.extend_from_slice(b"\x89\xfd\0\0\0\0");
        pings.extend_from_slice(&[b'x'; 125]);
    }
    // It never reads; the server stops reading in turn, so writing gets stuck or fails.
    let flood = async { while client.stream.write_all(&pings).await.is_ok() {} };
    let _ = tokio::time::timeout(Duration::from_secs(5), flood).await;
    let stats = server.stats_when(|stats| stats.connections["ws"].ended.contains_key("write-timeout")).await;
    let read = stats.connections["ws"].bytes_read;
    assert!(read < 16 << 20, "what the sockets hold of pongs, and little more; not {read} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_too_many_is_told_so_and_the_rest_is_served() {
    let server = Server::start(&["--connections-max", "3"]);
    let mut readers = Vec::new();
    for _ in 0..2 {
        readers.push(server.read(Transport::Ws, None).await);
    }
    let mut third = server.dial().await;
    third.get("/healthz").await;
    third.read_until("ok\n", 1).await;
    for _ in 0..40 {
        let mut turned_away = server.dial().await;
        turned_away.get("/healthz").await;
        let answer = turned_away.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
        assert!(answer.contains(r#"{"error":"3 connections are open already"#), "{answer}");
    }
    third.get("/stats").await;
    let stats = third.read_until("}}}", 1).await;
    assert!(stats.contains(r#""connections-max":40"#), "{stats}");
    drop(readers);
    let left = |stats: &str| stats.contains(r#""ws":{"open":0"#);
    while !left(&{
        third.get("/stats").await;
        third.read_until("}}}", 1).await
    }) {}
    assert_eq!(server.publish("news", "1").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_is_no_ping_is_ignored_and_counted() {
    let server = Server::start(&[]);
    let mut client = server.dial().await;
    client.write(handshake("")).await;
    let text = |payload: &str| [&[0x81, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload.as_bytes()].concat();
    client.write([text("hello"), text("{\"type\":\"pang\"}"), text("{\"type\":\"ping\"}")].concat()).await;
    client.read_until("{\"type\":\"pong\"}", 1).await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("\nfeed_client_messages_ignored_total 2\n"), "{metrics}");
}

/// A masked text frame of 100 bytes, which no server has to answer.
fn chatter() -> Vec<u8> {
    [&[0x81, 0x80 | 100, 0, 0, 0, 0][..], &[b'x'; 100]].concat()
}

/// Sends chatter without end, and reads until `end` has come.
async fn flood_until(client: Raw, end: &[u8]) -> Vec<u8> {
    let (mut reading, mut writing) = client.stream.into_split();
    let flood = tokio::spawn(async move {
        let chatter = chatter().repeat(1000);
        while writing.write_all(&chatter).await.is_ok() {}
    });
    let mut seen = Vec::new();
    let read = async {
        while !seen.windows(end.len()).any(|window| window == end) {
            assert!(reading.read_buf(&mut seen).await.unwrap() > 0, "{:?}", String::from_utf8_lossy(&seen));
        }
    };
    let found = tokio::time::timeout(lab::PATIENCE, read).await;
    flood.abort();
    found.unwrap_or_else(|_| panic!("it never came: {end:?}"));
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_says_too_much_is_ended_with_a_reason() {
    let server = Server::start(&[]);
    let mut talkative = server.dial().await;
    talkative.write(handshake("")).await;
    talkative.write(chatter().repeat(9000)).await;
    talkative.write(b"\x81\x8f\0\0\0\0{\"type\":\"ping\"}").await;
    talkative.read_until("{\"type\":\"pong\"}", 1).await;
    assert!(server.stats().await.connections["ws"].ended.is_empty(), "less than 1 MiB is borne");

    let mut flooding = server.dial().await;
    flooding.write(handshake("")).await;
    let seen = flood_until(flooding, b"\x03\xf0said too much that is ignored").await;
    assert!(seen.windows(2).any(|head| head == b"\x88\x1f"), "a close with 1008");
    server.stats_when(|stats| stats.connections["ws"].ended.get("sent-too-much") == Some(&1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_stops_talking_is_pinged_all_the_same() {
    // Messages may be so large that what is ignored meets no bound.
    let server = Server::start(&["--ping-interval", "200ms", "--message-max", "4000000000000"]);
    let mut flooding = server.dial().await;
    flooding.write(handshake("")).await;
    flooding.read_until("recovered\":true}", 1).await;
    flood_until(flooding, b"\x89\0").await;
}

#[tokio::test]
async fn a_pong_that_waits_for_a_busy_server_is_in_time() {
    let server = Server::start(&["--ping-interval", "200ms", "--pong-timeout", "100ms"]);
    let mut client = server.dial().await;
    client.write(handshake("")).await;
    client.read_until("recovered\":true}", 1).await;
    let mut ping = [0; 2];
    client.stream.read_exact(&mut ping).await.unwrap();
    assert_eq!(&ping, b"\x89\0");
    client.write(b"\x8a\x80\0\0\0\0").await;
    // The only thread: the server can neither read nor see how late it is.
    std::thread::sleep(Duration::from_millis(300));
    server.publish("news", "1").await;
    client.read_until("\"payload\":1}", 1).await;
    assert!(server.stats().await.connections["ws"].ended.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_clients_at_a_full_door_hold_up_neither_the_next_one_nor_the_end() {
    let server = Server::start(&["--connections-max", "1"]);
    let mut inside = server.dial().await;
    inside.get("/healthz").await;
    inside.read_until("ok\n", 1).await;
    let mut turned_away = 0;
    // The silent ones are waited for 1 s.
    lab::assert_quick(Duration::from_millis(800), async || {
        let mut silent = Vec::new();
        for _ in 0..16 {
            silent.push(server.dial().await);
        }
        let before = now();
        for _ in 0..4 {
            assert_eq!(server.dial().await.read_to_end().await, "", "closed without an answer");
        }
        turned_away += 20;
        inside.get("/stats").await;
        let stats = inside.read_until("}}}", 1).await;
        assert!(stats.contains(&format!(r#""connections-max":{turned_away}"#)), "{stats}");
        let took = before.elapsed();
        // Those of this try make room for the next.
        for mut silent in silent {
            silent.read_to_end().await;
        }
        took
    })
    .await;
    lab::assert_quick(Duration::from_millis(800), async || {
        let server = Server::start(&["--connections-max", "1"]);
        let mut inside = server.dial().await;
        inside.get("/healthz").await;
        inside.read_until("ok\n", 1).await;
        let mut silent = Vec::new();
        for _ in 0..16 {
            silent.push(server.dial().await);
        }
        let before = now();
        server.stop().await;
        before.elapsed()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_asks_for_nothing_is_closed_in_time_and_one_that_asks_again_is_kept() {
    let server = Server::start(&["--idle-timeout", "2s", "--head-timeout", "1s"]);
    let mut silent = server.dial().await;
    let mut polling = server.dial().await;
    let before = now();
    for _ in 0..6 {
        for request in [
            "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1",
        ] {
            polling.write(request).await;
            polling.read_until("HTTP/1.1 20", 1).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    assert!(before.elapsed() > Duration::from_secs(3), "longer than one may idle");
    assert_eq!(silent.read_to_end().await, "");
    polling.read_to_end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_event_stream_is_ended_in_time_whatever_its_heartbeat() {
    let server = Server::start(&["--heartbeat", "100ms", "--write-timeout", "1s"]);
    let _slow = stalled_events(&server).await;
    let stats = server.stats_when(|stats| stats.connections["sse"].open == 0).await;
    assert_eq!(stats.connections["sse"].ended["write-timeout"], 1, "{:?}", stats.connections["sse"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_stream_that_takes_nothing_is_not_sent_one_heartbeat_after_the_other() {
    let server = Server::start(&["--heartbeat", "100ms"]);
    let before = now();
    let mut slow = stalled_events(&server).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.publish("news", "\"last\"").await;
    let told = slow.read_until("\"last\"}", 1).await;
    let most = 2 + before.elapsed().as_millis() / 100;
    let beats = told.matches("\n:\n").count() as u128;
    assert!((1..=most).contains(&beats), "{beats} heartbeats in {:?}, one each 100 ms", before.elapsed());
}

/// A reader of events that has read the first, and no other.
async fn stalled_events(server: &Server) -> Raw {
    let mut slow = dial_narrow(server).await;
    slow.get("/topics/news/sse").await;
    slow.read_until("recovered\":true}", 1).await;
    for _ in 0..100 {
        server.publish("news", &large()).await;
    }
    slow
}
