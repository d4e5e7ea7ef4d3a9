//! One HTTP/1.1 connection of the publisher: a request, its answer, the next request; or several requests at once where pipelining was
//! asked for.
//!
//! What becomes of a request when its connection ends follows RFC 9112, section 9.3.1, and RFC 9110, section 9.2.2: it is sent again if the
//! server cannot have acted on it (no byte of it was written, or it stood behind an answer that said `Connection: close`), or if it
//! carries a key by which the server recognises a repetition. Of any other, nobody knows what became of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::either::Either;

use super::pool::{Attempt, Pool};
use crate::clock;
use crate::target::Line;
use crate::wire::http::{self, Body, HttpError};

/// Bytes read at once: an answer to a publication is short.
const SCRATCH: usize = 4 * 1024;
/// After so long a rest, the socket itself is asked whether the server has ended it before anything is written to it. No server ends a
/// connection for idleness sooner.
const SHORT_REST: Duration = Duration::from_millis(10);
/// A connection that ends sooner than this, without an answer on it, was turned away rather than ended.
const SHORT_LIFE: Duration = Duration::from_millis(200);

/// 408 Request Timeout (RFC 9110, section 15.5.9).
const REQUEST_TIMEOUT: u16 = 408;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The server ended it between two requests, or had said with an answer that it would: another one may be opened at once.
    Orderly,
    /// The server ended it as soon as it was open, and nothing had been asked of it.
    Unused,
    /// In any other way.
    Failed,
}

/// A connection as the pool holds it.
#[derive(Debug, Default)]
pub(super) struct HttpConnection {
    /// Handed over, and not begun: no byte of them was written.
    assigned: RefCell<VecDeque<Attempt>>,
    /// Begun and not answered, oldest first: an answer belongs to the first (RFC 9112, section 9.3.2).
    in_flight: RefCell<VecDeque<Attempt>>,
    /// The task that sleeps until there is something to do.
    sleeper: RefCell<Option<Waker>>,
    /// Requests that were answered, and when the last of them was.
    answers: Cell<u32>,
    answered_at: Cell<Option<Instant>>,
}

/// The connection's own side of it.
struct Wire {
    line: Line,
    scratch: Box<[u8]>,
    /// Received, and not yet a whole answer.
    received: Vec<u8>,
    /// The request that is being written.
    outgoing: Vec<u8>,
    /// How much of it the socket has taken.
    written: usize,
    needs_flush: bool,
    /// True while the socket has something to say that must be heard before a request is begun.
    must_listen: bool,
    /// True once the socket takes nothing more.
    is_broken: bool,
}

/// What happens next on a connection.
enum Event {
    /// So many bytes came; none: the end of the stream.
    Received(io::Result<usize>),
    /// The socket took so many bytes of the request.
    Wrote(io::Result<usize>),
    /// All that was written has left.
    Flushed(io::Result<()>),
    /// There is something to send, or nothing more to do.
    Woken,
}

/// Why no more answers are to be expected.
enum NoMore {
    /// The server said that it closes the connection, or spoke without being asked.
    Closing,
    /// What it sends is no HTTP.
    Unreadable(HttpError),
}

impl HttpConnection {
    /// Hands a publication over; it is sent as soon as the connection's task runs.
    pub(super) fn assign(&self, attempt: Attempt) {
        self.assigned.borrow_mut().push_back(attempt);
        self.wake();
    }

    /// Has the connection's task look around.
    pub(super) fn wake(&self) {
        if let Some(sleeper) = self.sleeper.take() {
            sleeper.wake();
        }
    }

    /// Takes away all that is not answered: what was begun, and what was not.
    pub(super) fn take_unanswered(&self) -> (VecDeque<Attempt>, VecDeque<Attempt>) {
        (self.in_flight.take(), self.assigned.take())
    }

