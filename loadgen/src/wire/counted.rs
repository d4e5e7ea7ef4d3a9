//! A TCP stream that counts its bytes, in the clear or sealed with TLS, and hands its books over when it is closed.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use feed::framings::tls::Tls;
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
    /// Boxed, for most connections are in the clear.
    tls: Option<Box<RefCell<Tls>>>,
}

impl Counted {
    /// Counts `tcp`, which must not block, into `traffic`.
    pub fn new(tcp: TcpStream, traffic: Rc<Traffic>) -> Self {
        let tcp = Rc::new(tcp);
        let key = traffic.register(&tcp);
        Self { watched: None, tcp, traffic, key, tls: None }
    }

    /// From now on speaks TLS; returns when the handshake is done.
    pub(super) async fn seal(&mut self, tls: Tls) -> io::Result<()> {
        self.tls = Some(Box::new(RefCell::new(tls)));
        poll_fn(|cx| self.poll_sealed(cx, |tls, socket| tls.shake_hands(socket))).await
    }

    /// The socket itself.
    pub(super) fn socket(&self) -> &Rc<TcpStream> {
        &self.tcp
    }

    /// Receives what is there, without waiting.
    pub(super) fn receive(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let received = match &self.tls {
            None => Lent(&self.tcp).read(bytes)?,
            Some(tls) => self.sealed(tls, |tls, socket| tls.read(socket, bytes))?,
        };
        self.traffic.count_received(received);
        Ok(received)
    }

    /// Sends what the socket takes, without waiting.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let sent = match &self.tls {
            None => Lent(&self.tcp).write(bytes)?,
            Some(tls) => self.sealed(tls, |tls, socket| tls.write(socket, bytes))?,
        };
        self.traffic.count_sent(sent);
        Ok(sent)
    }

    /// True when something was received that the socket says nothing of any more.
    pub(super) fn has_unread(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.borrow_mut().has_unread())
    }

    /// True of an end that is the peer's: of any in the clear, and of one that TLS was told of.
    pub(super) fn is_end_of_peer(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.borrow_mut().has_heard_goodbye())
    }

    /// Has TLS `act` on the socket, and counts what passes there.
    fn sealed<T>(
        &self,
        tls: &RefCell<Tls>,
        act: impl FnOnce(&mut Tls, &mut Lent<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut tls = tls.borrow_mut();
        let (received, sent) = (tls.received().sealed, tls.sent().sealed);
        let result = act(&mut tls, &mut Lent(&self.tcp));
        self.traffic.count_sealed(tls.received().sealed - received, tls.sent().sealed - sent);
        result
    }

    /// Has TLS `act` whenever the socket is ready for what it lacks, until it lacks nothing.
    fn poll_sealed(
        &mut self,
        cx: &mut Context<'_>,
        mut act: impl FnMut(&mut Tls, &mut Lent<'_>) -> io::Result<()>,
    ) -> Poll<io::Result<()>> {
        self.watch()?;
        let Some(tls) = &self.tls else { return Poll::Ready(Ok(())) };
        loop {
            let result = self.sealed(tls, &mut act);
            if !matches!(&result, Err(error) if error.kind() == ErrorKind::WouldBlock) {
                return Poll::Ready(result);
            }
            let has_more_to_send = tls.borrow().has_more_to_send();
            if has_more_to_send {
                ready!(self.watched().poll_write_ready(cx))?.clear_ready();
            } else {
                ready!(self.watched().poll_read_ready(cx))?.clear_ready();
            }
        }
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

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.tls.is_some() { self.poll_sealed(cx, |tls, socket| tls.flush(socket)) } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.tls.is_some() {
            // Who has gone already need not be told.
            let _ = ready!(self.poll_sealed(cx, |tls, socket| tls.say_goodbye(socket)));
        }
        Poll::Ready(match self.tcp.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }
}

/// Lends the socket to whoever reads and writes it, without waiting.
struct Lent<'a>(&'a TcpStream);

impl Read for Lent<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(self.0, bytes, RecvFlags::empty())?.0)
    }
}

impl Write for Lent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.0, bytes, SendFlags::empty())?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
