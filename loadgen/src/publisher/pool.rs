//! HTTP connections for publishing: one request in flight on each, as many as it takes, and one ready before it is needed.
//!
//! A server may work off the requests of one connection one after another, and is told not to be sent a second request that is not idempotent
//! before it has answered the first (RFC 9112, section 9.3.2): what it then delays is the connection's doing, not the server's.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;

use super::books::{Books, Pending, TRUNCATED, UNANSWERED, UNCONNECTED, UNKNOWN, UNSENT};
use super::http::Http;
use super::http_connection::{Ended, HttpConnection};
use super::publication::Publication;
use crate::clients::ClientError;
use crate::clock;
use crate::plan::Plan;
use crate::target::{Line, Target};
use crate::wire::http::{Head, HttpError};

/// Pause before the next attempt to connect when one has failed, or a connection has ended otherwise than in order.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for a connection to be open, TLS included.
const CONNECT_BOUND: Duration = Duration::from_secs(5);
/// Connections that are ready for the next publications, at least.
const LEAST_READY: usize = 2;
/// Half as many more as are busy are kept ready.
const READY_SHARE: usize = 2;
/// How often a request is sent at most that carries an idempotency key.
const MOST_REQUESTS: u32 = 3;

/// A publication, and what was done for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    publication: Publication,
    /// Requests begun so far.
    requests: u32,
    /// When the first of them was made, ns.
    sent_ns: Option<u64>,
    /// When it found no free connection, ns.
    waits_since_ns: Option<u64>,
    /// True when a request of it was left without an answer, so that the server may have taken it.
    may_be_taken: bool,
}

/// All HTTP connections of a publisher.
#[derive(Debug)]
pub(super) struct Pool {
    http: Http,
    target: Target,
    /// Connections that are open at a time at most.
    most: usize,
    /// True when all requests go over one connection, whether or not those before them are answered.
    pipelines: bool,
    /// Publications per second, all topics together.
    rate: f64,
    /// A wait for a free connection that is not longer counts as none.
    tolerated_wait: Duration,
    books: Rc<RefCell<Books>>,
    connections: RefCell<Connections>,
    /// What waits for a free connection, oldest first.
    waiting: RefCell<VecDeque<Attempt>>,
    /// Publications of which it is not known yet what becomes of them.
    undecided: Cell<usize>,
    /// True after a failure, until connecting is tried again.
    is_pausing: Cell<bool>,
    /// True while no connection is opened that is not needed at once: the server ends those that wait for a request.
    is_sparing: Cell<bool>,
    /// After how many answers connections ended without a word of it, and how often in a row it was so many.
    ends_after: Cell<(u32, u32)>,
    /// True once nothing more is waited for.
    is_over: Cell<bool>,
}

#[derive(Debug, Default)]
struct Connections {
    open: Vec<Rc<HttpConnection>>,
    /// Free ones that have carried something, the latest last: it is the one that the server is least likely to end.
    used: Vec<Rc<HttpConnection>>,
    /// Free ones that have not, oldest first: a server that serves one connection after another comes to the oldest first.
    fresh: VecDeque<Rc<HttpConnection>>,
    /// How many are being opened.
    opening: usize,
    /// How long that took the last time.
    took: Duration,
}

impl Pool {
    /// Opens the first connections.
    ///
    /// # Errors
    ///
    /// When the first cannot be opened.
    pub(super) async fn open(
        plan: &Plan,
        target: &Target,
        tolerated_wait: Duration,
        books: Rc<RefCell<Books>>,
    ) -> anyhow::Result<Rc<Self>> {
        let pool = Rc::new(Self {
            http: Http::new(plan, target),
            target: target.clone(),
            tolerated_wait,
            most: if plan.publish_pipelined { 1 } else { plan.own_publish_connections() as usize },
            pipelines: plan.publish_pipelined,
            rate: plan.own_rate() * plan.topics.len() as f64,
            books,
            connections: RefCell::default(),
            waiting: RefCell::default(),
            undecided: Cell::new(0),
            is_pausing: Cell::new(false),
            is_sparing: Cell::new(false),
            ends_after: Cell::new((0, 0)),
            is_over: Cell::new(false),
        });
        let line = pool.dial().await?;
        pool.begin(line);
        pool.open_ahead();
        Ok(pool)
    }