    /// Carries requests until the connection ends, or the pool gives up.
    pub(super) async fn serve(self: &Rc<Self>, line: Line, pool: &Pool) -> Ended {
        let opened = clock::now();
        let mut wire = Wire::new(line);
        let mut rests_since = opened;
        let mut is_idle = true;
        loop {
            if self.is_to_begin(&wire, pool) && wire.outgoing.is_empty() {
                let mut assigned = self.assigned.borrow_mut();
                let next = assigned.front_mut().expect("there is one to begin");
                wire.outgoing = pool.request(next);
                let has_rested = is_idle && clock::now().saturating_duration_since(rests_since) > SHORT_REST;
                wire.must_listen = has_rested && wire.has_something();
                is_idle = false;
            }
            let event = poll_fn(|cx| self.next_event(&mut wire, pool, cx)).await;
            if pool.is_over() {
                return Ended::Orderly;
            }
            match event {
                Event::Woken => {}
                Event::Received(Ok(1..)) => match self.take_answers(&mut wire.received, pool) {
                    Ok(()) => {}
                    Err(NoMore::Closing) => return self.close(pool, opened),
                    Err(NoMore::Unreadable(error)) => {
                        pool.unreadable(error);
                        return self.lose(pool, opened);
                    }
                },
                Event::Received(Ok(0) | Err(_)) => return self.end(&wire.received, pool, opened),
                Event::Wrote(Ok(taken)) => {
                    if wire.written == 0
                        && let Some(attempt) = self.assigned.borrow_mut().pop_front()
                    {
                        self.in_flight.borrow_mut().push_back(pool.begun(attempt));
                    }
                    wire.written += taken;
                    wire.needs_flush = wire.written == wire.outgoing.len();
                }
                Event::Flushed(Ok(())) => wire.request_is_out(),
                // What the server has said before may still be read.
                Event::Wrote(Err(_)) | Event::Flushed(Err(_)) => wire.is_broken = true,
            }
            let is_free = wire.outgoing.is_empty() && self.in_flight.borrow().is_empty();
            if is_free && !is_idle && self.assigned.borrow().is_empty() {
                if !pool.pipelines() && pool.is_worn_out(self.answers.get()) {
                    return Ended::Orderly;
                }
                match pool.next_waiting() {
                    Some(attempt) => self.assigned.borrow_mut().push_back(attempt),
                    None => {
                        (is_idle, rests_since) = (true, clock::now());
                        pool.free(self);
                    }
                }
            }
        }
    }

    /// True when the next request may be begun: one at a time, unless they are pipelined.
    fn is_to_begin(&self, wire: &Wire, pool: &Pool) -> bool {
        let is_turn = pool.pipelines() || self.in_flight.borrow().is_empty();
        is_turn && !wire.is_broken && !self.assigned.borrow().is_empty()
    }

