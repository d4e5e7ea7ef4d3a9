//! That a row keeps no seats of those who have gone, misses nothing before it is served, and counts what it brings.

use std::pin::pin;
use std::time::Duration;

use feed::Payload;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::hub::{Habits, Hub};
use crate::line::Line;
use crate::stats::{Meter, Stats};

fn log() -> Arc<Log> {
    let bound = Limit { count: 10, bytes: 1000 };
    Hub::new(1, Habits { bound, workers: 1, coalesce: Duration::ZERO }).log(&"news".parse().unwrap()).unwrap()
}

/// A connection, and its client.
async fn socket(stats: &Arc<Stats>, number: u64) -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    (Socket::new(Line::Clear(stream), Arc::new(Meter::new(stats.clone(), number))), client)
}

/// A reader who has seen everything, and its client.
async fn reader(log: &Arc<Log>) -> (Chair, TcpStream) {
    let (socket, client) = socket(&Arc::new(Stats::new()), 0).await;
    (Chair::new(log.clone(), Outlet::new(socket, log.head(), clock::now()), 0), client)
}

#[tokio::test]
async fn a_silent_topic_does_not_collect_the_seats_of_those_who_have_gone() {
    let log = log();
    for _ in 0..5 * ABANDONED_MAX {
        let (mut chair, _client) = reader(&log).await;
        let sitting = chair.sit(Form::Frames, false, false, |_| Poll::Pending);
        assert!(timeout(Duration::ZERO, sitting).await.is_err(), "it sits");
    }
    let left = lock(&log.fanout().rows[0]).seats.len();
    assert!(left < ABANDONED_MAX, "{left} seats are left");
}

#[tokio::test]
async fn what_a_row_is_brought_counts_under_what_each_connection_carries() {
    let (log, stats) = (log(), Arc::new(Stats::new()));
    let mut readers = Vec::new();
    for (number, (kind, form)) in
        [(Kind::Ws, Form::Frames), (Kind::Sse, Form::Events), (Kind::LongPoll, Form::Answer)].into_iter().enumerate()
    {
        let (socket, client) = socket(&stats, number as u64).await;
        socket.meter().label(kind);
        let mut chair = Chair::new(log.clone(), Outlet::new(socket, log.head(), clock::now()), 0);
        let sitting =
            tokio::spawn(async move { chair.sit(form, false, false, |_| Poll::<()>::Pending).await.is_some() });
        readers.push((kind, client, sitting));
    }
    tokio::task::yield_now().await;
    log.append(&Payload::from_json(b"1").unwrap());
    for (kind, mut client, sitting) in readers {
        let read = client.read(&mut [0; 1000]).await.unwrap() as u64;
        sitting.abort();
        let counted = stats.connections(kind);
        let answered = u64::from(kind == Kind::LongPoll);
        assert_eq!((counted.delivered, counted.answered, counted.bytes_written), (1, answered, read), "{kind:?}");
    }
    assert_eq!(stats.connections(Kind::Other).delivered, 0);
}

#[tokio::test]
async fn what_comes_before_a_row_is_first_served_is_brought() {
    let log = log();
    let (mut chair, mut client) = reader(&log).await;
    let mut sitting = pin!(chair.sit(Form::Frames, false, false, |_| Poll::Pending));
    assert!(sitting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "it sits");
    // There is one thread, which has not let go since: the task that serves the row has not run yet.
    log.append(&Payload::from_json(b"1").unwrap());
    let expected = log.after(log.oldest(), ROUND).unwrap().entries[0].frame();
    let mut brought = vec![0; expected.len()];
    timeout(Duration::from_secs(10), client.read_exact(&mut brought)).await.expect("it is brought").unwrap();
    assert_eq!(brought, expected);
}
