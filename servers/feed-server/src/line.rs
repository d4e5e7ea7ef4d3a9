//! What lies below a socket: a TCP connection, in the clear or sealed with TLS, or one stream of an HTTP/2 connection.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use feed::framings::tls::Tls;
use rustix::io::Errno;
use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A stream of bytes in the clear, whatever becomes of them below.
#[derive(Debug)]
pub(crate) enum Line {
    Clear(TcpStream),
    /// Boxed, as the next, for most lines are clear.
    Sealed(Box<Sealed>),
    /// An end of a pair of sockets; at the other, HTTP/2 puts the bytes into its frames.
    Inner(Box<UnixStream>),
}

/// A connection with TLS whose handshake is done.
#[derive(Debug)]
pub(crate) struct Sealed {
    stream: TcpStream,
    /// Only the task that serves the connection, or the one that brings it news, is ever here.
    tls: Mutex<Tls>,
}

/// Lends the stream to the TLS end, which asks without waiting.
struct Lent<'a>(&'a TcpStream);

impl Read for Lent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Lent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sealed {
    pub(crate) fn new(stream: TcpStream, tls: Tls) -> Self {
        Self { stream, tls: Mutex::new(tls) }
    }

    fn tls(&self) -> MutexGuard<'_, Tls> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tls().read(&mut Lent(&self.stream), buffer)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.tls().write(&mut Lent(&self.stream), bytes)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.tls().has_unread() { Poll::Ready(Ok(())) } else { self.stream.poll_read_ready(cx) }
    }

    /// Ready once everything that was sealed is sent.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_room(cx, |tls, socket| tls.flush(socket))
    }

    fn poll_goodbye(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_room(cx, |tls, socket| tls.say_goodbye(socket))
    }

    /// Repeats `write` whenever there is room, until it does not lack any.
    fn poll_room<T>(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Tls, &mut Lent<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match write(&mut self.tls(), &mut Lent(&self.stream)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.stream.poll_write_ready(cx))?,
                result => return Poll::Ready(result),
            }
        }
    }
}

impl Drop for Sealed {
    /// Whoever reads can tell an end from a cut.
    fn drop(&mut self) {
        let _ = self.tls.get_mut().unwrap_or_else(PoisonError::into_inner).say_goodbye(&mut Lent(&self.stream));
    }
}

impl Line {
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<()> {
        match self {
            Self::Clear(stream) => stream.ready(interest).await.map(drop),
            Self::Inner(stream) => stream.ready(interest).await.map(drop),
            Self::Sealed(sealed) if interest.is_writable() => poll_fn(|cx| sealed.poll_write_ready(cx)).await,
            Self::Sealed(sealed) => poll_fn(|cx| sealed.poll_read_ready(cx)).await,
        }
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.try_read(buffer),
            Self::Sealed(sealed) => sealed.try_read(buffer),
            Self::Inner(stream) => stream.try_read(buffer),
        }
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.try_write(bytes),
            Self::Sealed(sealed) => sealed.try_write(bytes),
            Self::Inner(stream) => stream.try_write(bytes),
        }
    }

    /// Writes what fits, for whom the runtime need not remember whether anything does. Whether there is room, the kernel is asked: what the
    /// runtime knows of a socket lies elsewhere, and of thousands, that is another line that is in no cache.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let Self::Clear(stream) = self else { return self.try_write(bytes) };
        // A peer that has gone is an error without a flag, too: Rust has programs ignore SIGPIPE.
        match rustix::net::send(stream, bytes, SendFlags::empty()) {
            // Asked in its own way, the runtime learns that it is full, and wakes whoever then waits for room.
            Err(Errno::AGAIN) => stream.try_write(bytes),
            sent => Ok(sent?),
        }
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.try_write_vectored(slices),
            Self::Inner(stream) => stream.try_write_vectored(slices),
            Self::Sealed(sealed) => write_each(slices, |bytes| sealed.try_write(bytes)),
        }
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => stream.poll_read_ready(cx),
            Self::Sealed(sealed) => sealed.poll_read_ready(cx),
            Self::Inner(stream) => stream.poll_read_ready(cx),
        }
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => stream.poll_write_ready(cx),
            Self::Sealed(sealed) => sealed.poll_write_ready(cx),
            Self::Inner(stream) => stream.poll_write_ready(cx),
        }
    }
}

/// Writes one slice after the other, as far as `write` takes them whole.
fn write_each(slices: &[IoSlice<'_>], mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<usize> {
    let mut written = 0;
    for slice in slices.iter().filter(|slice| !slice.is_empty()) {
        match write(slice) {
            Ok(len) => written += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock && written > 0 => break,
            Err(error) => return Err(error),
        }
        if written < slice.len() {
            break;
        }
    }
    Ok(written)
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Inner(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Sealed(sealed) => loop {
                match sealed.try_read(out.initialize_unfilled()) {
                    Ok(read) => {
                        out.advance(read);
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(sealed.stream.poll_read_ready(cx))?,
                    Err(error) => return Poll::Ready(Err(error)),
                }
            },
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Inner(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Sealed(sealed) if bytes.is_empty() => sealed.poll_write_ready(cx).map_ok(|()| 0),
            Self::Sealed(sealed) => sealed.poll_room(cx, |tls, socket| tls.write(socket, bytes)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Inner(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            // What TLS sends at once is a record, whatever it was gathered from.
            line @ Self::Sealed(_) => {
                let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
                Pin::new(line).poll_write(cx, first)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        !matches!(self, Self::Sealed(_))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Inner(stream) => Pin::new(stream).poll_flush(cx),
            Self::Sealed(sealed) => sealed.poll_write_ready(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Inner(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Sealed(sealed) => {
                ready!(sealed.poll_goodbye(cx))?;
                Pin::new(&mut sealed.stream).poll_shutdown(cx)
            }
        }
    }
}
