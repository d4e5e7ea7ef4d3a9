//! Draining: a server that stops lets nobody in, ends what is open bit by bit, and is gone in time whatever its clients do.

mod lab;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use lab::program::Program;
use lab::{Raw, Server, handshake, now};

/// The id of the last notification in what a stream said.
fn last_id(text: &str) -> u64 {
    let (_, rest) = text.rsplit_once(r#""id":"#).expect("it had notifications");
    rest.split(',').next().unwrap().parse().unwrap()
}

/// Reads a stream of the demo to its end.
async fn read_to_end(server: &Server, request: String) -> tokio::task::JoinHandle<String> {
    let mut client = server.dial().await;
    client.write(request).await;
    client.read_until(r#""recovered":true}"#, 1).await;
    tokio::spawn(async move { client.read_to_end().await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_served_until_each_is_ended_at_an_instant_of_its_own() {
    // The server's own clock: it publishes a hundred a second for the two seconds over which it says goodbye.
    let mut server = Server::start(&["--demo", "100", "--drain", "4s"]);
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(read_to_end(&server, "GET /topics/demo/sse HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()).await);
        streams.push(read_to_end(&server, handshake("").replace("news", "demo")).await);
    }
    let stopped_at = server.stats().await.published;
    server.tell_to_stop();
    let mut ids = Vec::new();
    for stream in streams {
        let text = stream.await.unwrap();
        assert!(
            text.ends_with("0\r\n\r\n") || text.ends_with("come back"),
            "it is not cut: {}",
            &text[text.len() - 50..]
        );
        ids.push(last_id(&text));
    }
    ids.sort_unstable();
    let quarters: Vec<_> = [0, 50, 100, 150, 199].iter().map(|rank| ids[*rank]).collect();
    let all = quarters[4] - quarters[0];
    assert!(quarters[0] >= stopped_at && all > 60, "from {stopped_at} on: {quarters:?}");
    for pair in quarters.windows(2) {
        // A quarter of 200 random instants takes a quarter of the time, give or take a tenth of it at five sigma or so.
        let part = (pair[1] - pair[0]) as f64 / all as f64;
        assert!((0.08..0.5).contains(&part), "{part} of the time for a quarter of the streams: {quarters:?}");
    }
    assert!(TcpStream::connect(server.address).is_err(), "nobody is let in");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_go_on_until_their_connections_are_ended() {
    let mut server = Server::start(&["--drain", "4s"]);
    let mut polling = Vec::new();
    for _ in 0..16 {
        let mut client = server.dial().await;
        client.get("/topics/news/short-poll").await;
        client.read_until("[]}", 1).await;
        polling.push(client);
    }
    server.tell_to_stop();
    let mut kept = 0;
    for mut client in polling {
        // Its end comes between two polls, or with an answer that says so.
        while let Some(answer) = poll(&mut client).await {
            if answer.contains("\r\nconnection: close\r\n") {
                break;
            }
            kept += 1;
        }
    }
    assert!(kept > 16, "{kept} polls of 16 connections were answered as ever");
    server.stop().await;
}

/// The answer to one more poll; `None` when the connection has ended.
async fn poll(client: &mut Raw) -> Option<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    client.stream.write_all(b"GET /topics/news/short-poll HTTP/1.1\r\nHost: x\r\n\r\n").await.ok()?;
    let mut seen = Vec::new();
    while !seen.ends_with(b"[]}") {
        let read =
            tokio::time::timeout(lab::PATIENCE, client.stream.read_buf(&mut seen)).await.expect("it is answered");
        read.ok().filter(|len| *len > 0)?;
    }
    String::from_utf8(seen).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_always_asked_already_is_told_which_answer_is_the_last() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut server = Server::start(&["--drain", "6s"]);
    let mut clients = Vec::new();
    for _ in 0..4 {
        let client = server.dial().await;
        clients.push(tokio::spawn(async move {
            let (mut reading, mut writing) = client.stream.into_split();
            let requests = "GET /topics/news/short-poll HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500);
            let writing = tokio::spawn(async move { while writing.write_all(requests.as_bytes()).await.is_ok() {} });
            let (mut last, mut some) = (Vec::new(), vec![0; 64 << 10]);
            while let Ok(len @ 1..) = reading.read(&mut some).await {
                last.extend_from_slice(&some[..len]);
                last.drain(..last.len().saturating_sub(1000));
            }
            writing.abort();
            String::from_utf8_lossy(&last).into_owned()
        }));
    }
    server.stats_when(|stats| stats.connections["short-poll"].answered > 1000).await;
    server.tell_to_stop();
    for client in clients {
        let last = tokio::time::timeout(lab::PATIENCE, client).await.expect("it ends").unwrap();
        let (_, answer) = last.rsplit_once("HTTP/1.1 200 OK\r\n").expect("an answer");
        assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("[]}"), "{last}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_to_be_told_together_is_told_before_the_farewell() {
    let mut server = Server::start(&["--coalesce", "10s", "--drain", "1s"]);
    let mut sse = server.dial().await;
    sse.get("/topics/news/sse").await;
    sse.read_until(r#""recovered":true}"#, 1).await;
    let mut ws = server.dial().await;
    ws.write(handshake("")).await;
    ws.read_until(r#""recovered":true}"#, 1).await;
    let mut held = server.dial().await;
    held.get("/topics/news/long-poll?wait=30").await;
    server.stats_when(|stats| stats.connections["long-poll"].open == 1).await;
    server.publish("news", "1").await;
    server.tell_to_stop();
    for (client, farewell) in [(&mut sse, "0\r\n\r\n"), (&mut ws, "come back")] {
        let text = client.read_to_end().await;
        assert!(text.contains(r#""payload":1}"#) && text.ends_with(farewell), "{text}");
    }
    assert!(held.read_to_end().await.contains(r#""payload":1}"#));
    server.stop().await;
}

#[test]
fn the_program_ends_with_success_in_time_whatever_its_clients_do() {
    let mut program = Program::start(&["--drain", "1s", "--head-timeout", "60s", "--write-timeout", "60s"]);
    let large = format!("\"{}\"", "x".repeat(60_000));
    let mut publisher = TcpStream::connect(&program.address).unwrap();
    for _ in 0..100 {
        let head = format!("POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", large.len());
        publisher.write_all(&[head.as_bytes(), large.as_bytes()].concat()).unwrap();
    }
    // None of them reads anything, ever.
    let mut stuck = Vec::new();
    for path in ["sse?after=earliest", "long-poll?after=earliest", "long-poll?wait=60", "short-poll?after=earliest"] {
        stuck.push(program.open(&format!("/topics/news/{path}")));
    }
    for begun in [
        handshake("?after=earliest"),
        "GET /topics/ne".to_owned(),
        "POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1".to_owned(),
        String::new(),
    ] {
        let mut client = TcpStream::connect(&program.address).unwrap();
        client.write_all(begun.as_bytes()).unwrap();
        stuck.push(client);
    }
    // Answered behind all of these: they are inside.
    let mut last = program.open("/stats");
    std::io::Read::read(&mut last, &mut [0]).unwrap();
    let before = now();
    program.signal("-TERM");
    let (code, said) = program.end();
    assert_eq!(code, Some(0), "{said}");
    // Any other bound on such clients would have taken a minute.
    assert!(before.elapsed() < Duration::from_secs(30), "{:?} with --drain 1s", before.elapsed());
    drop(stuck);
}
