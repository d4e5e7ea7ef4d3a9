//! A reader that waits: one socket, one cursor, what is not yet written, and everything that can wake it.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use feed::{Cursor, Gap, Subscribed};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::clock;
use crate::fanout::{Chair, Form, Roused};
use crate::hub::{Batch, Head, Log, Start};
use crate::outbox::Outbox;
use crate::outlet::Outlet;
use crate::socket::Socket;
use crate::stats::{Meter, Reason};
use crate::window::Limit;

/// What a stream takes from the log at a time: enough to fill one `writev`, little enough to hold for a slow client.
const STREAM_LIMIT: Limit = Limit { count: 32, bytes: 256 << 10 };
/// Messages waiting to be written at which nothing more is read: a client that asks but does not listen gets no more answers.
const OUTBOX_PAUSE: usize = 64;
/// What is read at a time, bytes; it lies on the stack, so that an idle reader costs no buffer.
const READ_SIZE: usize = 4096;
/// Batches and readings in a row after which other tasks get their turn: 2 MiB at most, so that one reader who
/// catches up, or talks without end, does not hold a worker.
const TURNS: u32 = 8;
/// How long the last message of a stream may take to be written.
const FAREWELL: Duration = Duration::from_secs(2);

/// A waiting reader.
pub(crate) struct Session {
    chair: Chair,
    form: Form,
    timer: Pin<Box<Sleep>>,
    write_timeout: Duration,
    leaving: Leaving,
    listening: bool,
    /// Batches and readings since this last waited for news, or let others have their turn.
    turns: u32,
}

/// Whether a session is about to end because the server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    Not,
    /// At this instant; until then, it goes on.
    At(Instant),
    /// As soon as it has seen this offset, which was announced when its instant came.
    After(u64),
    Told,
}

/// Why a session woke up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The log has more than the cursor has seen, and everything before is written.
    Moved,
    /// The answer that this waited for was given, but for what is still queued.
    Answered,
    /// The client sent something, or ended its side.
    Readable,
    /// The given instant has come.
    Due,
    /// The cursor fell out of the window while the client took nothing.
    FellBehind,
    /// The client took nothing for too long.
    Stalled,
    /// The server stops, and it is time to go. Said once, after everything that was announced, unless the client takes nothing.
    Closing,
    /// The connection is broken.
    Gone,
}

/// Why what follows a cursor cannot be read, and the oldest cursor that can be continued from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The reader was too slow: it fell out of the window.
    FellBehind(Cursor),
    /// The topic began another epoch, which is no reader's fault: reading goes on from there, and the cursor has moved.
    History(Cursor),
}

impl Session {
    /// Boxed, so that the tasks that hold and pass it stay small. What comes while it waits is written for it in this `form`.
    pub(crate) fn new(socket: Socket, log: Arc<Log>, cursor: Cursor, form: Form, write_timeout: Duration) -> Box<Self> {
        let now = clock::now();
        let number = socket.meter().number() as usize;
        Box::new(Self {
            chair: Chair::new(log, Outlet::new(socket, cursor, now), number),
            form,
            timer: Box::pin(sleep_until(now + write_timeout)),
            write_timeout,
            leaving: Leaving::Not,
            listening: true,
            turns: 0,
        })
    }

    pub(crate) fn meter(&self) -> Arc<Meter> {
        self.chair.with(|outlet| outlet.socket.meter().clone())
    }

    /// Everything up to and including this is written or queued.
    pub(crate) fn cursor(&self) -> Cursor {
        self.chair.with(|outlet| outlet.cursor)
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        self.chair.log()
    }

    /// When something was written last.
    pub(crate) fn wrote(&self) -> Instant {
        self.chair.with(|outlet| outlet.wrote)
    }

    /// From now on, is called when something comes, and writes it itself.
    pub(crate) fn take_calls_only(&mut self) {
        self.form = Form::Call;
    }

    /// From now on, leaves what the client sends in the socket.
    pub(crate) fn stop_listening(&mut self) {
        self.listening = false;
    }

    /// The first message of a stream, as JSON.
    pub(crate) fn subscribed(&self, start: Start) -> Vec<u8> {
        let Start { cursor: Cursor { epoch, offset }, recovered } = start;
        let subscribed = Subscribed { topic: self.log().topic().to_owned(), epoch, offset, recovered };
        serde_json::to_vec(&subscribed).expect("it has only strings, numbers and booleans")
    }

