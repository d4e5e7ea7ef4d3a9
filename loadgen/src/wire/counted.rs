//! A TCP stream that counts its bytes, and hands its books over when it is closed.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Traffic;

/// The bottom of every client connection.
#[derive(Debug)]
pub struct Counted {
    /// Shared with the player's register, which reads the kernel's counters at the edges of the window.
    tcp: Rc<RefCell<TcpStream>>,
    traffic: Rc<Traffic>,
    key: u64,
}

impl Counted {
    /// Counts `tcp` into `traffic`.
    pub fn new(tcp: TcpStream, traffic: Rc<Traffic>) -> Self {
        let tcp = Rc::new(RefCell::new(tcp));
        let key = traffic.register(&tcp);
        Self { tcp, traffic, key }
    }

    /// Counts that this connection is given up before its peer has ended it.
    pub(super) fn abandon(&self) {
        self.traffic.count_abandoned();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.traffic.unregister(self.key);
    }
}

impl AsyncRead for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut *self.tcp.borrow_mut()).poll_read(cx, buf));
        self.traffic.count_received(buf.filled().len() - before);
        Poll::Ready(result)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut *self.tcp.borrow_mut()).poll_write(cx, bytes))?;
        self.traffic.count_sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut *self.tcp.borrow_mut()).poll_write_vectored(cx, slices))?;
        self.traffic.count_sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.tcp.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.tcp.borrow_mut()).poll_shutdown(cx)
    }
}
