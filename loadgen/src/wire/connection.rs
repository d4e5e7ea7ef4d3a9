//! Reading without a buffer per client: one scratch buffer per player, and each connection keeps only what it must.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use super::Counted;
use super::http::HttpError;
use crate::clock;

/// Bytes read at once: more than any burst that the kernel holds for one of thousands of clients.
const SCRATCH: usize = 64 * 1024;
/// Longest wait for the peer to end its side after we have ended ours: a server that is behind by seconds still gets there,
/// one that does not look whether its readers have gone keeps nobody longer. What it sends later is not counted.
const LEAVE_PATIENCE: Duration = Duration::from_secs(5);

thread_local! {
    static SCRATCH_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// A connection of one client.
#[derive(Debug)]
pub struct Connection {
    socket: Counted,
    /// Received and not yet taken: the beginning of something that has not come whole, or what came with its end.
    kept: Vec<u8>,
    kept_at: u64,
    /// Said, and not yet taken by the socket.
    owed: Vec<u8>,
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Connection {
    /// A connection over an open socket.
    pub fn new(socket: Counted) -> Self {
        Self { socket, kept: Vec::new(), kept_at: 0, owed: Vec::new() }
    }

    /// Sends all of `bytes`, after what is owed. Cancelling the future loses nothing of that, but may leave `bytes` sent in part.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        while !self.owed.is_empty() {
            match self.socket.write(&self.owed).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                sent => drop(self.owed.drain(..sent)),
            }
        }
        // A buffer that was needed once may be large.
        self.owed = Vec::new();
        self.socket.write_all(bytes).await
    }

    /// Sends some of `bytes`, at least one; how many. Cancelling the future sends nothing.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.socket.write(bytes).await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            written => Ok(written),
        }
    }

    /// Shows `take` what was received, with the instant of receipt (ns), until it finds in it what it looks for and
    /// returns it with the number of bytes used. `None` when the peer has ended the stream.
    ///
    /// An error of `take` is passed on. Cancelling the future loses nothing.
    pub async fn read<T, E: From<io::Error>>(
        &mut self,
        mut take: impl FnMut(&[u8], u64) -> Result<Option<(usize, T)>, E>,
    ) -> Result<Option<T>, E> {
        if !self.kept.is_empty()
            && let Some((used, found)) = take(&self.kept, self.kept_at)?
        {
            self.drop_kept(used);
            return Ok(Some(found));
        }
        poll_fn(|cx| {
            SCRATCH_BUFFER.with_borrow_mut(|scratch| {
                loop {
                    let mut buffer = ReadBuf::new(scratch);
                    ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
                    let at = clock::now_ns();
                    let received = buffer.filled();
                    if received.is_empty() {
                        return Poll::Ready(Ok(None));
                    }
                    let found = self.take(received, at, &mut take)?;
                    if found.is_some() {
                        return Poll::Ready(Ok(found));
                    }
                }
            })
        })
        .await
    }

    /// Shows `take` what was `received`, at `at` (ns), behind what was kept, and keeps what it does not use.
    pub fn take<T, E>(
        &mut self,
        received: &[u8],
        at: u64,
        mut take: impl FnMut(&[u8], u64) -> Result<Option<(usize, T)>, E>,
    ) -> Result<Option<T>, E> {
        if self.kept.is_empty() {
            let (used, found) = split(take(received, at)?);
            self.keep(&received[used..], at);
            Ok(found)
        } else {
            self.keep(received, at);
            let (used, found) = split(take(&self.kept, at)?);
            self.drop_kept(used);
            Ok(found)
        }
    }

    /// Receives and keeps what comes next; false when the peer has ended the stream.
    pub async fn take_in(&mut self) -> io::Result<bool> {
        let came = self.read(|bytes, _| Ok::<_, io::Error>((!bytes.is_empty()).then_some((0, ())))).await?;
        Ok(came.is_some())
    }

    /// Ends our side, then takes in what still comes until the peer has ended its own.
    ///
    /// Closing at once would lose what is on its way, and the last segments from the kernel's books: closed so, every byte
    /// and every segment of the farewell is counted.
    pub async fn leave(mut self) {
        // TLS has something to say first, for which there may be no room.
        let is_left = match tokio::time::timeout(LEAVE_PATIENCE, self.socket.shutdown()).await {
            Ok(Ok(())) => self.await_end(LEAVE_PATIENCE).await,
            // It has gone already.
            Ok(Err(_)) => true,
            Err(_) => false,
        };
        if !is_left {
            self.socket.abandon();
        }
    }

    /// Says `goodbye`, then [leaves after the peer](Self::leave_after_peer); without a word if there is no room for as long as `patience`.
    pub async fn leave_saying(mut self, goodbye: &[u8], patience: Duration) {
        match tokio::time::timeout(patience, self.write_all(goodbye)).await {
            Ok(Ok(())) => self.leave_after_peer(patience).await,
            // It has gone already.
            Ok(Err(_)) => {}
            Err(_) => self.socket.abandon(),
        }
    }

    /// Lets the peer end its side first, for as long as `patience`, then ends ours.
    pub async fn leave_after_peer(mut self, patience: Duration) {
        self.await_end(patience).await;
        let _ = tokio::time::timeout(patience, self.socket.shutdown()).await;
    }

    /// False when it did not come in time.
    async fn await_end(&mut self, patience: Duration) -> bool {
        let end = async {
            while let Ok(Some(())) = self.read(|bytes, _| Ok::<_, io::Error>(Some((bytes.len(), ())))).await {}
        };
        tokio::time::timeout(patience, end).await.is_ok()
    }

    /// Receives what is there, without waiting; the number of bytes, 0 where the peer has ended the stream. For one that keeps
    /// nothing, see [`take_kept`](Self::take_kept).
    pub fn receive(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.receive(bytes)
    }

    /// Sends as much of `bytes` as the socket takes without waiting; the rest is owed, and goes before whatever is
    /// [written](Self::write_all) next.
    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while self.owed.is_empty() && !rest.is_empty() {
            match self.socket.send(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.owed.extend_from_slice(rest);
        Ok(())
    }

    /// True when the peer has ended the stream, as far as is known without waiting. What it has said before that is kept.
    pub fn has_ended(&mut self) -> bool {
        SCRATCH_BUFFER.with_borrow_mut(|scratch| {
            loop {
                match self.socket.receive(scratch) {
                    Ok(0) => return true,
                    Ok(received) => self.keep(&scratch[..received], clock::now_ns()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return true,
                }
            }
        })
    }

    /// True while something that was to be said is not sent.
    pub fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// True while something was received and not taken.
    pub fn is_keeping(&self) -> bool {
        !self.kept.is_empty()
    }

    /// What was received and not taken, with the instant of receipt (ns); it is kept no longer.
    pub fn take_kept(&mut self) -> (Vec<u8>, u64) {
        (std::mem::take(&mut self.kept), self.kept_at)
    }

    /// Has the runtime watch the socket no longer, until somebody awaits it again: somebody else does.
    pub fn unwatch(&mut self) {
        self.socket.unwatch();
    }

    /// True when something was received that the socket says nothing of any more: who watches the socket reads that first.
    pub fn has_unread(&self) -> bool {
        self.socket.has_unread()
    }

    /// What was received and not taken when the peer ended the stream.
    pub fn rest(&self) -> &[u8] {
        &self.kept
    }

    /// Fails where the stream has ended without the alert by which TLS tells an end from a cut: a body that ends with its connection is not whole
    /// then (RFC 9112, section 9.8).
    pub fn ensure_closed(&self) -> Result<(), HttpError> {
        if self.socket.is_end_of_peer() { Ok(()) } else { Err(HttpError::NotClosed) }
    }

    /// Keeps what was received at `at` (ns) for whoever [reads](Self::read) next.
    pub fn keep(&mut self, bytes: &[u8], at: u64) {
        self.kept.extend_from_slice(bytes);
        self.kept_at = at;
    }

    fn drop_kept(&mut self, used: usize) {
        if used == self.kept.len() {
            self.kept = Vec::new();
        } else {
            self.kept.drain(..used);
        }
    }
}

fn split<T>(taken: Option<(usize, T)>) -> (usize, Option<T>) {
    taken.map_or((0, None), |(used, found)| (used, Some(found)))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::wire::Traffic;

    /// Long enough for anything that happens at all.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Both ends of a connection that counts into `traffic`.
    async fn pair(traffic: &Rc<Traffic>) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap().into_std().unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        (Connection::new(Counted::new(socket, Rc::clone(traffic))), peer)
    }

    /// More than the sockets hold.
    fn much() -> Vec<u8> {
        (0..32_u32 << 18).flat_map(u32::to_le_bytes).collect()
    }

    #[tokio::test]
    async fn what_is_owed_is_sent_in_order_even_when_nobody_waited_for_it() {
        let (mut connection, mut peer) = pair(&Rc::default()).await;
        let said = much();
        connection.say(&said).unwrap();
        assert!(connection.owes());
        tokio::select! {
            biased;
            _ = connection.write_all(&[]) => panic!("nobody has read any of it"),
            () = std::future::ready(()) => {}
        }
        let expected = [&said[..], b"end"].concat();
        let mut received = vec![0; expected.len()];
        let exchanged = async { tokio::join!(connection.write_all(b"end"), peer.read_exact(&mut received)) };
        let (written, read) = tokio::time::timeout(PATIENCE, exchanged).await.expect("it is sent in time");
        written.unwrap();
        read.unwrap();
        assert!(received == expected);
    }

    #[tokio::test]
    async fn who_leaves_a_peer_that_reads_nothing_is_gone_all_the_same_and_counted() {
        let traffic = Rc::new(Traffic::default());
        let (mut connection, _peer) = pair(&traffic).await;
        connection.say(&much()).unwrap();
        let leaving = connection.leave_saying(b"goodbye", Duration::from_millis(50));
        tokio::time::timeout(PATIENCE, leaving).await.expect("it leaves in the end");
        assert_eq!((traffic.abandoned(), traffic.open()), (1, 0));
    }
}