    /// The message that something was lost, as JSON; telling it is counting it.
    pub(crate) fn gap(&self, oldest: Cursor) -> Vec<u8> {
        self.meter().gap();
        let gap = Gap { topic: self.log().topic().to_owned(), oldest };
        serde_json::to_vec(&gap).expect("it has only strings")
    }

    /// Sleeps until there is something to do; writes what waits to be written meanwhile.
    pub(crate) async fn next(&mut self, due: Instant) -> Wake {
        if self.turns >= TURNS {
            self.turns = 0;
            yield_now().await;
        }
        loop {
            let head = self.log().announced();
            let listening = self.listening;
            let Ok((cursor, blocked, listens, has_unread)) = self.chair.with(|outlet| {
                outlet.flush()?;
                let listens = listening && outlet.outbox.len() < OUTBOX_PAUSE;
                io::Result::Ok((outlet.cursor, outlet.blocked, listens, outlet.socket.has_unread()))
            }) else {
                return Wake::Gone;
            };
            if head.closing && self.leaves(head, cursor, blocked.is_some()) {
                return Wake::Closing;
            }
            if blocked.is_none() && head.is_beyond(cursor) {
                self.turns += 1;
                return Wake::Moved;
            }
            if blocked.is_some() && self.log().left_behind(cursor) {
                return Wake::FellBehind;
            }
            if listens && has_unread {
                return Wake::Readable;
            }
            let stalled = blocked.map(|since| since + self.write_timeout);
            let alarm = stalled.map_or(due, |stalled| due.min(stalled));
            let alarm = if let Leaving::At(instant) = self.leaving { alarm.min(instant) } else { alarm };
            // The timer may ring too early, never too late: moving it only forward spares the timer wheel at every delivery.
            if self.timer.deadline() > alarm || self.timer.is_elapsed() {
                self.timer.as_mut().reset(alarm);
            }
            // A stream that is blocked is called at every announcement: it may have fallen out of the window.
            let form = if blocked.is_some() { Form::Call } else { self.form };
            let timer = &mut self.timer;
            match self.chair.sit(form, self.leaving != Leaving::Not, listens, |cx| timer.as_mut().poll(cx)).await {
                Some(Roused::Called) => self.turns = 0,
                Some(Roused::Writable) => {}
                Some(Roused::Answered) => return Wake::Answered,
                Some(Roused::Readable) => {
                    self.turns += 1;
                    return Wake::Readable;
                }
                // Before the socket: a client that never stops talking must not stop the clock.
                None => {
                    let now = clock::now();
                    // The client may have made room while this worker was busy: it gets one more chance.
                    if stalled.is_some_and(|stalled| now >= stalled) {
                        let flushed = self.chair.with(|outlet| outlet.flush().map(|()| outlet.blocked));
                        let Ok(blocked) = flushed else { return Wake::Gone };
                        if blocked.is_some_and(|since| now >= since + self.write_timeout) {
                            return Wake::Stalled;
                        }
                    }
                    if now >= due {
                        return Wake::Due;
                    }
                }
            }
        }
    }

    /// True once, when it is time to go, on a server that stops.
    fn leaves(&mut self, head: Head, cursor: Cursor, is_blocked: bool) -> bool {
        if self.leaving == Leaving::Not {
            let number = self.chair.with(|outlet| outlet.socket.meter().number());
            self.leaving = Leaving::At(self.log().departure(number));
        }
        if let Leaving::At(instant) = self.leaving
            && clock::now() >= instant
        {
            self.leaving = Leaving::After(head.cursor.offset);
        }
        let Leaving::After(last) = self.leaving else { return false };
        let has_seen_it = !head.is_beyond(cursor) || (head.cursor.epoch == cursor.epoch && cursor.offset >= last);
        if has_seen_it || is_blocked {
            self.leaving = Leaving::Told;
        }
        self.leaving == Leaving::Told
    }