    /// Publishes one notification over a free connection, or over the next that is free.
    pub(super) fn publish(self: &Rc<Self>, publication: Publication) {
        self.undecided.set(self.undecided.get() + 1);
        let attempt = Attempt { publication, requests: 0, sent_ns: None, waits_since_ns: None, may_be_taken: false };
        match self.take_free() {
            Some(connection) => connection.assign(attempt),
            None if self.is_cut_off() => self.refuse(attempt, UNCONNECTED),
            None => {
                let waiting = Attempt { waits_since_ns: Some(clock::now_ns()), ..attempt };
                self.waiting.borrow_mut().push_back(waiting);
            }
        }
        self.open_ahead();
    }

    fn take_free(&self) -> Option<Rc<HttpConnection>> {
        let mut connections = self.connections.borrow_mut();
        if self.pipelines {
            return connections.open.first().cloned();
        }
        connections.used.pop().or_else(|| connections.fresh.pop_front())
    }

    /// True when no connection is open, and none is expected to be in a moment.
    fn is_cut_off(&self) -> bool {
        self.is_pausing.get() && self.connections.borrow().open.is_empty()
    }

    /// True while the answer to anything is outstanding.
    pub(super) fn is_busy(&self) -> bool {
        self.undecided.get() > 0
    }

    /// True when requests do not wait for the answers to those before them.
    pub(super) fn pipelines(&self) -> bool {
        self.pipelines
    }

    /// True once nothing more is waited for.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// The request of an attempt, which is about to be made.
    pub(super) fn request(&self, attempt: &mut Attempt) -> Vec<u8> {
        let Publication { arrive, postmark, .. } = attempt.publication;
        attempt.sent_ns.get_or_insert_with(|| self.books.borrow_mut().leaves(arrive));
        self.http.request(arrive.topic, postmark)
    }

    /// The attempt as its first bytes have left.
    pub(super) fn begun(&self, attempt: Attempt) -> Attempt {
        self.books.borrow_mut().sent(attempt.publication.in_window, attempt.requests > 0);
        Attempt { requests: attempt.requests + 1, ..attempt }
    }

    /// The server has answered.
    pub(super) fn answered(&self, attempt: Attempt, head: &Head, body: &[u8], at_ns: u64) {
        let Publication { arrive, in_window, .. } = attempt.publication;
        self.books.borrow_mut().first_answer(|| quote(head, body));
        match self.http.refusal(head, body) {
            Some(kind) => {
                self.books.borrow_mut().refuse_with(arrive, in_window, &kind, || quote(head, body));
                self.decided();
            }
            None => {
                let sent_ns = attempt.sent_ns.unwrap_or(at_ns);
                self.books.borrow_mut().accept(Pending { arrive, in_window, sent_ns }, at_ns);
                self.decided();
            }
        }
    }

    /// The connection was lost before the server had answered.
    pub(super) fn unanswered(&self, attempt: Attempt) {
        if self.http.has_idempotency_key() && attempt.requests < MOST_REQUESTS && !self.is_over.get() {
            return self.again(Attempt { may_be_taken: true, ..attempt });
        }
        self.unknown(attempt, UNKNOWN);
    }

    fn unknown(&self, attempt: Attempt, kind: &str) {
        let Publication { arrive, in_window, .. } = attempt.publication;
        self.books.borrow_mut().unknown(arrive, in_window, kind);
        self.decided();
    }

    /// The head of the answer has come, and its body was cut off: the status counts, unless the body is to say what it is.
    pub(super) fn cut_off(&self, attempt: Attempt, head: &Head, at_ns: u64) {
        let is_success = (200..300).contains(&head.status);
        self.books.borrow_mut().count_failure(TRUNCATED);
        if is_success && self.http.reads_bodies() {
            self.unknown(attempt, UNKNOWN);
        } else {
            self.answered(attempt, head, b"", at_ns);
        }
    }

