//! Opening a publisher's socket, and opening it again: at once after an orderly end, after a pause when something failed.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncReadExt;
use tokio_util::either::Either;

use super::{Channel, Kind, Reading, Writing};
use crate::clock;
use crate::publisher::books::UNCONNECTED;
use crate::publisher::{socketio, ws};
use crate::wire::websocket::CLOSE_PATIENCE;

/// Pause before a channel is opened again that failed, or that had ended sooner than this with nothing published on it: a server that lets
/// in and closes at once is not asked without end.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for a server to let a publisher in, handshake and all; a lost channel is then tried anew.
const CONNECT_BOUND: Duration = Duration::from_secs(5);

impl Channel {
    /// Connects within a bound, and says what stands before the first notification; returns what came with the answer to that.
    pub(super) async fn connect(&self) -> anyhow::Result<(Reading, Vec<u8>)> {
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
        self.opened_at.set(clock::now());
        self.was_used.set(false);
        Ok((reader, rest))
    }

    /// Reads what comes, and connects again whenever the connection is lost.
    pub(super) async fn keep_reading(self: Rc<Self>, mut reader: Reading, mut rest: Vec<u8>) {
        loop {
            let end = match &self.kind {
                Kind::Ws(socket) => {
                    ws::listen(&mut reader, std::mem::take(&mut rest), socket, &self, &self.books).await
                }
                Kind::SocketIo(session) => socketio::listen(&mut reader, session, &self, &self.books).await,
            };
            if let Some(told) = end.told.filter(|_| !self.is_leaving.get()) {
                self.books.borrow_mut().socket_ended(told);
            }
            let lasted = self.was_used.get() || clock::now() - self.opened_at.get() >= RECONNECT_PAUSE;
            self.lose(end.is_orderly && lasted);
            while !self.is_leaving.get() {
                if !self.is_reopening.get() {
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
                if let Ok((new_reader, new_rest)) = self.connect().await {
                    let old = std::mem::replace(&mut reader, new_reader);
                    rest = new_rest;
                    tokio::task::spawn_local(read_to_end(old));
                    tokio::task::spawn_local(Rc::clone(&self).send_waiting());
                    break;
                }
                self.is_reopening.set(false);
                self.refuse_waiting(UNCONNECTED);
            }
            if self.is_leaving.get() {
                self.writer.borrow_mut().take();
                return;
            }
        }
    }

    /// Sends what has waited, in order; what falls due meanwhile waits behind it.
    async fn send_waiting(self: Rc<Self>) {
        let losses = self.losses.get();
        while self.losses.get() == losses {
            let Some(next) = self.waiting.borrow_mut().pop_front() else {
                return self.is_reopening.set(false);
            };
            self.write(next, || ()).await;
        }
    }

    fn lose(&self, is_reopening: bool) {
        self.is_reopening.set(is_reopening);
        self.writer.borrow_mut().take();
        self.replies.borrow_mut().clear();
        self.losses.set(self.losses.get() + 1);
        self.is_writing.set(false);
        self.returned.notify_waiters();
        let is_answered = self.kind.is_answered();
        self.books.borrow_mut().lose_connection(|topic| self.kind.carries(topic), is_answered);
        if !is_reopening {
            self.refuse_waiting(UNCONNECTED);
        }
    }
}

/// Reads the rest of a socket that was left, for a bounded time: to close one with something unread in it resets the connection, and the
/// server may lose what it has not read.
async fn read_to_end(mut reader: Reading) {
    let mut scratch = [0; 4096];
    let rest = async { while matches!(reader.read(&mut scratch).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(CLOSE_PATIENCE, rest).await;
}
