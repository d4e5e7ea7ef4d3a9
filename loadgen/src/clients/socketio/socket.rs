//! A session over WebSocket: one packet a frame, both ways.

use feed::framings::engine_io::{self, PROBE, Packet};
use feed::framings::websocket::{self, Message, Opcode, Reader, Role};

use super::super::{ClientError, Site};
use super::conversation::Conversation;
use super::rendezvous::Rendezvous;
use crate::recording::Account;
use crate::wire::http::{self, HttpError, WrongStatus};
use crate::wire::websocket::{CLOSE_PATIENCE, Farewell, MAX_MESSAGE, frame};
use crate::wire::{Connection, Handshake, SWITCHING};

/// A WebSocket that carries a session, or is to carry one.
#[derive(Debug)]
pub(super) struct Socket {
    connection: Connection,
    messages: Reader,
}

impl Socket {
    /// Opens a WebSocket: for a new session, or with `sid` for one that is to move here.
    pub(super) async fn open(
        site: &Site,
        client: u32,
        rendezvous: &Rendezvous,
        sid: Option<&str>,
        account: &Account,
    ) -> Result<Self, ClientError> {
        let handshake = Handshake::new();
        let request = rendezvous.request("GET", "websocket", sid) + &handshake.fields(None) + "\r\n";
        let mut connection = site.dialer.dial(client).await?;
        account.recorder().count(|counters| counters.opened += 1);
        connection.write_all(request.as_bytes()).await?;
        let head = connection.read(|bytes, _| http::read_head(bytes)).await?.ok_or(HttpError::Closed)?;
        if head.status != 101 {
            return Err(WrongStatus::read(&mut connection, &head, SWITCHING, site.patience).await.into());
        }
        if !handshake.is_accepted(&head) {
            return Err(ClientError::Unexpected("answer to this WebSocket handshake"));
        }
        handshake.ensure_offered(&head)?;
        Ok(Self { connection, messages: Reader::new(Role::Client, MAX_MESSAGE) })
    }

    /// Tries whether the server answers here: what must be known before a session moves.
    pub(super) async fn probe(&mut self) -> Result<(), ClientError> {
        self.send(&engine_io::write(&Packet::Ping(PROBE))).await?;
        let expected = engine_io::write(&Packet::Pong(PROBE));
        let mut is_answered = false;
        while !is_answered {
            self.hear(|message, _| match message {
                Message::Text(text) if text.as_bytes() == expected => {
                    is_answered = true;
                    Ok(())
                }
                _ => Err(ClientError::Unexpected("answer to an Engine.IO probe")),
            })
            .await?;
        }
        Ok(())
    }

    /// Moves the session here.
    pub(super) async fn take_over(&mut self) -> Result<(), ClientError> {
        self.send(&engine_io::write(&Packet::Upgrade)).await
    }

    /// Hears whatever comes next, and answers what wants an answer. Cancelling it loses nothing: what is not sent by then goes first the
    /// next time.
    pub(super) async fn receive(
        &mut self,
        account: &mut Account,
        conversation: &mut Conversation,
    ) -> Result<(), ClientError> {
        self.flush(conversation).await?;
        self.hear(|message, at| match message {
            Message::Text(text) => conversation.hear(engine_io::read(text.as_bytes())?, at, account),
            Message::Binary(bytes) => conversation.hear(Packet::Binary(bytes.into()), at, account),
            _ => Ok(()),
        })
        .await?;
        self.flush(conversation).await
    }

    /// Says what there is to say.
    pub(super) async fn flush(&mut self, conversation: &mut Conversation) -> Result<(), ClientError> {
        self.say(conversation)?;
        Ok(self.connection.write_all(&[]).await?)
    }

    /// The same, as far as there is room; the rest is owed.
    fn say(&mut self, conversation: &mut Conversation) -> Result<(), ClientError> {
        for packet in conversation.outbox().drain(..) {
            self.connection.say(&frame(Opcode::Text, &packet))?;
        }
        Ok(())
    }

    /// Says goodbye; the server answers a close frame with one and ends first (RFC 6455, section 7.1.1).
    pub(super) async fn close(mut self, mut conversation: Conversation) {
        let goodbye = websocket::close_payload(websocket::close::NORMAL, "");
        if self.say(&mut conversation).is_ok() {
            self.connection.leave_saying(&frame(Opcode::Close, &goodbye), CLOSE_PATIENCE).await;
        }
    }

    async fn send(&mut self, packet: &[u8]) -> Result<(), ClientError> {
        Ok(self.connection.write_all(&frame(Opcode::Text, packet)).await?)
    }

    /// Reads once and calls `take` with each message and the instant of receipt (ns), up to the first that it refuses. Pings
    /// and close frames of WebSocket itself are answered here.
    async fn hear(
        &mut self,
        mut take: impl FnMut(Message<'_>, u64) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let Self { connection, messages } = self;
        let mut replies = Vec::new();
        let mut end = None;
        let received = connection
            .read(|bytes, at| {
                let mut heard = Ok(());
                messages.read(bytes, |message| match message {
                    Message::Ping(payload) => replies.push(frame(Opcode::Pong, payload)),
                    Message::Pong(_) => {}
                    Message::Close(code, reason) => {
                        replies.push(frame(Opcode::Close, &code.map(u16::to_be_bytes).unwrap_or_default()));
                        end = Some(Farewell::new(code, reason));
                    }
                    message if heard.is_ok() => heard = take(message, at),
                    _ => {}
                })?;
                heard?;
                Ok::<_, ClientError>(Some((bytes.len(), ())))
            })
            .await?;
        for reply in replies {
            connection.say(&reply)?;
        }
        connection.write_all(&[]).await?;
        match (received, end) {
            (Some(()), None) => Ok(()),
            (None, None) => Err(ClientError::Ended(None)),
            (_, Some(said)) => Err(ClientError::Ended(said)),
        }
    }
}
