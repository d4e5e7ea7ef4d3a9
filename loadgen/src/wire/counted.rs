//! A TCP stream that counts its bytes, and hands its books over when it is closed.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Traffic;

/// The bottom of every client connection.
///
/// Whoever awaits it has the runtime watch it. One that is read by a [`Room`](crate::reading_room::Room) is watched there alone:
/// who is watched twice costs twice.
#[derive(Debug)]
pub struct Counted {
    watched: Option<AsyncFd<Socket>>,
    /// Shared with the player's register, which reads the kernel's counters at the edges of the window.
    tcp: Rc<TcpStream>,
    traffic: Rc<Traffic>,
    key: u64,
}

impl Counted {
    /// Counts `tcp`, which must not block, into `traffic`.
    pub fn new(tcp: TcpStream, traffic: Rc<Traffic>) -> Self {
        let tcp = Rc::new(tcp);
        let key = traffic.register(&tcp);
        Self { watched: None, tcp, traffic, key }
    }

    /// The socket itself.
    pub(super) fn socket(&self) -> &Rc<TcpStream> {
        &self.tcp
    }

    /// Receives what is there, without waiting.
    pub(super) fn receive(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let (received, _) = rustix::net::recv(&*self.tcp, bytes, RecvFlags::empty())?;
        self.traffic.count_received(received);
        Ok(received)
    }

    /// Sends what the socket takes, without waiting.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let sent = rustix::net::send(&*self.tcp, bytes, SendFlags::NOSIGNAL)?;
        self.traffic.count_sent(sent);
        Ok(sent)
    }

    /// Has the runtime watch it no longer, until somebody awaits it again.
    pub(super) fn unwatch(&mut self) {
        self.watched = None;
    }

    /// Counts that this connection is given up before its peer has ended it.
    pub(super) fn abandon(&self) {
        self.traffic.count_abandoned();
    }

    #[expect(
        deprecated,
        reason = "a shared `TcpStream` is what the unsafe successor asks for: the same file until it is dropped"
    )]
    fn watch(&mut self) -> io::Result<()> {
        if self.watched.is_none() {
            self.watched = Some(AsyncFd::new(Socket(Rc::clone(&self.tcp)))?);
        }
        Ok(())
    }

    fn watched(&self) -> &AsyncFd<Socket> {
        self.watched.as_ref().expect("it was just watched")
    }
}

impl AsFd for Counted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp.as_fd()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.traffic.unregister(self.key);
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.watch()?;
        loop {
            let mut readable = ready!(self.watched().poll_read_ready(cx))?;
            let room = buf.initialize_unfilled();
            let asked = room.len();
            match readable.try_io(|_| self.receive(room)) {
                Ok(Ok(received)) => {
                    // Less than there was room for is all that there was: asking again would be a system call in vain.
                    if (1..asked).contains(&received) {
                        readable.clear_ready();
                    }
                    buf.advance(received);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_) => {}
            }
        }
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.watch()?;
        loop {
            let mut writable = ready!(self.watched().poll_write_ready(cx))?;
            if let Ok(sent) = writable.try_io(|_| self.send(bytes)) {
                return Poll::Ready(sent);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.tcp.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }
}

/// A socket that is shared with the register.
#[derive(Debug)]
struct Socket(Rc<TcpStream>);

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
