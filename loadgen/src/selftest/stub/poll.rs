//! Polls, and event streams of one answer an event: one answer per request, with a length or in chunks, now and then cut.

use std::rc::Rc;
use std::time::Duration;

use feed::framings::{chunked, poll, sse};
use feed::{After, BatchHead, Transport};

use super::Stub;
use super::line::{LineReader, LineWriter};
use super::log::Batch;
use super::request::{self, Asks, Subscription};

/// What clients of ended answers are told to wait for before they ask again, ms.
const RETRY_MS: u32 = 50;
/// An event stream waits for its next event for ever.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer and how much of it is for its first notification, head included.
struct Answer {
    bytes: Vec<u8>,
    first: usize,
}

impl Stub {
    /// Answers polls until the client leaves or its connection is cut.
    pub(super) async fn poll(
        self: &Rc<Self>,
        connection: u64,
        accepted_ns: u64,
        mut asked: Subscription,
        reader: &mut LineReader,
        writer: &mut LineWriter,
    ) -> anyhow::Result<()> {
        let mut is_first = true;
        loop {
            let at = self.place(asked.after);
            let mut batch = self.log.due_now(&self.script, connection, at).0;
            if batch.next == at
                && let Some(longest) = longest_wait(&asked)
            {
                let due = self.log.due(&self.script, connection, at);
                tokio::select! {
                    due = tokio::time::timeout(longest, due) => if let Ok(due) = due {
                        batch = due;
                    },
                    // Between a poll and its answer, a client has nothing to say but goodbye.
                    _ = reader.read_more() => return Ok(()),
                }
            }
            let Answer { bytes, first } = match asked.transport {
                Transport::Sse => self.answer_events(&asked, &batch)?,
                _ => self.answer_poll(&asked, &batch),
            };
            if batch.is_cut {
                return Ok(writer.cut(&bytes).await?);
            }
            // A client looks at an answer when it is whole, so all that is in it is received with its last byte.
            let at_ns = writer.write(&bytes, first, &[bytes.len()]).await?[0];
            self.enter(&asked.topic, &batch, &vec![at_ns; batch.write.len()]);
            if std::mem::take(&mut is_first) {
                self.book.record_connect(at_ns - accepted_ns);
            }
            asked = loop {
                match request::take(&mut reader.received)? {
                    Some(Asks::Subscribe(next)) => break next,
                    Some(other) => anyhow::bail!("a polling client asked for something else: {other:?}"),
                    None if !reader.read_more().await => return Ok(()),
                    None => {}
                }
            };
        }
    }

    /// The events as a body of known length; a greeting where there are none.
    fn answer_events(&self, asked: &Subscription, batch: &Batch) -> anyhow::Result<Answer> {
        let mut body = format!("retry: {RETRY_MS}\n").into_bytes();
        for &place in &batch.write {
            body.extend(sse::write(None, Some(self.cursor(place + 1)), None, &self.log.entry(place).encoded));
        }
        if batch.write.is_empty() {
            let start = self.cursor(batch.next);
            body.extend(sse::write(Some("subscribed"), Some(start), None, &self.greeting(&asked.topic, start)?));
        }
        self.book.count(|truth| truth.answers_ended += 1);
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n", body.len());
        let bytes = [head.as_bytes(), &body].concat();
        Ok(Answer { first: if batch.write.is_empty() { 0 } else { bytes.len() }, bytes })
    }

    fn answer_poll(&self, asked: &Subscription, batch: &Batch) -> Answer {
        let cursor = self.cursor(batch.next);
        let knows_all = asked.after == After::Cursor(cursor);
        if batch.write.is_empty() && knows_all {
            let bytes = format!("HTTP/1.1 304 Not Modified\r\nETag: \"{cursor}\"\r\n\r\n").into_bytes();
            return Answer { first: 0, bytes };
        }
        let mut body = poll::write_head(&BatchHead {
            topic: asked.topic.clone(),
            epoch: cursor.epoch,
            offset: cursor.offset,
            recovered: true,
            gap: None,
            more: false,
        });
        let mut first = body.len();
        for (index, &place) in batch.write.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&self.log.entry(place).encoded);
            if index == 0 {
                first = body.len();
            }
        }
        body.extend_from_slice(poll::END);
        let kind = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"{cursor}\"\r\n");
        let is_chunked = batch.next % 2 == 1;
        let bytes = if is_chunked {
            let (first, second) = body.split_at(body.len() / 3);
            let head = format!("{kind}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
            [head, chunked::write(first), chunked::write(second), chunked::END.to_vec()].concat()
        } else {
            [format!("{kind}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()
        };
        // Up to the end of the first notification, and for a lone one to the end of all.
        let before = bytes.len() - body.len();
        let first = match batch.write.len() {
            0 => 0,
            1 => bytes.len(),
            _ => before + first,
        };
        Answer { bytes, first }
    }
}

/// How long an answer may wait for something to say; `None`: not at all. The first request of an event stream is answered at once, so that its
/// client knows where it begins.
fn longest_wait(asked: &Subscription) -> Option<Duration> {
    match asked.transport {
        Transport::LongPoll => (!asked.wait.is_zero()).then_some(asked.wait),
        Transport::Sse => (asked.after != After::Now).then_some(FOR_EVER),
        Transport::ShortPoll | Transport::Ws | Transport::SocketIo => None,
    }
}