    fn next_event(&self, wire: &mut Wire, pool: &Pool, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(received) = wire.poll_receive(cx) {
            return Poll::Ready(Event::Received(received));
        }
        // What stood there was read, and was no answer: TLS has words of its own.
        wire.must_listen &= wire.has_something();
        if !wire.must_listen && !wire.is_broken {
            if wire.needs_flush {
                if let Poll::Ready(flushed) = Pin::new(&mut wire.line).poll_flush(cx) {
                    return Poll::Ready(Event::Flushed(flushed));
                }
            } else if !wire.outgoing.is_empty() {
                let unwritten = &wire.outgoing[wire.written..];
                if let Poll::Ready(wrote) = Pin::new(&mut wire.line).poll_write(cx, unwritten) {
                    return Poll::Ready(Event::Wrote(wrote));
                }
            } else if self.is_to_begin(wire, pool) {
                return Poll::Ready(Event::Woken);
            }
        }
        if pool.is_over() {
            return Poll::Ready(Event::Woken);
        }
        let mut sleeper = self.sleeper.borrow_mut();
        if sleeper.as_ref().is_none_or(|sleeper| !sleeper.will_wake(cx.waker())) {
            *sleeper = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Matches whole answers to requests.
    fn take_answers(&self, received: &mut Vec<u8>, pool: &Pool) -> Result<(), NoMore> {
        let at_ns = clock::now_ns();
        // An empty line before an answer is passed over (RFC 9112, section 2.2).
        let mut used = received.iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
        while used < received.len() {
            // A server that times out says so unasked (RFC 9110, section 15.5.9).
            let Some(attempt) = self.in_flight.borrow().front().copied() else { return Err(NoMore::Closing) };
            let answer = http::take_answer(&received[used..], &[], |head, body| {
                // On a connection that it had kept, the server says so that it waited for a request too long: it has read none.
                let is_late = head.status == REQUEST_TIMEOUT && !head.keeps_alive && self.answers.get() > 0;
                if !is_late {
                    pool.answered(attempt, &head, body, at_ns);
                }
                (is_late, head.keeps_alive)
            });
            let Some((len, (is_late, keeps_alive))) = answer.map_err(NoMore::Unreadable)? else { break };
            if is_late {
                return Err(NoMore::Closing);
            }
            self.in_flight.borrow_mut().pop_front();
            self.answers.set(self.answers.get() + 1);
            used += len;
            if !keeps_alive {
                return Err(NoMore::Closing);
            }
        }
        received.drain(..used);
        self.answered_at.set(Some(clock::now()));
        Ok(())
    }

    /// The stream has ended, or the connection has failed.
    fn end(&self, received: &[u8], pool: &Pool, opened: Instant) -> Ended {
        let oldest = self.in_flight.borrow().front().copied();
        // An answer may end with its connection (RFC 9112, section 6.3).
        if let Some(attempt) = oldest
            && let Ok(Some((head_len, head))) = http::read_head(received)
        {
            self.in_flight.borrow_mut().pop_front();
            self.answers.set(self.answers.get() + 1);
            if head.body == Body::UntilClose {
                pool.answered(attempt, &head, &received[head_len..], clock::now_ns());
                return self.close(pool, opened);
            }
            pool.cut_off(attempt, &head, clock::now_ns());
        } else if oldest.is_none() && self.has_just_answered() {
            pool.ended_silently_after(self.answers.get());
        }
        self.lose(pool, opened)
    }

    /// True when the end belongs to the last answer, rather than to the rest after it.
    fn has_just_answered(&self) -> bool {
        self.answered_at.get().is_some_and(|at| clock::now().saturating_duration_since(at) < SHORT_LIFE)
    }

    /// The server closes the connection, and has said so: it acts on no request behind the one that it has answered.
    fn close(&self, pool: &Pool, opened: Instant) -> Ended {
        let (begun, unbegun) = self.take_unanswered();
        let was_asked = !(begun.is_empty() && unbegun.is_empty());
        // The last first, for each goes to the front.
        begun.into_iter().chain(unbegun).rev().for_each(|attempt| pool.again(attempt));
        self.ended(opened, was_asked)
    }

    /// The connection is gone, and with it every answer that has not come.
    fn lose(&self, pool: &Pool, opened: Instant) -> Ended {
        let (begun, unbegun) = self.take_unanswered();
        let ended = if begun.is_empty() { self.ended(opened, !unbegun.is_empty()) } else { Ended::Failed };
        unbegun.into_iter().rev().for_each(|attempt| pool.again(attempt));
        begun.into_iter().rev().for_each(|attempt| pool.unanswered(attempt));
        ended
    }

    /// How it ended, with or without something that it `was_asked` to carry.
    fn ended(&self, opened: Instant, was_asked: bool) -> Ended {
        let has_lived = clock::now().saturating_duration_since(opened) >= SHORT_LIFE;
        match self.answers.get() > 0 || has_lived {
            true => Ended::Orderly,
            false if was_asked => Ended::Failed,
            false => Ended::Unused,
        }
    }
}

impl Wire {
    fn new(line: Line) -> Self {
        Self {
            line,
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            received: Vec::new(),
            outgoing: Vec::new(),
            written: 0,
            needs_flush: false,
            must_listen: false,
            is_broken: false,
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(&mut self.scratch);
        Pin::new(&mut self.line).poll_read(cx, &mut buffer).map_ok(|()| {
            self.received.extend_from_slice(buffer.filled());
            buffer.filled().len()
        })
    }

    fn request_is_out(&mut self) {
        self.outgoing = Vec::new();
        (self.written, self.needs_flush) = (0, false);
    }

    /// True when the kernel has something for us: bytes, the end of the stream, or an error.
    fn has_something(&self) -> bool {
        let mut byte = [0];
        !matches!(recv(self.fd(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT), Err(rustix::io::Errno::WOULDBLOCK))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.line {
            Either::Left(tcp) => tcp.as_fd(),
            Either::Right(sealed) => sealed.get_ref().0.as_fd(),
        }
    }
}
