//! A way to the server that notifications go in order, opened again whenever it is lost, whatever is spoken on it.

mod taken;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use feed::Postmark;
use futures_util::future::join_all;
use results::Accepted;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::books::{Books, Pending, UNCONNECTED};
use super::http::Http;
use super::socketio::SocketIo;
use super::ws::Ws;
use crate::clock;
use crate::plan::{Arrive, Plan};
use crate::target::{Publishing, Target};
use taken::Taken;

/// The receiving half of a connection.
pub(super) type Reading = Either<OwnedReadHalf, ReadHalf<TlsStream<TcpStream>>>;
/// The sending half of a connection.
pub(super) type Writing = Either<OwnedWriteHalf, WriteHalf<TlsStream<TcpStream>>>;

/// Pause before a lost publishing channel is opened again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Between two looks at whether answers have come.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// Longest wait for a Socket.IO server to have read all that was said, before the publisher takes its leave; WebSocket
/// servers answer a ping at once, and whoever does not is left all the same.
const KNOCK_BOUND: Duration = Duration::from_secs(1);
/// Longest wait for the last answers, or for the server's end of a channel that has none.
const ANSWERS_BOUND: Duration = Duration::from_secs(5);
/// Longest wait for a server to let a publisher in, handshake and all; a lost channel is then tried anew.
const CONNECT_BOUND: Duration = Duration::from_secs(5);

/// What is spoken on a channel. Each kind is a file of its own.
#[derive(Debug)]
pub(super) enum Kind {
    /// A request per notification, and an answer to each.
    Http(Http),
    /// A message per notification, and no answer to it.
    Ws(Ws),
    /// An event per notification, and an acknowledgement of each if the target asks for one.
    SocketIo(SocketIo),
}

impl Kind {
    /// True when the server answers for each notification.
    fn is_answered(&self) -> bool {
        match self {
            Self::Http(_) => true,
            Self::Ws(_) => false,
            Self::SocketIo(session) => session.wants_acknowledgements(),
        }
    }

    /// True when notifications of `topic` go this way.
    fn carries(&self, topic: u16) -> bool {
        match self {
            Self::Http(_) | Self::Ws(_) => true,
            Self::SocketIo(session) => session.carries(topic),
        }
    }
}

/// All channels of a run: one, or one per topic where the way to a topic is a connection of its own.
#[derive(Debug)]
pub struct Channels {
    channels: Vec<Rc<Channel>>,
    pub(super) books: Rc<RefCell<Books>>,
}

impl Channels {
    /// Opens them all.
    pub async fn open(plan: &Plan, target: &Target) -> anyhow::Result<Self> {
        let (kinds, accepted_when) = match &target.file.publishing {
            Publishing::Http { .. } => (vec![Kind::Http(Http::new(plan, target))], Accepted::Answered),
            Publishing::Ws { .. } => {
                (Ws::for_topics(plan, target).into_iter().map(Kind::Ws).collect(), Accepted::Written)
            }
            Publishing::SocketIo { ack, .. } => (
                SocketIo::for_topics(plan, target).into_iter().map(Kind::SocketIo).collect(),
                if *ack { Accepted::Answered } else { Accepted::Written },
            ),
        };
        let books = Rc::new(RefCell::new(Books::new(plan, accepted_when)));
        let mut channels = Vec::new();
        for kind in kinds {
            let channel = Channel::open(kind, target, Rc::clone(&books)).await;
            channels.push(channel.with_context(|| format!("cannot publish to {}", target.shown_url()))?);
        }
        Ok(Self { channels, books })
    }

    /// The channel of a topic.
    pub fn of(&self, topic: u16) -> &Channel {
        &self.channels[usize::from(topic) % self.channels.len()]
    }

