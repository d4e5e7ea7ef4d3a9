//! A publisher's connection: requests, answered in order and as slowly as the script wants it.

use std::rc::Rc;
use std::time::Instant;

use anyhow::Context;
use feed::postmarks;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

use super::line::LineReader;
use super::request::{self, Asks};
use super::{Stub, answer};
use crate::clock;

/// An answer that is owed.
struct Owed {
    due: Instant,
    received_ns: u64,
    is_in_window: bool,
    id: usize,
}

impl Stub {
    /// Takes what is published, and owes the answers to a task that is never in the way of the next request.
    pub(super) async fn publish(
        self: Rc<Self>,
        topic: String,
        body: Vec<u8>,
        mut reader: LineReader,
        half: OwnedWriteHalf,
    ) -> anyhow::Result<()> {
        let (owe, owed) = mpsc::unbounded_channel();
        tokio::task::spawn_local(Rc::clone(&self).answer_all(owed, half));
        let mut next = Some(Asks::Publish { topic, body });
        loop {
            match next {
                Some(Asks::Publish { topic, body }) => {
                    let postmark = postmarks(&body).next().context("a published payload has no postmark")?;
                    let now = clock::now();
                    let is_in_window = postmark.sequence >= self.script.first;
                    let id = self.log.append(&topic, postmark.sequence, postmark.intended_ns, &body);
                    self.book.count(|truth| truth.published += u64::from(is_in_window));
                    let due = now + self.script.answer_delay_of(postmark.sequence);
                    let _ = owe.send(Owed { due, received_ns: clock::ns_at(now), is_in_window, id });
                }
                Some(other) => anyhow::bail!("a publisher asked for something else: {other:?}"),
                None if !reader.read_more().await => return Ok(()),
                None => {}
            }
            next = request::take(&mut reader.received)?;
        }
    }

    async fn answer_all(self: Rc<Self>, mut owed: mpsc::UnboundedReceiver<Owed>, mut half: OwnedWriteHalf) {
        while let Some(Owed { due, received_ns, is_in_window, id }) = owed.recv().await {
            clock::sleep_until(due).await;
            if is_in_window {
                self.book.record_publish_time(clock::now_ns() - received_ns);
            }
            let body = format!(r#"{{"id":{id},"epoch":"{}"}}"#, self.epoch);
            if half.write_all(&answer("201 Created", body.as_bytes())).await.is_err() {
                return;
            }
            self.log.answered(id, clock::now_ns());
        }
    }
}
