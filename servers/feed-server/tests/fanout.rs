//! One to many: what comes is brought to those who wait, whoever comes, goes or talks meanwhile; and together, where that is asked for.

mod lab;

use std::time::Duration;

use feed::Transport;
use lab::{Raw, Server, handshake, now};

/// A masked text frame that says `hi`.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everybody_gets_everything_once_while_others_come_go_and_talk() {
    let server = Server::start(&[]);
    let published = 400;
    let mut readings = Vec::new();
    for transport in [Transport::Ws, Transport::Sse, Transport::LongPoll].into_iter().cycle().take(30) {
        let mut reader = server.read(transport, None).await;
        // It checks that ids follow each other.
        readings.push(tokio::spawn(async move { reader.next(published).await }));
    }
    let address = server.address;
    let passers_by = tokio::spawn(async move {
        for turn in 0.. {
            let mut passer_by = Raw::new(tokio::net::TcpStream::connect(address).await.unwrap());
            match turn % 3 {
                0 => {
                    passer_by.write(handshake("")).await;
                    passer_by.read_until("recovered\":true}", 1).await;
                    passer_by.write(HI).await;
                }
                1 => {
                    passer_by.get("/topics/news/sse").await;
                    passer_by.read_until("recovered\":true}", 1).await;
                }
                // Gone before it is answered.
                _ => passer_by.get("/topics/news/long-poll").await,
            }
        }
    });
    server.publish_numbers(1..=published as u64).await;
    for reading in readings {
        assert_eq!(reading.await.unwrap(), (1..=published as u64).collect::<Vec<_>>());
    }
    passers_by.abort();
}

#[tokio::test]
async fn what_is_published_within_the_time_to_coalesce_comes_together() {
    let server = Server::start(&["--coalesce", "2000"]);
    let mut streams = [server.read(Transport::Ws, None).await, server.read(Transport::Sse, None).await];
    let mut held = server.dial().await;
    held.get("/topics/news/long-poll?wait=30").await;
    server.stats_when(|stats| stats.connections["long-poll"].open == 1).await;
    let before = now();
    server.publish_numbers(1..=5).await;
    let answer = held.read_until("]}", 1).await;
    assert!(before.elapsed() >= Duration::from_secs(2), "{:?}", before.elapsed());
    assert_eq!(answer.matches(r#""type":"notification""#).count(), 5, "all in one answer: {answer}");
    for stream in &mut streams {
        assert_eq!(stream.next(5).await, [1, 2, 3, 4, 5]);
    }
}

/// One thread serves and asks: a reader who waited without sleeping would let nobody else have a turn.
#[tokio::test]
async fn who_has_read_ahead_of_what_is_announced_waits_like_everybody() {
    // No timer of this runtime would ring then.
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        if is_done.recv_timeout(lab::PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("a reader that waits lets nobody else have a turn");
            std::process::abort();
        }
    });
    let server = Server::start(&["--coalesce", "200"]);
    let mut early = server.read(Transport::LongPoll, None).await;
    for number in 1..=3 {
        server.publish("news", &number.to_string()).await;
        // A question is answered from the log, told or not; the next one is then ahead of what was told.
        assert_eq!(early.next(1).await, [number]);
    }
    let mut streaming = server.read(Transport::Ws, Some(&early.cursor)).await;
    server.publish("news", "4").await;
    assert_eq!(early.next(1).await, [4]);
    assert_eq!(streaming.next(1).await, [4]);
    drop(done);
}
