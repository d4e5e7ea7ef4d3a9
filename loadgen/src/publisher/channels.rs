//! The ways to the server that notifications go: a pool of HTTP connections, or one socket or several.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context;
use feed::Postmark;
use futures_util::future::join_all;
use results::Accepted;

use super::books::{Books, UNSENT};
use super::channel::{Channel, Kind};
use super::pool::Pool;
use super::publication::Publication;
use super::socketio::SocketIo;
use super::ws::Ws;
use crate::clock;
use crate::plan::{Arrive, Plan};
use crate::recording::Departures;
use crate::target::{Publishing, Target};

/// Between two looks at whether answers have come.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// Longest wait for the last answers, or for the server's end of a socket that has none.
const ANSWERS_BOUND: Duration = Duration::from_secs(5);

/// All ways of a run.
#[derive(Debug)]
pub struct Channels {
    ways: Ways,
    pub(super) books: Rc<RefCell<Books>>,
}

#[derive(Debug)]
enum Ways {
    /// A request each, over as many connections as it takes.
    Requests(Rc<Pool>),
    /// A message each, over one socket, or over one per topic where the way to a topic is a socket of its own.
    Sockets(Vec<Rc<Channel>>),
}

impl Channels {
    /// Opens them.
    ///
    /// # Errors
    ///
    /// When the first connection to the server, or any of the sockets, cannot be opened.
    pub async fn open(
        plan: &Plan,
        target: &Target,
        departures: Arc<Departures>,
        sent: Arc<AtomicU64>,
        tolerated_wait: Duration,
    ) -> anyhow::Result<Self> {
        let is_answered = target.file.publishing.is_answered();
        let accepted_when = if is_answered { Accepted::Answered } else { Accepted::Written };
        let opened = match &target.file.publishing {
            Publishing::Http { .. } => {
                let books = Rc::new(RefCell::new(Books::of_requests(plan, departures, sent)));
                let pool = Pool::open(plan, target, tolerated_wait, Rc::clone(&books)).await;
                pool.map(|pool| Self { ways: Ways::Requests(pool), books })
            }
            Publishing::Ws { .. } => {
                let kinds = Ws::for_topics(plan, target).into_iter().map(Kind::Ws).collect();
                Self::open_sockets(kinds, target, Books::of_sockets(plan, accepted_when, departures, sent)).await
            }
            Publishing::SocketIo { .. } => {
                let kinds = SocketIo::for_topics(plan, target).into_iter().map(Kind::SocketIo).collect();
                Self::open_sockets(kinds, target, Books::of_sockets(plan, accepted_when, departures, sent)).await
            }
        };
        opened.with_context(|| format!("cannot publish to {}", target.shown_url()))
    }

    async fn open_sockets(kinds: Vec<Kind>, target: &Target, books: Books) -> anyhow::Result<Self> {
        let books = Rc::new(RefCell::new(books));
        let mut sockets = Vec::new();
        for kind in kinds {
            sockets.push(Channel::open(kind, target, Rc::clone(&books)).await?);
        }
        Ok(Self { ways: Ways::Sockets(sockets), books })
    }

    /// Publishes one notification; `handed_over` is called once it is certain that what becomes of it will be on the books. Waits for room in a
    /// socket if need be, never for an answer, nor for a free connection.
    pub(super) async fn publish(&self, publication: Publication, handed_over: impl FnOnce()) {
        match &self.ways {
            Ways::Requests(pool) => {
                handed_over();
                pool.publish(publication);
                // The connections are tasks of this thread: a publisher that is behind must not keep them from writing.
                tokio::task::yield_now().await;
            }
            Ways::Sockets(sockets) => {
                let socket = &sockets[usize::from(publication.arrive.topic) % sockets.len()];
                socket.send(publication, handed_over).await;
            }
        }
    }

    /// Publishes one notification on the first topic, now, and says within `bound` why it was not accepted, if it was not.
    pub async fn publish_one(&self, plan: &Plan, sequence: u32, bound: Duration) -> Result<(), String> {
        let (before, refused) = {
            let books = self.books.borrow();
            (books.failures().clone(), books.count_not_accepted())
        };
        let arrive = Arrive { offset: plan.warmup, topic: 0, sequence };
        let postmark = Postmark { run: plan.run, publisher: 0, sequence, intended_ns: clock::now_ns() };
        let published = async {
            self.publish(Publication { arrive, in_window: true, postmark }, || ()).await;
            while self.is_awaiting_answers() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(bound, published).await.is_err() {
            return Err("no answer in time".to_owned());
        }
        let books = self.books.borrow();
        if books.count_not_accepted() == refused {
            return Ok(());
        }
        let new = books.failures().iter().find(|(kind, count)| before.get(*kind) != Some(count));
        new.map_or(Ok(()), |(kind, _)| Err(kind.clone()))
    }

    /// What the server answered to the first publication over HTTP, or said first on a publisher's own socket.
    pub fn first_answers(&self) -> Vec<String> {
        self.books.borrow().told_first()
    }

    fn is_awaiting_answers(&self) -> bool {
        match &self.ways {
            Ways::Requests(pool) => pool.is_busy(),
            Ways::Sockets(sockets) => {
                !self.books.borrow().pending.is_empty() || sockets.iter().any(|socket| socket.has_waiting())
            }
        }
    }

    /// Sends nothing more of what waits for a connection: it was due, and is told as unsent.
    pub(super) fn stop_sending(&self) {
        match &self.ways {
            Ways::Requests(pool) => pool.stop_sending(),
            Ways::Sockets(sockets) => sockets.iter().for_each(|socket| socket.refuse_waiting(UNSENT)),
        }
    }

    /// Waits, for a bounded time, until everything that was sent has been answered for or been taken in by the server; what then is
    /// unanswered stays so.
    pub async fn await_answers(&self) {
        let settled = async {
            match &self.ways {
                Ways::Requests(pool) => {
                    while pool.is_busy() {
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                }
                Ways::Sockets(sockets) => drop(join_all(sockets.iter().map(|socket| socket.settle())).await),
            }
        };
        let _ = tokio::time::timeout(ANSWERS_BOUND, settled).await;
        match &self.ways {
            Ways::Requests(pool) => pool.give_up(),
            Ways::Sockets(sockets) => sockets.iter().for_each(|socket| socket.refuse_waiting(UNSENT)),
        }
    }
}
