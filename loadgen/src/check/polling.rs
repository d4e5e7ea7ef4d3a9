//! What both ways of polling share: ask with a cursor, take a batch, ask again.

use std::collections::VecDeque;
use std::time::Duration;

use feed::{Cursor, TopicName, Transport};

use super::answer::Answer;
use super::message::{Batch, Delivered, Start};
use super::server::{Server, soon, subscription};
use super::step::{Held, departs, ensure};

/// Rest between two short polls of one subscriber.
const INTERVAL: Duration = Duration::from_millis(20);

/// A subscriber that polls.
#[derive(Debug)]
pub(super) struct Poller {
    server: Server,
    topic: TopicName,
    transport: Transport,
    cursor: Cursor,
    more: bool,
    pending: VecDeque<Delivered>,
}

impl Poller {
    /// Polls for the first time, and wants an answer at once.
    pub(super) async fn open(
        server: &Server,
        topic: &TopicName,
        transport: Transport,
        after: Option<&str>,
    ) -> Held<(Self, Start)> {
        let (_, batch) = ask(server, topic, transport, after, Some(0)).await?;
        let poller = Self {
            server: server.clone(),
            topic: topic.clone(),
            transport,
            cursor: batch.start.cursor,
            more: batch.more,
            pending: batch.notifications.into(),
        };
        Ok((poller, batch.start))
    }

    /// Hands out what is there, or polls until something is.
    pub(super) async fn next(&mut self) -> Held<Delivered> {
        let polling = async {
            loop {
                if let Some(delivered) = self.pending.pop_front() {
                    return Ok(delivered);
                }
                let after = self.cursor.to_string();
                let (_, batch) = ask(&self.server, &self.topic, self.transport, Some(&after), Some(2)).await?;
                if !batch.start.recovered {
                    return Err(departs(format!("recovered true in answer to after={after}"), "recovered false"));
                }
                let seen = format!("nothing after {after}");
                ensure(!self.more || !batch.notifications.is_empty(), "more, as the answer before had said", seen)?;
                self.cursor = batch.start.cursor;
                self.more = batch.more;
                self.pending = batch.notifications.into();
                if self.pending.is_empty() {
                    tokio::time::sleep(INTERVAL).await;
                }
            }
        };
        soon(&format!("a notification in answer to {}", self.transport), polling).await?
    }

    /// The cursor of the last answer.
    pub(super) fn cursor(&self) -> Cursor {
        self.cursor
    }
}

/// Polls once; `wait` seconds are said only where there is something to wait for.
pub(super) async fn ask(
    server: &Server,
    topic: &TopicName,
    transport: Transport,
    after: Option<&str>,
    wait: Option<u32>,
) -> Held<(Answer, Batch)> {
    let wait = wait.filter(|_| transport == Transport::LongPoll).map(|seconds| seconds.to_string());
    let query: Vec<(&str, &str)> =
        after.map(|after| ("after", after)).into_iter().chain(wait.as_deref().map(|wait| ("wait", wait))).collect();
    let answer = server.get(&subscription(topic, transport, &query)).await?.with_status(200)?;
    let batch = Batch::read(&answer.object()?, topic)?;
    Ok((answer, batch))
}