    /// Publishes one notification on the first topic, now, and says within `bound` why it was not accepted, if it was not.
    pub async fn publish_one(&self, plan: &Plan, sequence: u32, bound: Duration) -> Result<(), String> {
        let before = self.books.borrow().failures().clone();
        let arrive = Arrive { offset: plan.warmup, topic: 0, sequence };
        let postmark = Postmark { run: plan.run, publisher: 0, sequence, intended_ns: clock::now_ns() };
        let published = async {
            self.of(0).send(arrive, true, postmark, || ()).await;
            while !self.books.borrow().pending.is_empty() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(bound, published).await.is_err() {
            return Err("no answer in time".to_owned());
        }
        let books = self.books.borrow();
        let new = books.failures().iter().find(|(kind, count)| before.get(*kind) != Some(count));
        new.map_or(Ok(()), |(kind, _)| Err(kind.clone()))
    }

    /// Waits, for a bounded time, until everything that was sent has been answered for or been taken in by the server.
    pub async fn await_answers(&self) {
        let settled = join_all(self.channels.iter().map(|channel| channel.settle()));
        let _ = tokio::time::timeout(ANSWERS_BOUND, settled).await;
    }
}

/// One connection to the server that is kept open.
#[derive(Debug)]
pub struct Channel {
    kind: Kind,
    target: Target,
    /// The sending half; taken while something is written, absent while the connection is lost.
    writer: RefCell<Option<Writing>>,
    /// True while the sending half is taken and may come back.
    is_writing: Cell<bool>,
    /// Told when the sending half is back, or lost.
    returned: Notify,
    /// What the reading half wants to be said: pongs.
    replies: RefCell<Vec<u8>>,
    /// How often the connection was lost: what was sent into an old one is never matched to answers of a new one.
    losses: Cell<u64>,
    /// True when it is not to be opened again.
    is_leaving: Cell<bool>,
    books: Rc<RefCell<Books>>,
}

impl Channel {
    async fn open(kind: Kind, target: &Target, books: Rc<RefCell<Books>>) -> anyhow::Result<Rc<Self>> {
        let channel = Rc::new(Self {
            kind,
            target: target.clone(),
            writer: RefCell::default(),
            is_writing: Cell::default(),
            returned: Notify::new(),
            replies: RefCell::default(),
            losses: Cell::default(),
            is_leaving: Cell::default(),
            books,
        });
        let (reader, rest) = channel.connect().await?;
        tokio::task::spawn_local(Rc::clone(&channel).keep_reading(reader, rest));
        Ok(channel)
    }

    /// Sends one notification; waits for room in the socket if need be, never for an answer. `sent` is told the instant.
    pub(super) async fn send(&self, arrive: Arrive, in_window: bool, postmark: Postmark, sent: impl FnOnce()) {
        let Some(mut writer) = self.await_writer().await else {
            self.books.borrow_mut().refuse(arrive, in_window, UNCONNECTED);
            return;
        };
        let bytes = match &self.kind {
            Kind::Http(http) => http.request(arrive.topic, postmark),
            Kind::Ws(ws) => ws.frame(arrive.topic, postmark),
            Kind::SocketIo(session) => session.frame(arrive.topic, postmark),
        };
        self.books.borrow_mut().sent(Pending { arrive, in_window, sent_ns: clock::now_ns() });
        sent();
        let is_written = writer.write_all(&bytes).await;
        if !self.kind.is_answered() {
            self.books.borrow_mut().written(is_written);
        }
        drop(writer);
        self.reply().await;
    }

    /// Has something said as soon as nothing else is being written.
    pub(super) async fn answer_with(&self, bytes: &[u8]) {
        self.replies.borrow_mut().extend_from_slice(bytes);
        self.reply().await;
    }

    async fn reply(&self) {
        while !self.replies.borrow().is_empty() {
            // Whoever has it says the replies next.
            let Some(mut writer) = self.take_writer() else { return };
            let bytes = std::mem::take(&mut *self.replies.borrow_mut());
            if !writer.write_all(&bytes).await {
                return;
            }
        }
    }

