//! A client's connection, every byte counted, that may begin with bytes which were read before they were due.

use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::time::{Instant, timeout};

use crate::line::Line;
use crate::stats::{Kind, Meter, Reason};

/// How long a client may take to end its side after the server has ended its own.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes of requests that are read at a time: as much as hyper takes of a head. They lie on the stack, so that waiting for them
/// costs no buffer; a request that does not fit goes to hyper.
pub(crate) const ARRIVALS_MAX: usize = 16 << 10;
/// Bytes that are read to see whether they are what is expected; what does not fit is not.
const EXPECTED_MAX: usize = 4 << 10;

/// The connection. Hyper drives it through `AsyncRead` and `AsyncWrite`, streams through the calls that never wait.
#[derive(Debug)]
pub(crate) struct Socket {
    line: Line,
    unread: Bytes,
    meter: Arc<Meter>,
    rests_since: Option<Instant>,
}

impl Socket {
    pub(crate) fn new(line: Line, meter: Arc<Meter>) -> Self {
        Self { line, unread: Bytes::new(), meter, rests_since: None }
    }

    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Puts back bytes that are the next to be read.
    pub(crate) fn unread(&mut self, bytes: &[u8]) {
        // Copied, for `bytes` is a slice of a read buffer that would live as long as it does, even if it is empty.
        self.unread = match (bytes.is_empty(), self.unread.is_empty()) {
            (true, _) => return,
            (false, true) => Bytes::copy_from_slice(bytes),
            (false, false) => [bytes, &self.unread].concat().into(),
        };
    }

    /// Bytes that were put back.
    pub(crate) fn take_unread(&mut self) -> Bytes {
        std::mem::take(&mut self.unread)
    }

    pub(crate) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Says since when everything is answered, if it was noticed late.
    pub(crate) fn rest_since(&mut self, then: Instant) {
        self.rests_since = Some(then);
    }

    /// Since when everything is answered, if that was said.
    pub(crate) fn take_rests_since(&mut self) -> Option<Instant> {
        self.rests_since.take()
    }

    /// Ends our side, then waits until the client has ended its own: closing at once could destroy what is on its way. Boxed: who may do
    /// this one day has no room for it until then.
    pub(crate) fn linger(mut self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _ = timeout(LINGER, async {
                self.shutdown().await?;
                let mut sink = [0; 512];
                while self.read(&mut sink).await? > 0 {}
                io::Result::Ok(())
            })
            .await;
        })
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<()> {
        self.line.ready(interest).await
    }

    /// Reads what is there; `WouldBlock` when nothing is, 0 when the client has ended its side.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.line.try_read(buffer).inspect_err(|error| self.notice(error))?;
        self.meter.read(read);
        Ok(read)
    }

    /// Asks to be woken when there is something to read; tells at once if there is.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.poll_read_ready(cx)
    }

    /// Asks to be woken when there is room to write; tells at once if there is.
    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.poll_write_ready(cx)
    }

    /// Writes what fits to a socket that is not known to be full, and leaves it to the caller to [count](crate::stats::Tally) it; `WouldBlock`
    /// when nothing does.
    pub(crate) fn send_uncounted(&self, bytes: &[u8]) -> io::Result<usize> {
        self.line.send(bytes).inspect_err(|error| self.notice(error))
    }

    /// Writes what fits of several slices; `WouldBlock` when nothing does.
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_for(self.meter.kind(), slices)
    }

    /// The same, counted as the answer to a request of `kind`.
    pub(crate) fn try_write_for(&self, kind: Kind, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = match slices {
            [slice] => self.line.try_write(slice),
            slices => self.line.try_write_vectored(slices),
        };
        let written = written.inspect_err(|error| self.notice(error))?;
        self.meter.written(kind, written);
        Ok(written)
    }

    /// All that has come behind `before`, up to [`ARRIVALS_MAX`] bytes together; no more than `before` when the client has ended
    /// its side.
    ///
    /// One system call, and none when nothing has come: reading less than there was room for says that nothing is left.
    pub(crate) fn poll_arrivals(&mut self, cx: &mut Context<'_>, before: &[u8]) -> Poll<io::Result<Bytes>> {
        let mut buffer = [const { MaybeUninit::uninit() }; ARRIVALS_MAX];
        let mut out = ReadBuf::uninit(&mut buffer);
        out.put_slice(before);
        ready!(Pin::new(self).poll_read(cx, &mut out))?;
        Poll::Ready(Ok(Bytes::copy_from_slice(out.filled())))
    }
}

impl Socket {
    /// Reads what has come, if that is what one `expects`, who is shown it; everything else is left as if nobody had looked. True when
    /// it was.
    ///
    /// One system call, and none when nothing has come.
    pub(crate) fn poll_expected(
        &mut self,
        cx: &mut Context<'_>,
        expects: impl FnOnce(&[u8]) -> bool,
    ) -> Poll<io::Result<bool>> {
        if self.has_unread() {
            return Poll::Ready(Ok(false));
        }
        let mut buffer = [const { MaybeUninit::uninit() }; EXPECTED_MAX];
        let mut out = ReadBuf::uninit(&mut buffer);
        ready!(Pin::new(&mut *self).poll_read(cx, &mut out))?;
        let is_expected = expects(out.filled());
        if !is_expected {
            self.unread(out.filled());
        }
        Poll::Ready(Ok(is_expected))
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            let len = self.unread.len().min(out.remaining());
            out.put_slice(&self.unread[..len]);
            self.unread.advance(len);
            return Poll::Ready(Ok(()));
        }
        let before = out.filled().len();
        let polled = Pin::new(&mut self.line).poll_read(cx, out);
        self.meter.read(out.filled().len() - before);
        if let Poll::Ready(Err(error)) = &polled {
            self.notice(error);
        }
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.meter.set_flushed(false);
        let polled = Pin::new(&mut self.line).poll_write(cx, bytes);
        self.count(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.meter.set_flushed(false);
        let polled = Pin::new(&mut self.line).poll_write_vectored(cx, slices);
        self.count(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.line.is_write_vectored()
    }

    /// Hyper calls this when its own buffer is empty, and only then.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.line).poll_flush(cx))?;
        self.meter.set_flushed(true);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}

impl Socket {
    fn count(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(written)) => self.meter.written(self.meter.kind(), *written),
            Poll::Ready(Err(error)) => self.notice(error),
            Poll::Pending => {}
        }
        polled
    }

    /// Counts a client whose machine is gone; the kernel says so once a connection.
    fn notice(&self, error: &io::Error) {
        if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) {
            self.meter.ended(Reason::Vanished);
        }
    }
}
