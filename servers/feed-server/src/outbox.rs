//! What a stream still has to write: whole messages, each written to its end before the next begins.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;

use crate::socket::Socket;

/// Slices in one `writev`.
const SLICES: usize = 64;

/// Whole messages that wait to be written, in order; only the first may be written in part.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<(Bytes, bool)>,
    written: usize,
}

impl Outbox {
    /// Queues a message.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.queue.push_back((bytes, false));
    }

    /// Queues a notification, which is counted as delivered when its last byte is written.
    pub(crate) fn push_notification(&mut self, bytes: Bytes) {
        self.queue.push_back((bytes, true));
    }

    /// Drops what was not begun.
    pub(crate) fn skip(&mut self) {
        let begun = usize::from(self.written > 0);
        self.queue.truncate(begun);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Bytes that wait, whoever else holds them.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.queue.iter().map(|(bytes, _)| bytes.len()).sum::<usize>() - self.written
    }

    /// Writes as much as fits in one call.
    pub(crate) fn write(&mut self, socket: &Socket) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut filled = 0;
        for (slice, (bytes, _)) in slices.iter_mut().zip(&self.queue) {
            let skip = if filled == 0 { self.written } else { 0 };
            *slice = IoSlice::new(&bytes[skip..]);
            filled += 1;
        }
        let written = socket.try_write(&slices[..filled])?;
        self.advance(written, socket);
        Ok(())
    }

    /// Takes out what `written` further bytes complete, and counts the notifications among it.
    pub(crate) fn advance(&mut self, written: usize, socket: &Socket) {
        self.written += written;
        let mut delivered = 0;
        while let Some((bytes, notification)) = self.queue.front() {
            if self.written < bytes.len() {
                break;
            }
            self.written -= bytes.len();
            delivered += usize::from(*notification);
            self.queue.pop_front();
        }
        if delivered > 0 {
            socket.meter().delivered(delivered);
        }
        // An idle reader, whose notifications are brought past this, keeps no room here.
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }
}
