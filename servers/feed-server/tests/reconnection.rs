//! Coming back: within the history nothing is missed and nothing repeated, beyond it and after a restart the reader is told, over every
//! transport and in every way in which a cursor is said.

mod lab;

use std::net::SocketAddr;
use std::time::Duration;

use feed::Transport;
use lab::program::Program;
use lab::{Reader, Server, Started};
use serde_json::Value;

const WHOLE: Started = Started { recovered: true, gap: None };

/// Ways to say where one has been that are not the query, which every transport takes.
#[derive(Debug, Clone, Copy)]
enum Header {
    LastEventId,
    IfNoneMatch,
}

/// What a reader that comes back with `cursor` in a header field is told: the payloads, and the gap if there is one.
async fn come_back(
    address: SocketAddr,
    transport: Transport,
    header: Header,
    cursor: &str,
) -> (Vec<u64>, Option<String>) {
    let (name, value) = match header {
        Header::LastEventId => ("last-event-id", cursor.to_owned()),
        Header::IfNoneMatch => ("if-none-match", format!("\"{cursor}\"")),
    };
    let url = format!("http://{address}/topics/news/{transport}");
    let mut answer = lab::http().get(url).header(name, value).timeout(lab::PATIENCE).send().await.unwrap();
    if let Header::IfNoneMatch = header {
        let batch: Value = answer.json().await.unwrap();
        let payloads = batch["notifications"].as_array().unwrap().iter().map(|one| one["payload"].as_u64().unwrap());
        return (payloads.collect(), batch["gap"].as_str().map(str::to_owned));
    }
    let mut text = String::new();
    while !text.contains(r#""payload":20}"#) {
        text.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().expect("it goes on")).unwrap());
    }
    let said: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let gap = said.iter().find(|one| one["type"] == "gap").map(|gap| gap["oldest"].as_str().unwrap().to_owned());
    (said.iter().filter_map(|one| one["payload"].as_u64()).collect(), gap)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_within_the_history_misses_nothing_and_gets_nothing_twice() {
    let server = Server::start(&["--history", "10"]);
    let mut readers = Vec::new();
    for transport in Transport::ALL {
        readers.push((transport, server.read(transport, None).await));
    }
    server.publish_numbers(1..=10).await;
    let mut cursors = Vec::new();
    for (transport, mut reader) in readers {
        assert_eq!(reader.next(10).await, (1..=10).collect::<Vec<_>>(), "{transport}");
        cursors.push((transport, reader.cursor));
    }
    server.publish_numbers(11..=20).await;
    let rest: Vec<u64> = (11..=20).collect();
    for (transport, cursor) in &cursors {
        let mut reader = server.read(*transport, Some(cursor)).await;
        assert_eq!((reader.started.clone(), reader.next(10).await), (WHOLE, rest.clone()), "{transport} by query");
    }
    let cursor = &cursors[0].1;
    for (transport, header) in HEADERS {
        let told = come_back(server.address, transport, header, cursor).await;
        assert_eq!(told, (rest.clone(), None), "{transport} by {header:?}");
    }
}

/// The header fields in which transports take a cursor.
const HEADERS: [(Transport, Header); 3] = [
    (Transport::Sse, Header::LastEventId),
    (Transport::ShortPoll, Header::IfNoneMatch),
    (Transport::LongPoll, Header::IfNoneMatch),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_too_late_is_told_the_gap_and_gets_the_rest() {
    let server = Server::start(&["--history", "10"]);
    server.publish_numbers(1..=5).await;
    let cursor = server.read(Transport::ShortPoll, None).await.cursor;
    server.publish_numbers(6..=20).await;
    let epoch = cursor.split(':').next().unwrap();
    let oldest = format!("{epoch}:10");
    let rest: Vec<u64> = (11..=20).collect();
    for transport in Transport::ALL {
        let mut reader = server.read(transport, Some(&cursor)).await;
        let started = Started { recovered: false, gap: Some(oldest.clone()) };
        assert_eq!((reader.started.clone(), reader.next(10).await), (started, rest.clone()), "{transport} by query");
    }
    for (transport, header) in HEADERS {
        let told = come_back(server.address, transport, header, &cursor).await;
        assert_eq!(told, (rest.clone(), Some(oldest.clone())), "{transport} by {header:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_everybody_is_told_that_the_epoch_is_another() {
    let mut before = Program::start(&[]);
    let address: SocketAddr = before.address.parse().unwrap();
    publish(address, 1..=12).await;
    let mut cursors = Vec::new();
    for transport in Transport::ALL {
        let mut reader = Reader::open(address, transport, Some("earliest")).await;
        reader.next(12).await;
        cursors.push((transport, reader.cursor));
    }
    before.child.kill().unwrap();
    before.child.wait().unwrap();
    let _after = Program::start_at(&address.to_string(), &[]);
    publish(address, 11..=20).await;
    let rest: Vec<u64> = (11..=20).collect();
    for (transport, cursor) in &cursors {
        let mut reader = Reader::open(address, *transport, Some(cursor)).await;
        let gap = reader.started.gap.clone().expect("a gap");
        let (epoch, offset) = gap.split_once(':').unwrap();
        assert!(
            !reader.started.recovered && !cursor.starts_with(epoch) && offset == "0",
            "{transport}: {cursor}, {gap}"
        );
        assert_eq!(reader.next(10).await, rest, "{transport}");
    }
    for (transport, header) in HEADERS {
        let (payloads, gap) = come_back(address, transport, header, &cursors[0].1).await;
        assert!(gap.is_some_and(|gap| gap.ends_with(":0")) && payloads == rest, "{transport} by {header:?}");
    }
}

/// Publishes numbers on `news`, as soon as the server answers.
async fn publish(address: SocketAddr, numbers: std::ops::RangeInclusive<u64>) {
    let http = lab::http();
    for number in numbers {
        let post = http.post(format!("http://{address}/topics/news")).body(number.to_string());
        let answer = post.timeout(Duration::from_secs(5)).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }
}
