//! That a reader who catches up leaves others their turn.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use feed::{After, Payload};
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

use super::*;
use crate::hub::{Habits, Hub};
use crate::line::Line;
use crate::stats::Stats;

#[tokio::test]
async fn a_client_that_reads_nothing_holds_one_reading_of_the_log_and_no_more() {
    let bound = Limit { count: 1000, bytes: 64 << 20 };
    let hub = Hub::new(1, Habits { bound, workers: 1, coalesce: Duration::ZERO });
    let log = hub.log(&"news".parse().unwrap()).unwrap();
    let large = serde_json::value::to_raw_value(&"x".repeat(60_000)).unwrap();
    for _ in 0..200 {
        log.append(&Payload { content_type: None, json: large.clone() });
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let socket = Socket::new(Line::Clear(stream), Arc::new(Meter::new(Arc::new(Stats::new()), 0)));
    let start = log.start(After::Earliest);
    let mut session = Session::new(socket, log.clone(), start.cursor, Form::Frames, Duration::from_secs(60));
    let quiet = Duration::from_millis(200);
    while session.next(clock::now() + quiet).await == Wake::Moved {
        let batch = session.read().unwrap();
        session.deliver(batch.entries.iter().map(|entry| entry.frame()));
    }
    for _ in 0..200 {
        log.append(&Payload { content_type: None, json: large.clone() });
        assert_ne!(session.next(clock::now()).await, Wake::Moved, "nothing more is read for who takes nothing");
    }
    let held = session.chair.with(|outlet| outlet.outbox.bytes());
    assert!(held > 0 && held <= STREAM_LIMIT.bytes + 60_200, "{held} bytes in the outbox");
}

#[tokio::test]
async fn catching_up_lets_others_have_their_turn() {
    let bound = Limit { count: 10_000, bytes: 64 << 20 };
    let hub = Hub::new(1, Habits { bound, workers: 1, coalesce: Duration::ZERO });
    let log = hub.log(&"news".parse().unwrap()).unwrap();
    let batches = 64;
    for _ in 0..batches * STREAM_LIMIT.count {
        log.append(&Payload { content_type: None, json: serde_json::value::to_raw_value(&1).unwrap() });
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    std::thread::spawn(move || while client.read(&mut [0; 64 << 10]).is_ok_and(|read| read > 0) {});
    let (stream, _) = listener.accept().await.unwrap();
    let socket = Socket::new(Line::Clear(stream), Arc::new(Meter::new(Arc::new(Stats::new()), 0)));
    let start = log.start(After::Earliest);
    let mut session = Session::new(socket, log.clone(), start.cursor, Form::Frames, Duration::from_secs(10));

    let others = Rc::new(Cell::new(0));
    let catch_up = async {
        let other = others.clone();
        spawn_local(async move {
            loop {
                other.set(other.get() + 1);
                yield_now().await;
            }
        });
        let (mut in_a_row, mut seen) = (0, 0);
        for _ in 0..batches {
            assert_eq!(session.next(clock::now() + Duration::from_secs(10)).await, Wake::Moved);
            let batch = session.read().unwrap();
            session.deliver(batch.entries.iter().map(|entry| entry.frame()));
            in_a_row = if others.get() == seen { in_a_row + 1 } else { 1 };
            seen = others.get();
            assert!(in_a_row <= TURNS, "{in_a_row} batches while another task waited");
        }
    };
    LocalSet::new().run_until(catch_up).await;
}
