//! Where a reader's bytes go out: a socket, what is not yet written to it, and the cursor after all of that.

use std::io::{self, ErrorKind};

use bytes::Bytes;
use feed::Cursor;
use tokio::time::Instant;

use crate::clock;
use crate::outbox::Outbox;
use crate::socket::Socket;
use crate::stats::Tally;

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
    pub(crate) fn carry(
        &mut self,
        bytes: &Bytes,
        parts: impl ExactSizeIterator<Item = Bytes>,
        now: Instant,
        tally: &mut Tally,
    ) -> bool {
        debug_assert!(self.outbox.is_empty(), "what was queued goes first");
        // An error is left to who flushes: the connection is theirs to end.
        let mut written = self.socket.send_uncounted(bytes).unwrap_or(0);
        tally.bytes_written += written as u64;
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
        tally.delivered += whole as u64;
        took_all
    }

    /// Writes the answer to a poll, which brings `notifications` and moves the cursor to `cursor`. True when the socket took all; what it
    /// did not take is in the outbox.
    pub(crate) fn answer(
        &mut self,
        bytes: &Bytes,
        notifications: usize,
        cursor: Cursor,
        now: Instant,
        tally: &mut Tally,
    ) -> bool {
        self.cursor = cursor;
        self.wrote = now;
        let written = self.socket.send_uncounted(bytes).unwrap_or(0);
        tally.answered += 1;
        tally.delivered += notifications as u64;
        tally.bytes_written += written as u64;
        if written < bytes.len() {
            self.outbox.push(bytes.clone());
            self.outbox.advance(written, &self.socket);
        }
        written == bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpStream;
    use std::sync::Arc;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use feed::Epoch;
    use tokio::net::TcpListener;

    use super::*;
    use crate::line::Line;
    use crate::stats::{Kind, Meter, Stats, Tallies};

    /// An outlet, its client, and its counters.
    async fn outlet() -> (Outlet, TcpStream, Arc<Stats>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let stats = Arc::new(Stats::new());
        let socket = Socket::new(Line::Clear(stream), Arc::new(Meter::new(stats.clone(), 0)));
        let cursor = Cursor { epoch: Epoch::from_number(1), offset: 10 };
        (Outlet::new(socket, cursor, clock::now()), client, stats)
    }

    #[tokio::test]
    async fn a_socket_that_takes_a_part_is_left_at_the_edge_of_a_message_once_its_outbox_is_written() {
        let (mut outlet, mut client, stats) = outlet().await;
        outlet.socket.ready(tokio::io::Interest::WRITABLE).await.unwrap();
        let parts: Vec<Bytes> = (0..=255).map(|byte| Bytes::from(vec![byte; 60_000])).collect();
        let whole: Bytes = parts.concat().into();
        let mut tallies = Tallies::default();
        let tally = tallies.of(Kind::Other);
        assert!(!outlet.carry(&whole, parts.iter().cloned(), clock::now(), tally), "15 MB do not fit");
        stats.settle(&mut tallies, 0);

        let written = (outlet.cursor.offset - 10) as usize;
        assert!((1..256).contains(&written), "{written} messages were begun");
        let begun = usize::from(!outlet.outbox.is_empty());
        assert_eq!(stats.connections(Kind::Other).delivered as usize, written - begun, "only whole ones count");

        let expected: Vec<u8> = parts[..written].concat();
        let length = expected.len() as u64;
        let reading = std::thread::spawn(move || {
            let mut received = vec![0; expected.len()];
            client.read_exact(&mut received).unwrap();
            client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            (received == expected, client.read(&mut [0]).is_err())
        });
        while !outlet.outbox.is_empty() {
            outlet.flush().unwrap();
            if outlet.blocked.is_some() {
                outlet.socket.ready(tokio::io::Interest::WRITABLE).await.unwrap();
            }
        }
        assert_eq!(reading.join().unwrap(), (true, true), "the bytes of whole messages, and none beyond them");
        let counted = stats.connections(Kind::Other);
        assert_eq!((counted.delivered as usize, counted.bytes_written), (written, length));
    }

    #[tokio::test]
    async fn what_a_socket_takes_at_once_is_counted_to_the_byte() {
        let (mut outlet, mut client, stats) = outlet().await;
        outlet.socket.ready(tokio::io::Interest::WRITABLE).await.unwrap();
        let parts = [Bytes::from_static(b"one"), Bytes::from_static(b"three")];
        let mut tallies = Tallies::default();
        let tally = tallies.of(Kind::Other);
        assert!(outlet.carry(&parts.concat().into(), parts.iter().cloned(), clock::now(), tally));
        let cursor = Cursor { offset: 13, ..outlet.cursor };
        assert!(outlet.answer(&Bytes::from_static(b"answer"), 1, cursor, clock::now(), tally));
        for _ in 0..2 {
            stats.settle(&mut tallies, 0);
        }
        let mut received = [0; 14];
        client.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"onethreeanswer");
        let counted = stats.connections(Kind::Other);
        assert_eq!((counted.delivered, counted.answered, counted.bytes_written), (3, 1, 14));
        assert_eq!(outlet.cursor.offset, 13);
    }

    #[tokio::test]
    async fn a_socket_that_takes_nothing_leaves_the_cursor_where_it_was() {
        let (mut outlet, _client, stats) = outlet().await;
        outlet.socket.ready(tokio::io::Interest::WRITABLE).await.unwrap();
        while outlet.socket.send_uncounted(&[0; 60_000]).is_ok() {}
        let part = Bytes::from_static(b"late");
        let mut tallies = Tallies::default();
        assert!(!outlet.carry(&part, [part.clone()].into_iter(), clock::now(), tallies.of(Kind::Other)));
        stats.settle(&mut tallies, 0);
        assert_eq!((outlet.cursor.offset, outlet.outbox.is_empty()), (10, true));
        assert_eq!(stats.connections(Kind::Other).delivered, 0);
    }

    #[tokio::test]
    async fn who_waits_for_room_in_a_full_socket_is_woken_by_room_and_not_before() {
        let (outlet, mut client, _stats) = outlet().await;
        outlet.socket.ready(tokio::io::Interest::WRITABLE).await.unwrap();
        let mut sent = 0;
        while let Ok(written) = outlet.socket.send_uncounted(&[0; 60_000]) {
            sent += written;
        }
        let mut cx = Context::from_waker(Waker::noop());
        assert!(outlet.socket.poll_write_ready(&mut cx).is_pending(), "it is full");
        let reading = std::thread::spawn(move || client.read_exact(&mut vec![0; sent]).unwrap());
        outlet.socket.ready(tokio::io::Interest::WRITABLE).await.unwrap();
        reading.join().unwrap();
        assert!(outlet.socket.send_uncounted(b"more").is_ok());
    }
}