    /// What the server sent was no answer.
    pub(super) fn unreadable(&self, error: HttpError) {
        let error = ClientError::from(error);
        self.books.borrow_mut().fails_with(&error.kind(), || error.quote());
    }

    /// The server has certainly not acted on it, or recognises it: it goes over the next connection that is free.
    pub(super) fn again(&self, attempt: Attempt) {
        match self.take_free().filter(|_| !self.pipelines) {
            Some(connection) => connection.assign(attempt),
            None => self.waiting.borrow_mut().push_front(attempt),
        }
    }

    /// The next that waits for a free connection.
    pub(super) fn next_waiting(&self) -> Option<Attempt> {
        let attempt = self.waiting.borrow_mut().pop_front()?;
        Some(self.waited(attempt))
    }

    /// The attempt, which waits no more. A publication has waited if that took longer than it was late anyway: what the generator itself
    /// delayed shows as send lag.
    fn waited(&self, attempt: Attempt) -> Attempt {
        if let Some(since_ns) = attempt.waits_since_ns {
            let late_ns = since_ns.saturating_sub(attempt.publication.postmark.intended_ns);
            let tolerated_ns = (self.tolerated_wait.as_nanos() as u64).max(late_ns);
            if clock::now_ns().saturating_sub(since_ns) > tolerated_ns {
                self.books.borrow_mut().waited(attempt.publication.in_window);
            }
        }
        Attempt { waits_since_ns: None, ..attempt }
    }

    /// A connection is free.
    pub(super) fn free(&self, connection: &Rc<HttpConnection>) {
        // The one connection of a pipeline takes everything, free or not.
        if !self.pipelines {
            self.connections.borrow_mut().used.push(Rc::clone(connection));
        }
    }

    /// Sends nothing more of what waits.
    pub(super) fn stop_sending(&self) {
        for attempt in self.waiting.take() {
            let attempt = self.waited(attempt);
            if attempt.may_be_taken {
                self.unknown(attempt, UNANSWERED);
            } else {
                self.refuse(attempt, UNSENT);
            }
        }
    }

    /// Waits for no answer any more, and ends all connections.
    pub(super) fn give_up(&self) {
        self.is_over.set(true);
        self.stop_sending();
        for connection in &self.connections.borrow().open {
            let (begun, unbegun) = connection.take_unanswered();
            begun.into_iter().for_each(|attempt| self.unknown(attempt, UNANSWERED));
            unbegun.into_iter().for_each(|attempt| self.refuse(attempt, UNSENT));
            connection.wake();
        }
    }

    fn refuse(&self, attempt: Attempt, kind: &str) {
        let Publication { arrive, in_window, .. } = attempt.publication;
        self.books.borrow_mut().refuse(arrive, in_window, kind);
        self.decided();
    }

    fn decided(&self) {
        self.undecided.set(self.undecided.get() - 1);
    }

    /// Opens connections until as many are free as will be needed before another one could be opened.
    fn open_ahead(self: &Rc<Self>) {
        if self.is_pausing.get() || self.is_over.get() {
            return;
        }
        let missing = {
            let connections = self.connections.borrow();
            let free = connections.used.len() + connections.fresh.len();
            let busy = connections.open.len() - free.min(connections.open.len());
            let while_opening = (self.rate * connections.took.as_secs_f64()).ceil() as usize;
            let ready = match self.is_sparing.get() {
                true => 0,
                false => LEAST_READY.max(busy / READY_SHARE).max(while_opening),
            };
            let wanted = self.waiting.borrow().len() + ready;
            let room = self.most.saturating_sub(connections.open.len() + connections.opening);
            wanted.saturating_sub(free + connections.opening).min(room)
        };
        self.connections.borrow_mut().opening += missing;
        for _ in 0..missing {
            let pool = Rc::clone(self);
            tokio::task::spawn_local(async move { pool.open_one().await });
        }
    }