    /// The sending half, as soon as it is free; `None` while the connection is lost.
    async fn await_writer(&self) -> Option<Taken<'_>> {
        loop {
            let taken = self.take_writer();
            if taken.is_some() || !self.is_writing.get() {
                return taken;
            }
            self.returned.notified().await;
        }
    }

    fn take_writer(&self) -> Option<Taken<'_>> {
        let writer = self.writer.borrow_mut().take()?;
        self.is_writing.set(true);
        Some(Taken::new(self, writer))
    }

    /// True while there is something to write to, whoever has it.
    fn is_connected(&self) -> bool {
        self.is_writing.get() || self.writer.borrow().is_some()
    }

    /// Waits until everything was answered; where nothing is, until the server has ended what we have ended.
    async fn settle(&self) {
        while self.kind.is_answered() && !self.books.borrow().pending.is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let goodbye = match &self.kind {
            Kind::Http(_) => return,
            Kind::Ws(ws) => ws.goodbye(),
            Kind::SocketIo(session) => {
                self.answer_with(&session.knock()).await;
                let bound = clock::now() + KNOCK_BOUND;
                while !session.was_answered() && self.is_connected() && clock::now() < bound {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                session.goodbye()
            }
        };
        self.is_leaving.set(true);
        self.answer_with(&goodbye).await;
        while self.is_connected() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Connects within a bound, and says what stands before the first notification; returns what came with the answer to that.
    async fn connect(&self) -> anyhow::Result<(Reading, Vec<u8>)> {
        tokio::time::timeout(CONNECT_BOUND, self.dial()).await.with_context(|| {
            let bound = CONNECT_BOUND.as_secs();
            format!("the server did not let the publisher in within {bound} s: expected an answer to its handshake")
        })?
    }

    async fn dial(&self) -> anyhow::Result<(Reading, Vec<u8>)> {
        let (mut reader, mut writer): (Reading, Writing) = match self.target.open().await? {
            Either::Left(tcp) => {
                let (reader, writer) = tcp.into_split();
                (Either::Left(reader), Either::Left(writer))
            }
            Either::Right(sealed) => {
                let (reader, writer) = tokio::io::split(sealed);
                (Either::Right(reader), Either::Right(writer))
            }
        };
        let rest = match &self.kind {
            Kind::Http(_) => Vec::new(),
            Kind::Ws(ws) => ws.shake_hands(&self.target, &mut reader, &mut writer).await?,
            Kind::SocketIo(session) => {
                session.join(&self.target, &mut reader, &mut writer).await?;
                Vec::new()
            }
        };
        *self.writer.borrow_mut() = Some(writer);
        Ok((reader, rest))
    }

    /// Reads what comes, and connects again whenever the connection is lost.
    async fn keep_reading(self: Rc<Self>, mut reader: Reading, mut rest: Vec<u8>) {
        loop {
            match &self.kind {
                Kind::Http(_) => super::http::read_answers(&mut reader, &self.books).await,
                Kind::Ws(_) => super::ws::discard(&mut reader, std::mem::take(&mut rest), &self).await,
                Kind::SocketIo(session) => super::socketio::listen(&mut reader, session, &self, &self.books).await,
            }
            self.lose();
            while !self.is_leaving.get() {
                tokio::time::sleep(RECONNECT_PAUSE).await;
                if let Ok((new_reader, new_rest)) = self.connect().await {
                    (reader, rest) = (new_reader, new_rest);
                    break;
                }
            }
            if self.is_leaving.get() {
                self.writer.borrow_mut().take();
                return;
            }
        }
    }

    fn lose(&self) {
        self.writer.borrow_mut().take();
        self.replies.borrow_mut().clear();
        self.losses.set(self.losses.get() + 1);
        self.is_writing.set(false);
        self.returned.notify_waiters();
        if self.kind.is_answered() {
            self.books.borrow_mut().lose_pending(|topic| self.kind.carries(topic));
        }
    }
}
