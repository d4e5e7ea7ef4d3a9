//! A server whose behaviour is known: it does what its [`Script`] says, and keeps the truth about it.
//!
//! It runs as a process of its own, speaks the feed's paths over plain sockets, and writes with code of its own, so that a
//! mistake in the feed-server cannot hide behind the same mistake here. One thread, so that its book needs no locks.

mod book;
mod line;
mod log;
mod poll;
mod publish;
mod request;
mod script;
mod stream;

pub use script::{Every, Script};

use std::rc::Rc;

use anyhow::Context;
use feed::{After, Cursor, Epoch, Subscribed, Transport};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use crate::clock;
use book::Book;
use line::LineWriter;
use log::{Batch, Log};
use request::Asks;

/// The stub as its connections see it.
#[derive(Debug)]
struct Stub {
    script: Script,
    epoch: Epoch,
    log: Log,
    book: Rc<Book>,
}

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, script: Script, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    if let Some(origin) = script.origin {
        clock::adopt_origin(origin);
    }
    let stub = Rc::new(Stub { script, epoch: Epoch::from_number(1), log: Log::new(), book: Rc::new(Book::new()) });
    let accepting = async {
        loop {
            let (tcp, _) = listener.accept().await.context("cannot accept")?;
            let accepted_ns = clock::now_ns();
            let stub = Rc::clone(&stub);
            tokio::task::spawn_local(async move {
                if let Err(error) = stub.converse(tcp, accepted_ns).await {
                    results::errln!("{error:#}");
                }
            });
        }
    };
    LocalSet::new()
        .run_until(async {
            tokio::select! {
                failed = accepting => failed,
                () = stop => Ok(()),
            }
        })
        .await
}

impl Stub {
    /// Finds out what a connection is for, and serves it as such from then on.
    async fn converse(self: Rc<Self>, tcp: TcpStream, accepted_ns: u64) -> anyhow::Result<()> {
        let (mut reader, mut half) = line::split(tcp)?;
        loop {
            match request::take(&mut reader.received)? {
                None if !reader.read_more().await => return Ok(()),
                None => {}
                Some(Asks::Publish { topic, body }) => return self.publish(topic, body, reader, half).await,
                Some(Asks::Subscribe(asked)) => {
                    let connection = self.book.open(reader.total);
                    reader.book = Some(Rc::clone(&self.book));
                    let mut writer = LineWriter { half, book: Rc::clone(&self.book), splits: self.script.split };
                    clock::sleep_until(clock::now() + self.script.connect_delay_of(connection)).await;
                    // Event streams whose answers end are asked for again and again, as polls are.
                    let is_asked_again = asked.transport == Transport::Sse && self.script.end_answers;
                    let served = if asked.transport.is_poll() || is_asked_again {
                        self.poll(connection, accepted_ns, asked, &mut reader, &mut writer).await
                    } else {
                        self.stream(connection, accepted_ns, &asked, &mut reader, &mut writer).await
                    };
                    reader.read_out().await;
                    self.book.count(|truth| truth.open -= 1);
                    return served;
                }
                Some(Asks::Truth) => {
                    let truth = serde_json::to_vec(&self.book.truth())?;
                    half.write_all(&answer("200 OK", &truth)).await?;
                }
                Some(Asks::Other) => half.write_all(&answer("404 Not Found", b"")).await?,
            }
        }
    }

    /// The place in the log where a subscription starts.
    fn place(&self, after: After) -> usize {
        match after {
            After::Now => self.log.len(),
            After::Earliest => 0,
            After::Cursor(cursor) => cursor.offset as usize,
        }
    }

    /// The cursor of who has seen everything before a place in the log.
    fn cursor(&self, place: usize) -> Cursor {
        Cursor { epoch: self.epoch, offset: place as u64 }
    }

    /// What a stream says first to a subscriber that begins behind `start`.
    fn greeting(&self, topic: &str, start: Cursor) -> anyhow::Result<Vec<u8>> {
        let subscribed =
            Subscribed { topic: topic.to_owned(), epoch: start.epoch, offset: start.offset, recovered: true };
        Ok(serde_json::to_vec(&subscribed)?)
    }

    /// Enters a batch that was written to a subscriber of `topic`, each of its notifications at one of the instants (ns).
    fn enter(&self, topic: &str, batch: &Batch, instants: &[u64]) {
        let mut last = None;
        for (&place, &at_ns) in batch.write.iter().zip(instants) {
            let entry = self.log.entry(place);
            if entry.topic != topic {
                self.book.count(|truth| truth.misdelivered += 1);
            } else if entry.sequence >= self.script.first && last != Some(place) {
                self.book.record_latency(at_ns.saturating_sub(entry.intended_ns));
            }
            last = Some(place);
        }
        self.book.count(|truth| {
            truth.dropped += batch.dropped;
            truth.repeated += batch.repeated;
            truth.swapped += batch.swapped;
            truth.crowded += u64::from(batch.write.len() > 1);
        });
    }
}

/// A small JSON answer.
fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    answer_with(status, "", body)
}

/// A small JSON answer with more fields, each with its line end.
fn answer_with(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{fields}Content-Length: {len}\r\n\r\n");
    [head.as_bytes(), body].concat()
}
