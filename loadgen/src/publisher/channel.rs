//! A socket to the server that notifications go in order, opened again whenever it is lost, whatever is spoken on it.

mod taken;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::books::{Books, Pending, UNCONNECTED};
use super::channels::LOOK_AGAIN;
use super::publication::Publication;
use super::socketio::SocketIo;
use super::ws::Ws;
use crate::clock;
use crate::target::Target;
use taken::Taken;

/// The receiving half of a connection.
pub(super) type Reading = Either<OwnedReadHalf, ReadHalf<TlsStream<TcpStream>>>;
/// The sending half of a connection.
pub(super) type Writing = Either<OwnedWriteHalf, WriteHalf<TlsStream<TcpStream>>>;

/// Pause before a lost publishing channel is opened again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for a Socket.IO server to have read all that was said, before the publisher takes its leave; WebSocket
/// servers answer a ping at once, and whoever does not is left all the same.
const KNOCK_BOUND: Duration = Duration::from_secs(1);
/// Longest wait for a server to let a publisher in, handshake and all; a lost channel is then tried anew.
const CONNECT_BOUND: Duration = Duration::from_secs(5);

/// What is spoken on a channel. Each kind is a file of its own.
#[derive(Debug)]
pub(super) enum Kind {
    /// A message per notification, and no answer to it.
    Ws(Ws),
    /// An event per notification, and an acknowledgement of each if the target asks for one.
    SocketIo(SocketIo),
}

impl Kind {
    /// True when the server answers for each notification.
    fn is_answered(&self) -> bool {
        match self {
            Self::Ws(_) => false,
            Self::SocketIo(session) => session.wants_acknowledgements(),
        }
    }

    /// True when notifications of `topic` go this way.
    fn carries(&self, topic: u16) -> bool {
        match self {
            Self::Ws(_) => true,
            Self::SocketIo(session) => session.carries(topic),
        }
    }
}

/// One connection to the server that is kept open.
#[derive(Debug)]
pub(super) struct Channel {
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
    pub(super) async fn open(kind: Kind, target: &Target, books: Rc<RefCell<Books>>) -> anyhow::Result<Rc<Self>> {
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

    /// Sends one notification; waits for room in the socket if need be, never for an answer. `handed_over` is called once the books will tell
    /// what became of it.
    pub(super) async fn send(&self, publication: Publication, handed_over: impl FnOnce()) {
        let Publication { arrive, in_window, postmark } = publication;
        let Some(mut writer) = self.await_writer().await else {
            self.books.borrow_mut().refuse(arrive, in_window, UNCONNECTED);
            return handed_over();
        };
        let bytes = match &self.kind {
            Kind::Ws(ws) => ws.frame(arrive.topic, postmark),
            Kind::SocketIo(session) => session.frame(arrive.topic, postmark),
        };
        {
            let mut books = self.books.borrow_mut();
            let sent_ns = books.leaves(arrive);
            books.sent(in_window, false);
            books.await_acknowledgement(Pending { arrive, in_window, sent_ns });
        }
        handed_over();
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
    pub(super) async fn settle(&self) {
        while self.kind.is_answered() && !self.books.borrow().pending.is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let goodbye = match &self.kind {
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
            let end = match &self.kind {
                Kind::Ws(_) => super::ws::discard(&mut reader, std::mem::take(&mut rest), &self).await,
                Kind::SocketIo(session) => super::socketio::listen(&mut reader, session, &self, &self.books).await,
            };
            if let Some(end) = end.filter(|_| !self.is_leaving.get()) {
                self.books.borrow_mut().socket_ended(end);
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
        let is_answered = self.kind.is_answered();
        self.books.borrow_mut().lose_connection(|topic| self.kind.carries(topic), is_answered);
    }
}
