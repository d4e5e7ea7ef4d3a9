//! Where a reader's bytes go out: a socket, what is not yet written to it, and the cursor after all of that.

use std::io::{self, ErrorKind};

use bytes::Bytes;
use feed::Cursor;
use tokio::time::Instant;

use crate::clock;
use crate::outbox::Outbox;
use crate::socket::Socket;

/// The writing side of a reader.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) socket: Socket,
    pub(crate) outbox: Outbox,
    /// Everything up to and including this is written or in the outbox.
    pub(crate) cursor: Cursor,
    /// When something was written last.
    pub(crate) wrote: Instant,
    /// Since when nothing of the outbox could be written.
    pub(crate) blocked: Option<Instant>,
}

impl Outlet {
    /// Nothing is queued yet.
    pub(crate) fn new(socket: Socket, cursor: Cursor, now: Instant) -> Self {
        Self { socket, outbox: Outbox::default(), cursor, wrote: now, blocked: None }
    }

    /// Writes what is queued, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
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

    /// Writes the messages `parts`, which `bytes` are all together and which follow the cursor, past the outbox, which is empty. True when
    /// the socket took all; else it was left with whole messages: the one that it took in part waits in the outbox.
    pub(crate) fn carry(&mut self, bytes: &Bytes, parts: impl ExactSizeIterator<Item = Bytes>, now: Instant) -> bool {
        debug_assert!(self.outbox.is_empty(), "what was queued goes first");
        // An error is left to who flushes: the connection is theirs to end.
        let mut written = self.socket.try_write_one(bytes).unwrap_or(0);
        let mut whole = parts.len();
        let took_all = written == bytes.len();
        if !took_all {
            whole = 0;
            for part in parts {
                if part.len() > written {
                    if written > 0 {
                        self.cursor.offset += 1;
                        self.outbox.push_notification(part);
                        self.outbox.advance(written, &self.socket);
                    }
                    break;
                }
                written -= part.len();
                whole += 1;
            }
        }
        self.wrote = now;
        self.cursor.offset += whole as u64;
        self.socket.meter().delivered(whole);
        took_all
    }

    /// Writes the answer to a poll, which brings `notifications` and moves the cursor to `cursor`; the outbox takes what the socket does not.
    pub(crate) fn answer(&mut self, bytes: &Bytes, notifications: usize, cursor: Cursor) {
        self.cursor = cursor;
        self.socket.meter().answered(notifications);
        let written = self.socket.try_write_one(bytes).unwrap_or(0);
        if written < bytes.len() {
            self.outbox.push(bytes.clone());
            self.outbox.advance(written, &self.socket);
        }
    }
}
