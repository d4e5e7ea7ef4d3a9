//! A connection as the stub holds it: every byte counted, writes split in pieces where the script wants it.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::book::Book;
use crate::clock;

/// Between the packets of a split write: long enough for each to be read by itself.
const SPLIT_PAUSE: Duration = Duration::from_micros(200);

/// The reading half.
#[derive(Debug)]
pub(super) struct LineReader {
    half: OwnedReadHalf,
    /// Received and not yet taken.
    pub received: Vec<u8>,
    /// Bytes read so far.
    pub total: usize,
    /// Set once it is a subscriber's: from then on its bytes are on the book.
    pub book: Option<Rc<Book>>,
}

impl LineReader {
    /// Waits for more; false at the end of the stream. Cancelling it loses nothing.
    pub(super) async fn read_more(&mut self) -> bool {
        let read = self.half.read_buf(&mut self.received).await.unwrap_or(0);
        self.total += read;
        if let Some(book) = &self.book {
            book.count(|truth| truth.bytes_read += read as u64);
        }
        read > 0
    }

    /// Reads until the peer ends the stream, and looks at nothing.
    pub(super) async fn read_out(&mut self) {
        while self.read_more().await {
            self.received.clear();
        }
    }
}

/// The writing half of a subscriber's connection.
#[derive(Debug)]
pub(super) struct LineWriter {
    pub half: OwnedWriteHalf,
    pub book: Rc<Book>,
    pub splits: bool,
}

impl LineWriter {
    /// Writes all of it, `first` bytes of it for the first notification (0: none); returns for each of the places in `ends` the instant
    /// (ns) at which the byte before it was handed to the system.
    pub(super) async fn write(&mut self, bytes: &[u8], first: usize, ends: &[usize]) -> io::Result<Vec<u64>> {
        if !self.splits || bytes.len() < 2 {
            let at = clock::now_ns();
            self.write_part(bytes).await?;
            return Ok(vec![at; ends.len()]);
        }
        let [one, two] = self.book.next_split(first, bytes.len());
        let mut parts = Vec::new();
        for part in [0..one, one..two, two..bytes.len()].into_iter().filter(|part| !part.is_empty()) {
            if part.start > 0 {
                tokio::time::sleep(SPLIT_PAUSE).await;
            }
            parts.push((part.end, clock::now_ns()));
            self.write_part(&bytes[part]).await?;
        }
        let instant_of = |end| parts.iter().find(|(part_end, _)| end <= *part_end).map_or(0, |(_, at_ns)| *at_ns);
        Ok(ends.iter().map(|&end| instant_of(end)).collect())
    }

    /// Writes the last there is, and ends the stream.
    pub(super) async fn say_goodbye(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_part(bytes).await?;
        self.half.shutdown().await
    }

    /// Writes the first half of it and ends the stream.
    pub(super) async fn cut(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_part(&bytes[..bytes.len() / 2]).await?;
        self.book.count(|truth| truth.cut += 1);
        self.half.shutdown().await
    }

    async fn write_part(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.half.write(bytes).await?;
            self.book.count(|truth| truth.bytes_written += written as u64);
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

/// Takes a connection apart. What the writer writes leaves at once.
pub(super) fn split(tcp: TcpStream) -> io::Result<(LineReader, OwnedWriteHalf)> {
    tcp.set_nodelay(true)?;
    let (reader, writer) = tcp.into_split();
    Ok((LineReader { half: reader, received: Vec::new(), total: 0, book: None }, writer))
}
