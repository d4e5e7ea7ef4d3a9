//! One poll, short or long: a request, its answer, and the cursor to ask with next.

use std::time::Duration;

use feed::Cursor;
use feed::framings::poll;

use super::{ClientError, Site};
use crate::plan::Reuse;
use crate::recording::Account;
use crate::wire::Connection;
use crate::wire::http;

/// What an answer said besides its notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// The cursor to ask with next, if the server has cursors.
    pub cursor: Option<Cursor>,
    /// True when asking again at once brings more.
    pub has_more: bool,
    keeps_alive: bool,
}

/// The connection of a polling client, and whether it is kept between polls.
#[derive(Debug)]
pub(super) struct Line {
    client: u32,
    connection: Option<Connection>,
    /// True while a request has no answer.
    is_asking: bool,
}

impl Line {
    pub(super) fn new(client: u32) -> Self {
        Self { client, connection: None, is_asking: false }
    }

    /// Sends one request, dialling first if need be, and enters what the answer brings.
    pub(super) async fn ask(
        &mut self,
        site: &Site,
        account: &mut Account,
        request: &str,
    ) -> Result<Answer, ClientError> {
        let in_flight = account.poll_sent();
        self.is_asking = true;
        let result = self.exchange(site, account, request).await;
        self.is_asking = false;
        drop(in_flight);
        match result {
            Ok((answer, brought_something)) => {
                account.poll_answered(brought_something);
                if site.plan.connection == Reuse::Fresh || !answer.keeps_alive {
                    self.hang_up().await;
                }
                Ok(answer)
            }
            Err(error) => {
                self.connection = None;
                Err(error)
            }
        }
    }

    async fn exchange(
        &mut self,
        site: &Site,
        account: &mut Account,
        request: &str,
    ) -> Result<(Answer, bool), ClientError> {
        if self.connection.is_none() {
            self.connection = Some(site.dialer.dial(self.client).await?);
            account.recorder().count(|counters| counters.opened += 1);
        }
        let connection = self.connection.as_mut().expect("it was just dialled");
        connection.write_all(request.as_bytes()).await?;
        http::read_answer(connection, |head, body, at| enter(&head, body, at, account)).await?
    }

    /// Closes the connection, after the server's end if that comes soon: it said that it would.
    async fn hang_up(&mut self) {
        const PATIENCE: Duration = Duration::from_millis(100);
        if let Some(connection) = self.connection.take() {
            connection.leave_after_peer(PATIENCE).await;
        }
    }

    /// Leaves once an answer that is under way has come. An HTTP server may well drop, unread, a request whose sender has
    /// already ended its side: hyper does.
    pub(super) async fn close_after_answer(mut self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        if let Some(connection) = &mut self.connection
            && self.is_asking
        {
            let _ = tokio::time::timeout(PATIENCE, http::read_answer(connection, |_, _, _| ())).await;
        }
        self.close().await;
    }

    /// Leaves, whatever the server is about to say.
    pub(super) async fn close(self) {
        if let Some(connection) = self.connection {
            connection.leave().await;
        }
    }
}

/// Enters the notifications of one answer; says what it tells besides, and whether it brought anything.
fn enter(head: &http::Head, body: &[u8], at: u64, account: &mut Account) -> Result<(Answer, bool), ClientError> {
    let etag = head.etag.as_deref().and_then(|etag| etag.parse().ok());
    let mut answer = Answer { cursor: etag, has_more: false, keeps_alive: head.keeps_alive };
    match head.status {
        200 => {}
        204 | 304 => return Ok((answer, false)),
        status => return Err(ClientError::Status(status)),
    }
    let found = account.message(body, at);
    if let Some(batch) = poll::read_head(body) {
        answer.cursor = Some(batch.cursor());
        answer.has_more = batch.more;
        if batch.gap.is_some() {
            account.gap();
        }
    }
    Ok((answer, found > 0))
}