    /// Takes what follows the cursor, and moves it.
    pub(crate) fn read(&mut self) -> Result<Batch, Lost> {
        let cursor = self.cursor();
        match self.log().after(cursor, STREAM_LIMIT) {
            Ok(batch) => {
                self.chair.with(|outlet| outlet.cursor = batch.cursor);
                Ok(batch)
            }
            Err(oldest) if oldest.epoch == cursor.epoch => Err(Lost::FellBehind(oldest)),
            Err(oldest) => {
                self.chair.with(|outlet| outlet.cursor = oldest);
                Err(Lost::History(oldest))
            }
        }
    }

    /// Has `take` look at what the client sent, and answer it; returns how many bytes that were, `None` when it has ended
    /// its side.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(&[u8], &mut Outbox)) -> Option<usize> {
        self.chair.with(|Outlet { socket, outbox, .. }| {
            let early = socket.take_unread();
            if !early.is_empty() {
                take(&early, outbox);
                return Some(early.len());
            }
            let mut buffer = [0; READ_SIZE];
            match socket.try_read(&mut buffer) {
                Ok(0) => None,
                Ok(len) => {
                    take(&buffer[..len], outbox);
                    Some(len)
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Some(0),
                Err(_) => None,
            }
        })
    }

    /// Takes the client's next request, if it is what one `expects`, who is shown what has come; everything else is left to be read by who
    /// gets the socket. False while something is left to be written.
    pub(crate) async fn takes_request(&self, expects: impl FnOnce(&[u8]) -> bool) -> bool {
        let mut expects = Some(expects);
        poll_fn(|cx| {
            let taken = self.chair.with(|Outlet { socket, outbox, .. }| {
                let expects = expects.take().filter(|_| outbox.is_empty())?;
                let Poll::Ready(Ok(true)) = socket.poll_expected(cx, expects) else { return None };
                // It is of the same kind as the one before.
                socket.meter().label(socket.meter().kind());
                Some(())
            });
            Poll::Ready(taken.is_some())
        })
        .await
    }

    /// Queues a message; it is written with the next [`next`](Self::next) or [`finish`](Self::finish).
    pub(crate) fn send(&mut self, bytes: impl Into<Bytes>) {
        self.chair.with(|outlet| outlet.outbox.push(bytes.into()));
    }

    /// Queues notifications.
    pub(crate) fn deliver(&mut self, notifications: impl Iterator<Item = Bytes>) {
        self.chair.with(|outlet| notifications.for_each(|bytes| outlet.outbox.push_notification(bytes)));
    }

    /// Drops what was queued and not begun, so that the next message sent follows at once.
    pub(crate) fn skip(&mut self) {
        self.chair.with(|outlet| outlet.outbox.skip());
    }

    /// Writes what is queued, within a bound, and returns the socket if that worked.
    pub(crate) async fn finish(self: Box<Self>) -> Option<Socket> {
        if self.has_queued()? {
            // Boxed, for it is seldom needed: an answer mostly fits.
            Box::pin(timeout(FAREWELL, self.written())).await.ok()??;
        }
        let wrote = self.wrote();
        let mut socket = self.chair.into_socket()?;
        socket.rest_since(wrote);
        Some(socket)
    }

    /// Waits until an answer is written. It may take as long as it goes on: a client that takes nothing of it for `--write-timeout` is
    /// given up.
    pub(crate) async fn answer_written(&self) -> Option<()> {
        while self.has_queued()? {
            let room = poll_fn(|cx| self.chair.with(|outlet| outlet.socket.poll_write_ready(cx)));
            // Boxed, for it is seldom needed: an answer mostly fits.
            match Box::pin(timeout(self.write_timeout, room)).await {
                Ok(room) => room.ok()?,
                Err(_) => {
                    self.ended(Reason::WriteTimeout);
                    return None;
                }
            }
        }
        Some(())
    }

    async fn written(&self) -> Option<()> {
        while self.has_queued()? {
            poll_fn(|cx| self.chair.with(|outlet| outlet.socket.poll_write_ready(cx))).await.ok()?;
        }
        Some(())
    }

    /// Whether there is more than the socket takes; `None` when it is broken.
    fn has_queued(&self) -> Option<bool> {
        self.chair.with(|outlet| outlet.flush().map(|()| !outlet.outbox.is_empty())).ok()
    }

    /// Counts why the server ends this.
    pub(crate) fn ended(&self, reason: Reason) {
        self.meter().ended(reason);
    }
}

#[cfg(test)]
mod tests;
