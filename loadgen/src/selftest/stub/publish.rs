//! A publisher's connection: requests, answered in order and as slowly as the script wants it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use feed::postmarks;
use rustix::net::sockopt::set_tcp_cork;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

use super::line::LineReader;
use super::request::{self, Asks};
use super::{Stub, answer_with};
use crate::clock;

/// How long a connection that is to be closed waits for its client to close it first.
const LINGER: Duration = Duration::from_secs(1);

/// An answer that is owed.
struct Owed {
    due: Instant,
    received_ns: u64,
    is_in_window: bool,
    /// Of what was accepted.
    id: Option<usize>,
    /// True when the connection is closed after it.
    is_last: bool,
}

impl Stub {
    /// Takes what is published, and owes the answers to a task that is never in the way of the next request, unless they are to be
    /// worked off one after another.
    pub(super) async fn publish(
        self: Rc<Self>,
        topic: String,
        body: Vec<u8>,
        mut reader: LineReader,
        half: OwnedWriteHalf,
    ) -> anyhow::Result<()> {
        let (owe, owed) = mpsc::unbounded_channel();
        let answering = tokio::task::spawn_local(Rc::clone(&self).answer_all(owed, half));
        let mut next = Some(Asks::Publish { topic, body });
        let mut taken = 0;
        loop {
            match next {
                Some(Asks::Publish { topic, body }) => {
                    taken += 1;
                    let is_last = self.script.close_after == Some(taken);
                    let owed = self.take_publication(&topic, &body, is_last)?;
                    let due = owed.due;
                    let _ = owe.send(owed);
                    if is_last {
                        break;
                    }
                    if !self.script.serial_posts.is_zero() {
                        self.work_until(due, &mut reader).await;
                    }
                }
                Some(other) => anyhow::bail!("a publisher asked for something else: {other:?}"),
                None if !reader.read_more().await => return Ok(()),
                None => {}
            }
            next = request::take(&mut reader.received)?;
        }
        drop(owe);
        let _half = answering.await?;
        self.book.count(|truth| truth.closed += 1);
        // What comes behind the last answer is not read, as it may be from its client's point of view.
        let _ = tokio::time::timeout(LINGER, reader.read_out()).await;
        Ok(())
    }

    /// Accepts a publication, or refuses it.
    fn take_publication(&self, topic: &str, body: &[u8], is_last: bool) -> anyhow::Result<Owed> {
        let postmark = postmarks(body).next().context("a published payload has no postmark")?;
        let now = clock::now();
        let is_in_window = postmark.sequence >= self.script.first;
        let counts = u64::from(is_in_window);
        let id = if self.script.refuses_inside(postmark.sequence) {
            self.book.count(|truth| truth.refused += counts);
            None
        } else {
            self.book.count(|truth| truth.published += counts);
            Some(self.log.append(topic, postmark.sequence, postmark.intended_ns, body))
        };
        let due = now + self.script.serial_posts + self.script.answer_delay_of(postmark.sequence);
        Ok(Owed { due, received_ns: clock::ns_at(now), is_in_window, id, is_last })
    }

    /// Works on a request until its answer is `due`: one that comes meanwhile was sent too early, and waits.
    async fn work_until(&self, due: Instant, reader: &mut LineReader) {
        let hear = async {
            while reader.read_more().await {}
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = clock::sleep_until(due) => {}
            () = hear => {}
        }
        self.book.count(|truth| truth.pipelined += u64::from(!reader.received.is_empty()));
    }

    /// Pays all that is owed; returns the connection once its last answer is written.
    async fn answer_all(
        self: Rc<Self>,
        mut owed: mpsc::UnboundedReceiver<Owed>,
        mut half: OwnedWriteHalf,
    ) -> OwnedWriteHalf {
        while let Some(Owed { due, received_ns, is_in_window, id, is_last }) = owed.recv().await {
            clock::sleep_until(due).await;
            if is_in_window && id.is_some() {
                self.book.record_publish_time(clock::now_ns() - received_ns);
            }
            let says_close = is_last && !self.script.close_silently;
            let fields = if says_close { "Connection: close\r\n" } else { "" };
            let bytes = match id {
                Some(id) => {
                    let body = format!(r#"{{"id":{id},"epoch":"{}"}}"#, self.epoch);
                    answer_with("201 Created", fields, body.as_bytes())
                }
                None => answer_with("200 OK", fields, br#"{"error":"quota"}"#),
            };
            let written = if is_last && self.script.close_silently {
                write_and_end(&mut half, &bytes).await
            } else {
                half.write_all(&bytes).await
            };
            if written.is_err() {
                break;
            }
            if let Some(id) = id {
                self.log.answered(id, clock::now_ns());
            }
        }
        half
    }
}

/// Writes an answer and the end of the stream in one segment: nobody can send a request after the one and before the other.
async fn write_and_end(half: &mut OwnedWriteHalf, bytes: &[u8]) -> std::io::Result<()> {
    let tcp: &TcpStream = half.as_ref();
    set_tcp_cork(tcp, true)?;
    half.write_all(bytes).await?;
    half.shutdown().await
}
