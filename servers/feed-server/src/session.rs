//! A reader that waits: one socket, one cursor, what is not yet written, and everything that can wake it.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use feed::{Cursor, Gap, Subscribed};
use tokio::io::Interest;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::clock;
use crate::hub::{Batch, Head, Log, Start};
use crate::outbox::Outbox;
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
    pub(crate) cursor: Cursor,
    socket: Socket,
    log: Arc<Log>,
    head: watch::Receiver<Head>,
    outbox: Outbox,
    timer: Pin<Box<Sleep>>,
    write_timeout: Duration,
    wrote: Instant,
    /// Since when nothing of the outbox could be written.
    blocked: Option<Instant>,
    told: bool,
    listening: bool,
    /// Batches and readings since this last waited for news, or let others have their turn.
    turns: u32,
}

/// Why a session woke up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The log has more than the cursor has seen, and everything before is written.
    Moved,
    /// The client sent something, or ended its side.
    Readable,
    /// The given instant has come.
    Due,
    /// The cursor fell out of the window while the client took nothing.
    FellBehind,
    /// The client took nothing for too long.
    Stalled,
    /// The server stops. Said once.
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
    /// Boxed, so that the tasks that hold and pass it stay small.
    pub(crate) fn new(socket: Socket, log: Arc<Log>, cursor: Cursor, write_timeout: Duration) -> Box<Self> {
        let head = log.watch();
        let now = clock::now();
        Box::new(Self {
            cursor,
            socket,
            log,
            head,
            outbox: Outbox::default(),
            timer: Box::pin(sleep_until(now + write_timeout)),
            write_timeout,
            wrote: now,
            blocked: None,
            told: false,
            listening: true,
            turns: 0,
        })
    }

    pub(crate) fn meter(&self) -> &Meter {
        self.socket.meter()
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// When something was written last.
    pub(crate) fn wrote(&self) -> Instant {
        self.wrote
    }

    /// From now on, leaves what the client sends in the socket.
    pub(crate) fn stop_listening(&mut self) {
        self.listening = false;
    }

    /// The first message of a stream, as JSON.
    pub(crate) fn subscribed(&self, start: Start) -> Vec<u8> {
        let Start { cursor: Cursor { epoch, offset }, recovered } = start;
        let subscribed = Subscribed { topic: self.log.topic().to_owned(), epoch, offset, recovered };
        serde_json::to_vec(&subscribed).expect("it has only strings, numbers and booleans")
    }

    /// The message that something was lost, as JSON; telling it is counting it.
    pub(crate) fn gap(&self, oldest: Cursor) -> Vec<u8> {
        self.meter().gap();
        let gap = Gap { topic: self.log.topic().to_owned(), oldest };
        serde_json::to_vec(&gap).expect("it has only strings")
    }

    /// Sleeps until there is something to do; writes what waits to be written meanwhile.
    pub(crate) async fn next(&mut self, due: Instant) -> Wake {
        if self.turns >= TURNS {
            self.turns = 0;
            yield_now().await;
        }
        loop {
            if self.flush().is_err() {
                return Wake::Gone;
            }
            let head = *self.head.borrow_and_update();
            if head.closing && !self.told {
                self.told = true;
                return Wake::Closing;
            }
            let blocked = self.blocked.is_some();
            if !blocked && self.is_behind(head.cursor) {
                self.turns += 1;
                return Wake::Moved;
            }
            if blocked && self.log.left_behind(self.cursor) {
                return Wake::FellBehind;
            }
            let listens = self.listening && self.outbox.len() < OUTBOX_PAUSE;
            if listens && self.socket.has_unread() {
                return Wake::Readable;
            }
            let stalled = self.blocked.map(|since| since + self.write_timeout);
            let alarm = stalled.map_or(due, |stalled| due.min(stalled));
            // The timer may ring too early, never too late: moving it only forward spares the timer wheel at every delivery.
            if self.timer.deadline() > alarm || self.timer.is_elapsed() {
                self.timer.as_mut().reset(alarm);
            }
            let interest = match (listens, blocked) {
                (true, false) => Some(Interest::READABLE),
                (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
                (false, true) => Some(Interest::WRITABLE),
                (false, false) => None,
            };
            tokio::select! {
                biased;
                changed = self.head.changed() => {
                    if changed.is_err() {
                        return Wake::Gone;
                    }
                    self.turns = 0;
                }
                // Before the socket: a client that never stops talking must not stop the clock.
                () = &mut self.timer => {
                    let now = clock::now();
                    if now >= due {
                        return Wake::Due;
                    }
                    // The client may have made room while this worker was busy: it gets one more chance.
                    if stalled.is_some_and(|stalled| now >= stalled) {
                        if self.flush().is_err() {
                            return Wake::Gone;
                        }
                        if self.blocked.is_some_and(|since| now >= since + self.write_timeout) {
                            return Wake::Stalled;
                        }
                    }
                }
                ready = self.socket.ready(interest.unwrap_or(Interest::READABLE)), if interest.is_some() => match ready {
                    Ok(ready) if listens && ready.is_readable() => {
                        self.turns += 1;
                        return Wake::Readable;
                    }
                    Ok(_) => {}
                    Err(_) => return Wake::Gone,
                },
            }
        }
    }

    fn is_behind(&self, head: Cursor) -> bool {
        head.epoch != self.cursor.epoch || head.offset > self.cursor.offset
    }

    /// Takes what follows the cursor, and moves it.
    pub(crate) fn read(&mut self) -> Result<Batch, Lost> {
        match self.log.after(self.cursor, STREAM_LIMIT) {
            Ok(batch) => {
                self.cursor = batch.cursor;
                Ok(batch)
            }
            Err(oldest) if oldest.epoch == self.cursor.epoch => Err(Lost::FellBehind(oldest)),
            Err(oldest) => {
                self.cursor = oldest;
                Err(Lost::History(oldest))
            }
        }
    }

    /// Has `take` look at what the client sent, and answer it; returns how many bytes that were, `None` when it has ended
    /// its side.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(&[u8], &mut Outbox)) -> Option<usize> {
        let early = self.socket.take_unread();
        if !early.is_empty() {
            take(&early, &mut self.outbox);
            return Some(early.len());
        }
        let mut buffer = [0; READ_SIZE];
        match self.socket.try_read(&mut buffer) {
            Ok(0) => None,
            Ok(len) => {
                take(&buffer[..len], &mut self.outbox);
                Some(len)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Some(0),
            Err(_) => None,
        }
    }

    /// Queues a message; it is written with the next [`next`](Self::next) or [`finish`](Self::finish).
    pub(crate) fn send(&mut self, bytes: impl Into<Bytes>) {
        self.outbox.push(bytes.into());
    }

    /// Queues a notification.
    pub(crate) fn deliver(&mut self, bytes: Bytes) {
        self.outbox.push_notification(bytes);
    }

    /// Drops what was queued and not begun, so that the next message sent follows at once.
    pub(crate) fn skip(&mut self) {
        self.outbox.skip();
    }

    /// Writes what is queued, within a bound, and returns the socket if that worked.
    pub(crate) async fn finish(mut self: Box<Self>) -> Option<Socket> {
        let deadline = clock::now() + FAREWELL;
        while !self.outbox.is_empty() {
            self.flush().ok()?;
            if !self.outbox.is_empty() {
                timeout_at(deadline, self.socket.ready(Interest::WRITABLE)).await.ok()?.ok()?;
            }
        }
        Some(self.socket)
    }

    /// Counts why the server ends this.
    pub(crate) fn ended(&self, reason: Reason) {
        self.meter().ended(reason);
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match self.outbox.write(&self.socket) {
                Ok(()) => {
                    self.wrote = clock::now();
                    self.blocked = None;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.blocked.get_or_insert_with(clock::now);
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Read;
    use std::rc::Rc;

    use feed::{After, Payload};
    use tokio::net::TcpListener;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;
    use crate::hub::Hub;
    use crate::stats::Stats;

    #[tokio::test]
    async fn catching_up_lets_others_have_their_turn() {
        let hub = Hub::new(1, Limit { count: 10_000, bytes: 64 << 20 });
        let log = hub.log(&"news".parse().unwrap()).unwrap();
        let batches = 64;
        for _ in 0..batches * STREAM_LIMIT.count {
            log.append(&Payload { content_type: None, json: serde_json::value::to_raw_value(&1).unwrap() });
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        std::thread::spawn(move || while client.read(&mut [0; 64 << 10]).is_ok_and(|read| read > 0) {});
        let (stream, _) = listener.accept().await.unwrap();
        let socket = Socket::new(stream, Arc::new(Meter::new(Arc::new(Stats::new()), 0)));
        let start = log.start(After::Earliest);
        let mut session = Session::new(socket, log.clone(), start.cursor, Duration::from_secs(10));

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
                session.read().unwrap().entries.iter().for_each(|entry| session.deliver(entry.frame()));
                in_a_row = if others.get() == seen { in_a_row + 1 } else { 1 };
                seen = others.get();
                assert!(in_a_row <= TURNS, "{in_a_row} batches while another task waited");
            }
        };
        LocalSet::new().run_until(catch_up).await;
    }
}
