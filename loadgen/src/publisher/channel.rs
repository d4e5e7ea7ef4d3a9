//! A socket to the server that notifications go in order, opened again whenever it is lost, whatever is spoken on it.

mod taken;
#[cfg(test)]
mod tests;
mod upkeep;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

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
use crate::wire::websocket::CLOSE_PATIENCE;
use taken::Taken;

/// The receiving half of a connection.
pub(super) type Reading = Either<OwnedReadHalf, ReadHalf<TlsStream<TcpStream>>>;
/// The sending half of a connection.
pub(super) type Writing = Either<OwnedWriteHalf, WriteHalf<TlsStream<TcpStream>>>;

/// Longest wait for a Socket.IO server to have read all that was said, before the publisher takes its leave; WebSocket
/// servers answer a ping at once, and whoever does not is left all the same.
const KNOCK_BOUND: Duration = Duration::from_secs(1);

/// What is spoken on a channel. Each kind is a file of its own.
#[derive(Debug)]
pub(super) enum Kind {
    /// A message per notification, and an answer to it if the target file says what one looks like.
    Ws(Ws),
    /// An event per notification, and an acknowledgement of each if the target asks for one.
    SocketIo(SocketIo),
}

impl Kind {
    /// True when the server answers for each notification.
    fn is_answered(&self) -> bool {
        match self {
            Self::Ws(ws) => ws.is_answered(),
            Self::SocketIo(session) => session.wants_acknowledgements(),
        }
    }

    /// True when notifications of `topic` go this way.
    fn carries(&self, topic: u16) -> bool {
        match self {
            Self::Ws(ws) => ws.carries(topic),
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
    /// True while it is opened again at once, after an orderly end: what falls due waits for that.
    is_reopening: Cell<bool>,
    /// What waits for it, in order.
    waiting: RefCell<VecDeque<Publication>>,
    /// When it was opened.
    opened_at: Cell<Instant>,
    /// True once a notification was written on it since it was opened.
    was_used: Cell<bool>,
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
            is_reopening: Cell::default(),
            waiting: RefCell::default(),
            opened_at: Cell::new(clock::now()),
            was_used: Cell::default(),
            is_leaving: Cell::default(),
            books,
        });
        let (reader, rest) = channel.connect().await?;
        tokio::task::spawn_local(Rc::clone(&channel).keep_reading(reader, rest));
        Ok(channel)
    }

    /// Sends one notification; waits for room in the socket if need be, never for an answer, nor for a socket that is opened again: then the
    /// notification is kept until it is. `handed_over` is called once the books will tell what became of it.
    pub(super) async fn send(&self, publication: Publication, handed_over: impl FnOnce()) {
        if self.is_reopening.get() {
            self.waiting.borrow_mut().push_back(publication);
            return handed_over();
        }
        self.write(publication, handed_over).await;
    }

    async fn write(&self, publication: Publication, handed_over: impl FnOnce()) {
        let Publication { arrive, in_window, postmark } = publication;
        let Some(mut writer) = self.await_writer().await else {
            if self.is_reopening.get() {
                self.waiting.borrow_mut().push_back(publication);
            } else {
                self.books.borrow_mut().refuse(arrive, in_window, UNCONNECTED);
            }
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
        self.was_used.set(true);
        handed_over();
        let is_written = writer.write_all(&bytes).await;
        if !self.kind.is_answered() {
            self.books.borrow_mut().written(arrive, is_written);
        }
        drop(writer);
        self.reply().await;
    }

    /// Has something said as soon as nothing else is being written.
    pub(super) async fn answer_with(&self, bytes: &[u8]) {
        self.replies.borrow_mut().extend_from_slice(bytes);
        self.reply().await;
    }

    /// Answers the server's last words within a bound, unless they are the answer to ours.
    pub(super) async fn say_last(&self, bytes: &[u8]) {
        if !self.is_leaving.get() {
            let _ = tokio::time::timeout(CLOSE_PATIENCE, self.answer_with(bytes)).await;
        }
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

    /// True while something waits for the socket to be opened again.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Sends nothing of what waits for the socket to be opened again: it is told as not sent, for a reason of this kind.
    pub(super) fn refuse_waiting(&self, kind: &str) {
        for Publication { arrive, in_window, .. } in self.waiting.take() {
            self.books.borrow_mut().refuse(arrive, in_window, kind);
        }
    }

    /// True while there is something to write to, whoever has it.
    fn is_connected(&self) -> bool {
        self.is_writing.get() || self.writer.borrow().is_some()
    }

    /// Waits until everything was answered; where nothing is, until the server has ended what we have ended.
    pub(super) async fn settle(&self) {
        while self.has_waiting() || self.kind.is_answered() && !self.books.borrow().pending.is_empty() {
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
}
