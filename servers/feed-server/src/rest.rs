//! The rest between two requests, which lasts until the next one comes, the connection has idled too long, or the server stops.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Sleep, sleep_until};

use crate::clock;
use crate::drain::Closing;
use crate::socket::Socket;
use crate::stats::Meter;

/// What ends a rest, kept from one to the next.
pub(crate) struct Rest {
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    closed: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Rest {
    /// Of the connection that `meter` counts, which may idle for `idle`, on a server that stops when `closing` says so. Boxed: a stream,
    /// which has none, has no room for it.
    pub(crate) fn new(idle: Duration, closing: Closing, meter: Arc<Meter>) -> Box<Self> {
        let closed = async move { closing.due(&meter).await };
        Box::new(Self { idle, timer: Box::pin(sleep_until(clock::now() + idle)), closed: Box::pin(closed) })
    }

    /// Waits for bytes; `None` when the connection has no more to do.
    pub(crate) async fn arrivals(&mut self, socket: &mut Socket) -> Option<Bytes> {
        if socket.has_unread() {
            socket.take_rests_since();
            return Some(socket.take_unread());
        }
        let end = socket.take_rests_since().unwrap_or_else(clock::now) + self.idle;
        poll_fn(|cx| {
            if let Poll::Ready(arrived) = socket.poll_arrivals(cx, &[]) {
                return Poll::Ready(arrived.ok().filter(|arrived| !arrived.is_empty()));
            }
            // The timer rings too early, never too late: it is moved when it rings, not at every request.
            while self.timer.as_mut().poll(cx).is_ready() {
                if clock::now() >= end {
                    return Poll::Ready(None);
                }
                self.timer.as_mut().reset(end);
            }
            self.closed.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}
