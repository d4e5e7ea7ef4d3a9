//! One poll, short or long: a request, its answer, and what to ask with next.

use std::time::Duration;

use feed::Transport;
use feed::framings::poll;

use super::{ClientError, Resume, Site};
use crate::plan::Reuse;
use crate::recording::{Account, InFlight};
use crate::wire::Connection;
use crate::wire::http;

/// What an answer said besides its notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answer {
    /// True when asking again at once brings more.
    has_more: bool,
    brought_something: bool,
    keeps_alive: bool,
}

/// The connection of a polling client, whether it is kept between polls, and what the next poll repeats.
#[derive(Debug)]
pub(super) struct Line {
    client: u32,
    connection: Option<Connection>,
    /// A request that has no answer.
    in_flight: Option<InFlight>,
    /// Where the next poll goes on.
    pub resume: Resume,
}

impl Line {
    pub(super) fn new(client: u32, resume: Resume) -> Self {
        Self { client, connection: None, in_flight: None, resume }
    }

    /// True while a request has no answer.
    pub(super) fn is_asking(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Sends one request, and enters what the answer brings; true when asking again at once brings more.
    pub(super) async fn ask(
        &mut self,
        site: &Site,
        account: &mut Account,
        wait: Duration,
    ) -> Result<bool, ClientError> {
        self.send(site, account, wait).await?;
        self.answer(site, account).await
    }

    /// Asks until the client is let in, at once and then every `pause`.
    pub(super) async fn ask_until_let_in(
        &mut self,
        site: &Site,
        account: &mut Account,
        pause: Duration,
    ) -> Result<(), ClientError> {
        self.ask(site, account, Duration::ZERO).await?;
        while !account.is_let_in() {
            tokio::time::sleep(pause).await;
            self.ask(site, account, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// Sends one request, dialling first if need be. One that is not sent whole, because that failed or nobody waits for it any more, takes
    /// its connection along.
    pub(super) async fn send(&mut self, site: &Site, account: &mut Account, wait: Duration) -> Result<(), ClientError> {
        let in_flight = account.poll_sent();
        let fields = if site.plan.connection == Reuse::Fresh { "Connection: close\r\n" } else { "" };
        let request = site.request(self.client, &self.resume, wait, fields);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = site.dialer.dial(self.client).await?;
                account.recorder().count(|counters| counters.opened += 1);
                connection
            }
        };
        connection.write_all(request.as_bytes()).await?;
        (self.connection, self.in_flight) = (Some(connection), Some(in_flight));
        Ok(())
    }

    /// Waits for the answer to what was sent and enters it; true when asking again at once brings more.
    pub(super) async fn answer(&mut self, site: &Site, account: &mut Account) -> Result<bool, ClientError> {
        let Self { connection, resume, .. } = self;
        let connection = connection.as_mut().ok_or(ClientError::Http(http::HttpError::Closed))?;
        let entered =
            http::read_answer(connection, site.wanted(), |head, body, at| enter(head, body, at, site, account, resume));
        match entered.await.map_err(ClientError::from).and_then(|answer| answer) {
            Ok(answer) => {
                self.in_flight = None;
                account.poll_answered(answer.brought_something);
                if site.plan.connection == Reuse::Fresh || !answer.keeps_alive {
                    self.hang_up().await;
                }
                Ok(answer.has_more)
            }
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    /// Enters what `bytes`, received at `at` (ns), bring of the answer; true when it has come whole and its connection ends
    /// with it. An answer whose end is that of its connection is for [`answer`](Self::answer).
    pub(super) fn hear(
        &mut self,
        bytes: &[u8],
        at: u64,
        site: &Site,
        account: &mut Account,
    ) -> Result<bool, ClientError> {
        let is_asking = self.is_asking();
        let Self { connection, resume, .. } = self;
        let connection = connection.as_mut().ok_or(ClientError::Http(http::HttpError::Closed))?;
        if !is_asking {
            // Nobody has asked yet: the next answer begins with it.
            connection.keep(bytes, at);
            return Ok(false);
        }
        let entered = connection.take(bytes, at, |bytes, at| {
            http::take_answer(bytes, site.wanted(), |head, body| enter(head, body, at, site, account, resume))
        })?;
        let Some(answer) = entered.transpose()? else { return Ok(false) };
        self.in_flight = None;
        account.poll_answered(answer.brought_something);
        Ok(!answer.keeps_alive)
    }

    /// Sends one request over the connection that is open; what the socket does not take at once is owed.
    pub(super) fn say(&mut self, site: &Site, account: &Account, wait: Duration) -> Result<(), ClientError> {
        let Self { client, connection, in_flight, resume } = self;
        let connection = connection.as_mut().ok_or(ClientError::Http(http::HttpError::Closed))?;
        *in_flight = Some(account.poll_sent());
        Ok(site.with_request(*client, resume, wait, |request| connection.say(request))?)
    }

    /// The connection, which is open once something was sent.
    pub(super) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("whoever has sent something is connected")
    }

    /// Drops what is left of a poll that has failed.
    pub(super) fn give_up(&mut self) {
        self.in_flight = None;
        self.connection = None;
    }

    /// Closes the connection, after the server's end if that comes soon: it said that it would.
    pub(super) async fn hang_up(&mut self) {
        const PATIENCE: Duration = Duration::from_millis(100);
        if let Some(connection) = self.connection.take() {
            connection.leave_after_peer(PATIENCE).await;
        }
    }

    /// Leaves once an answer that is under way has come. An HTTP server may well drop, unread, a request whose sender has
    /// already ended its side: hyper does.
    pub(super) async fn close_after_answer(mut self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        let is_asking = self.is_asking();
        if let Some(connection) = &mut self.connection
            && is_asking
        {
            let _ = tokio::time::timeout(PATIENCE, http::read_answer(connection, &[], |_, _, _| ())).await;
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

/// Enters the notifications of one answer, and takes from it what the next request repeats.
fn enter(
    mut head: http::Head,
    body: &[u8],
    at: u64,
    site: &Site,
    account: &mut Account,
    resume: &mut Resume,
) -> Result<Answer, ClientError> {
    let mut answer = Answer { has_more: false, brought_something: false, keeps_alive: head.keeps_alive };
    let brings_something = match head.status {
        200 => true,
        204 | 304 => false,
        // How a server ends a poll that it has held in vain (RFC 9110, section 15.5.9).
        408 if site.plan.transport == Transport::LongPoll => false,
        _ => return Err(ClientError::refusal(&head)),
    };
    resume.learn(site.remember(), &mut head, body);
    let batch = if site.speaks_of_cursors && brings_something { poll::read_head(body) } else { None };
    // An answer says twice where it ends, but for one without a body.
    if site.speaks_of_cursors && batch.is_none() {
        let etag = head.etag.as_deref().and_then(|etag| etag.parse().ok());
        resume.cursor = etag.or(resume.cursor);
    }
    if !brings_something {
        return Ok(answer);
    }
    answer.brought_something = account.answer(body, at) > 0;
    ClientError::unless_refused(account)?;
    if let Some(batch) = batch {
        resume.cursor = Some(batch.cursor());
        answer.has_more = batch.more;
        if batch.gap.is_some() {
            account.gap();
        }
    }
    Ok(answer)
}
