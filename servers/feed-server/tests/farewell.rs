//! Stopping: every reader gets its goodbye, and nobody is waited for too long.

mod lab;

use std::time::Duration;

use feed::Transport;
use lab::{Server, handshake, now};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_says_goodbye_in_its_own_way() {
    let mut server = Server::start(&["--drain", "1s"]);
    server.publish("news", "1").await;
    let mut idle = server.dial().await;
    idle.get("/healthz").await;
    idle.read_until("ok\n", 1).await;
    let mut untouched = server.dial().await;
    let mut long_poll = server.dial().await;
    long_poll.get("/topics/news/long-poll").await;
    let mut sse = server.dial().await;
    sse.get("/topics/news/sse").await;
    sse.read_until("}\n\n\r\n", 1).await;
    let mut ws = server.dial().await;
    ws.write(handshake("")).await;
    ws.read_until("}", 1).await;
    server.stats_when(|stats| ["long-poll", "sse", "ws"].iter().all(|kind| stats.connections[*kind].open == 1)).await;
    server.tell_to_stop();

    assert_eq!(idle.read_to_end().await, "");
    assert_eq!(untouched.read_to_end().await, "");
    let answer = long_poll.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\"notifications\":[]}"), "{answer}");
    let goodbye = sse.read_to_end().await;
    let retry = goodbye.strip_prefix("c\r\nretry:").and_then(|rest| rest.strip_suffix("\n\n\r\n0\r\n\r\n"));
    let retry: u64 = retry.expect("a hint, and the last chunk").parse().unwrap();
    assert!((1000..3000).contains(&retry), "{retry} ms, around the 2 s of --sse-retry");
    let close = ws.read_to_end().await;
    assert!(close.as_bytes()[0] != 0x81 && close.ends_with("the server stops: come back"), "{close:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_client_is_told_1012() {
    let mut server = Server::start(&["--drain", "1s"]);
    let mut reader = server.read(Transport::Ws, None).await;
    server.tell_to_stop();
    assert_eq!(reader.message().await.unwrap()["code"], 1012);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_does_not_end_is_not_waited_for() {
    let server = Server::start(&["--drain", "200ms", "--head-timeout", "24h"]);
    let mut stuck = server.dial().await;
    stuck.write("POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1").await;
    server.stats_when(|stats| stats.connections["other"].bytes_read > 60).await;
    let before = now();
    server.stop().await;
    assert!(before.elapsed() >= Duration::from_millis(200), "{:?}", before.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_goes_is_noticed_at_once() {
    // Nothing is written meanwhile that could tell.
    let server = Server::start(&["--heartbeat", "24h", "--ping-interval", "24h"]);
    let open = |kind: &'static str, count: u64| move |stats: &feed::ServerStats| stats.connections[kind].open == count;
    for (kind, request) in [
        ("long-poll", "GET /topics/news/long-poll?wait=60 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("sse", "GET /topics/news/sse HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("ws", handshake("")),
    ] {
        let mut client = server.dial().await;
        client.write(request).await;
        server.stats_when(open(kind, 1)).await;
        drop(client);
        server.stats_when(open(kind, 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_close_of_a_websocket_client_is_echoed() {
    let server = Server::start(&[]);
    let mut client = server.dial().await;
    client.write(handshake("")).await;
    client.read_until("}", 1).await;
    client.write(b"\x88\x82\0\0\0\0\x03\xe8").await;
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest).await.unwrap();
    assert_eq!(rest, b"\x88\x02\x03\xe8");
}
