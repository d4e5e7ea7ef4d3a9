//! The half of a polling session that hears: one GET after the other, each held until the server has something to say.

use feed::framings::engine_io;

use super::super::{ClientError, Site};
use super::conversation::Conversation;
use super::line::Line;
use super::rendezvous::Rendezvous;
use crate::recording::{Account, InFlight};
use crate::wire::http::{self, HttpError};

/// A connection with at most one GET on it.
#[derive(Debug)]
pub(super) struct Gets {
    line: Line,
    /// The request, once the session is known.
    request: String,
    /// Stands for the GET that waits for its answer.
    asking: Option<InFlight>,
    /// True when its turn to ask has come and it has not asked.
    has_turn: bool,
}

impl Gets {
    /// Connects and asks for a session, whose name is returned; what the server says first is heard.
    pub(super) async fn open(
        site: &Site,
        client: u32,
        rendezvous: &Rendezvous,
        account: &mut Account,
        conversation: &mut Conversation,
    ) -> Result<(Self, String), ClientError> {
        let request = rendezvous.request("GET", "polling", None) + "\r\n";
        let line = Line::new(client, site.dialer.clone(), account.shared_recorder());
        let mut this = Self { line, request, asking: None, has_turn: false };
        this.ask(account).await?;
        this.hear(account, conversation).await?;
        let sid = conversation.handshake().ok_or(ClientError::Unexpected("Engine.IO session"))?.sid.clone();
        this.request = rendezvous.request("GET", "polling", Some(&sid)) + "\r\n";
        Ok((this, sid))
    }

    /// Has a GET answered: asks, unless it has asked already. Among many live clients it waits for its turn to ask. Cancelling
    /// it loses nothing.
    pub(super) async fn advance(
        &mut self,
        site: &Site,
        account: &mut Account,
        conversation: &mut Conversation,
    ) -> Result<(), ClientError> {
        if self.asking.is_none() {
            if conversation.is_live() && !self.has_turn {
                site.turns.turn(account.recorder()).await;
                self.has_turn = true;
            }
            self.ask(account).await?;
        }
        self.hear(account, conversation).await
    }

    /// Hears the answer to the GET that is held, or that the server has a part of, if one is; asks no more.
    pub(super) async fn finish(
        &mut self,
        account: &mut Account,
        conversation: &mut Conversation,
    ) -> Result<(), ClientError> {
        if self.line.is_sending() {
            self.ask(account).await?;
        }
        if self.asking.is_some() { self.hear(account, conversation).await } else { Ok(()) }
    }

    /// Takes in an answer that is on its way, counting its bytes only: the session is over.
    pub(super) async fn discard_answer(&mut self) {
        if let (Some(_), Some(connection)) = (self.asking.take(), self.line.connection()) {
            let _ = http::read_answer(connection, &[], |_, _, _| ()).await;
        }
    }

    /// Leaves, whatever the server is about to say.
    pub(super) async fn leave(mut self) {
        self.line.leave().await;
    }

    /// Sends the request: over a new connection where the server has ended the kept one before a byte of it was written. One that was
    /// written and not answered is never sent again, because what its answer brought would be lost: then the session reconnects.
    async fn ask(&mut self, account: &Account) -> Result<(), ClientError> {
        loop {
            self.line.lose_ended();
            let is_new = self.line.open().await?;
            match self.line.send(self.request.as_bytes()).await {
                Err(_) if !is_new && !self.line.is_sending() => self.line.lose(),
                sent => break sent?,
            }
        }
        (self.asking, self.has_turn) = (Some(account.poll_sent()), false);
        Ok(())
    }

    async fn hear(&mut self, account: &mut Account, conversation: &mut Conversation) -> Result<(), ClientError> {
        let connection = self.line.connection().ok_or(HttpError::Closed)?;
        let before = conversation.found();
        let keeps_alive = http::read_answer(connection, &[], |head, body, at| {
            if head.status != 200 {
                return Err(ClientError::refusal(&head, "200", body));
            }
            head.ensure_plain()?;
            for packet in engine_io::read_payload(body) {
                conversation.hear(packet?, at, account)?;
            }
            Ok(head.keeps_alive)
        })
        .await??;
        self.asking = None;
        account.poll_answered(conversation.found() > before);
        if !keeps_alive {
            self.line.leave().await;
        }
        Ok(())
    }
}