    async fn open_one(self: Rc<Self>) {
        let line = self.dial().await;
        self.connections.borrow_mut().opening -= 1;
        match line {
            _ if self.is_over.get() => {}
            Ok(line) => self.begin(line),
            Err(_) => self.pause(),
        }
    }

    async fn dial(&self) -> anyhow::Result<Line> {
        let started = clock::now();
        let opened = tokio::time::timeout(CONNECT_BOUND, self.target.open()).await;
        let line = opened.with_context(|| {
            format!("no connection for publishing was open within {} s: expected one at once", CONNECT_BOUND.as_secs())
        })??;
        self.connections.borrow_mut().took = clock::now().saturating_duration_since(started);
        Ok(line)
    }

    /// Puts an open connection to use.
    fn begin(self: &Rc<Self>, line: Line) {
        let connection = Rc::new(HttpConnection::default());
        {
            let mut connections = self.connections.borrow_mut();
            connections.open.push(Rc::clone(&connection));
            self.books.borrow_mut().opened(connections.open.len() as u64);
        }
        match self.next_waiting() {
            Some(attempt) => connection.assign(attempt),
            None if self.pipelines => {}
            None => self.connections.borrow_mut().fresh.push_back(Rc::clone(&connection)),
        }
        if self.pipelines {
            self.waiting.take().into_iter().for_each(|attempt| connection.assign(self.waited(attempt)));
        }
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let ended = connection.serve(line, &pool).await;
            pool.forget(&connection);
            match ended {
                Ended::Orderly => pool.open_ahead(),
                Ended::Unused => pool.spare(),
                Ended::Failed => pool.pause(),
            }
        });
    }

    fn forget(&self, connection: &Rc<HttpConnection>) {
        let mut connections = self.connections.borrow_mut();
        let is_other = |other: &Rc<HttpConnection>| !Rc::ptr_eq(other, connection);
        connections.open.retain(is_other);
        connections.used.retain(is_other);
        connections.fresh.retain(is_other);
    }

    /// Opens no connection ahead of need for a while.
    fn spare(self: &Rc<Self>) {
        if !self.is_sparing.replace(true) {
            let pool = Rc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(RECONNECT_PAUSE).await;
                pool.is_sparing.set(false);
            });
        }
        self.open_ahead();
    }

    /// A connection ended without a word of it after so many answers.
    pub(super) fn ended_silently_after(&self, answers: u32) {
        let (before, times) = self.ends_after.get();
        self.ends_after.set((answers, if answers == before { times + 1 } else { 1 }));
    }

    /// True when connections end without a word after so many answers, one like the other: the end may be on its way.
    pub(super) fn is_worn_out(&self, answers: u32) -> bool {
        const ALIKE: u32 = 2;
        let (after, times) = self.ends_after.get();
        times >= ALIKE && answers >= after
    }

    /// Connects no more for a while. What waits, and has no connection to wait for, is told as refused.
    fn pause(self: &Rc<Self>) {
        if self.is_over.get() {
            return;
        }
        if self.connections.borrow().open.is_empty() {
            // What the server recognises is sent once it is back.
            let (kept, refused): (VecDeque<_>, VecDeque<_>) =
                self.waiting.take().into_iter().partition(|attempt| attempt.may_be_taken);
            self.waiting.borrow_mut().extend(kept);
            refused.into_iter().for_each(|attempt| self.refuse(attempt, UNCONNECTED));
        }
        if self.is_pausing.replace(true) {
            return;
        }
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(RECONNECT_PAUSE).await;
            pool.is_pausing.set(false);
            pool.open_ahead();
        });
    }
}

/// What an answer says, its beginning.
fn quote(head: &Head, body: &[u8]) -> String {
    /// Longest body that is quoted, bytes: whoever shows it cuts it further, once there is no secret in it.
    const LONGEST: usize = 4 * 1024;
    let body = String::from_utf8_lossy(&body[..body.len().min(LONGEST)]).into_owned();
    let location = head.location.iter().map(|location| format!(" (Location: {location})")).collect::<String>();
    format!("{}{location} {}", head.status, body.trim()).trim_end().to_owned()
}
