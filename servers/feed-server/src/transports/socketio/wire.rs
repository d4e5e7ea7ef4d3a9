//! The stream beneath the library's WebSocket: it counts, ends a client that takes nothing, and gives the socket back.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

use super::frames::Frames;
use super::line::{Line, Way};
use crate::socket::Socket;
use crate::stats::Reason;

/// A socket that came back.
pub(super) struct Returned {
    pub(super) socket: Socket,
    /// True when every frame that was begun was written to its end.
    pub(super) is_whole: bool,
}

/// A socket on loan to the library.
pub(super) struct Wire {
    /// `None` only while this is dropped.
    socket: Option<Socket>,
    back: Option<oneshot::Sender<Returned>>,
    line: Arc<Line>,
    frames: Frames,
    /// Bytes that the library writes first and that have been written already.
    written: usize,
    patience: Duration,
    /// Runs while the client takes nothing of what is to be written.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// Lends `socket`, on which the first `written` bytes of what the library is going to write are written already; it comes back
    /// through the receiver. A client that takes nothing for `patience` is ended.
    pub(super) fn new(
        socket: Socket,
        line: Arc<Line>,
        written: usize,
        patience: Duration,
    ) -> (Self, oneshot::Receiver<Returned>) {
        let (back, returned) = oneshot::channel();
        let frames = Frames::default();
        (Self { socket: Some(socket), back: Some(back), line, frames, written, patience, stalled: None }, returned)
    }

    fn socket(&mut self) -> Pin<&mut Socket> {
        Pin::new(self.socket.as_mut().expect("it is there until this is dropped"))
    }

    fn stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.line.is_hung_up(Way::Out, cx) {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let patience = self.patience;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if self.line.ends() {
            self.socket().meter().ended(Reason::WriteTimeout);
        }
        // Once is enough to say so; whoever writes again hears the same.
        self.line.hang_up();
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.socket().poll_read(cx, out) {
            // Nothing was read: the end.
            Poll::Pending if self.line.is_hung_up(Way::In, cx) => Poll::Ready(Ok(())),
            polled => polled,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.written > 0 {
            let known = bytes.len().min(self.written);
            self.written -= known;
            return Poll::Ready(Ok(known));
        }
        match self.socket().poll_write(cx, bytes) {
            Poll::Ready(Ok(written)) => {
                self.stalled = None;
                let ended = self.frames.pass(&bytes[..written]);
                self.socket().meter().delivered(ended.count);
                self.line.room.give(ended);
                Poll::Ready(Ok(written))
            }
            Poll::Pending => self.stall(cx),
            error => error,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let (Some(socket), Some(back)) = (self.socket.take(), self.back.take()) {
            // Nobody waits for it only when the connection's task is gone, and then the socket may go as well.
            let _ = back.send(Returned { socket, is_whole: self.frames.is_between() });
        }
    }
}
