//! One poll, short or long: a request, its answer, and what to ask with next.

mod pace;

use std::time::Duration;

use feed::Transport;
use feed::framings::poll;

use self::pace::Pace;
use super::{ClientError, Resume, Site};
use crate::plan::Reuse;
use crate::recording::{Account, InFlight};
use crate::wire::http::{self, HttpError};
use crate::wire::{Connection, Unasked};

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
    /// True when the connection has carried an answer before.
    is_used: bool,
    /// A request that has no answer.
    in_flight: Option<InFlight>,
    /// How long the server may hold it.
    wait: Duration,
    pace: Pace,
    /// True when the connection is not to be used again: something came on it that no request was outstanding for.
    is_ambiguous: bool,
    /// Where the next poll goes on.
    pub resume: Resume,
}

impl Line {
    pub(super) fn new(client: u32, resume: Resume) -> Self {
        Self {
            client,
            connection: None,
            is_used: false,
            in_flight: None,
            wait: Duration::ZERO,
            pace: Pace::default(),
            is_ambiguous: false,
            resume,
        }
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

    /// True when a request that has failed so is to be sent again at once: the server had ended the kept connection, and has said nothing of
    /// an answer. A poll is a GET, which may be repeated (RFC 9110, section 9.2.2), and its cursor has it miss nothing. In a run that
    /// ends the server on purpose each connection that ends with it is a loss, for that is what is measured there.
    fn may_send_again(&self, site: &Site, error: &ClientError) -> bool {
        let is_unanswered = self.connection.as_ref().is_none_or(|connection| !connection.is_keeping());
        let is_end = match error {
            ClientError::Io(_) | ClientError::Http(HttpError::Io(_) | HttpError::Closed) => true,
            // The server waited for a request too long, and says so to the next one (RFC 9110, section 15.5.9).
            ClientError::Status(wrong) if wrong.status == 408 => site.plan.transport != Transport::LongPoll,
            _ => false,
        };
        self.is_used && is_unanswered && is_end && !site.plan.ends_server()
    }

    /// Sends one request, dialling first if need be, and once more over a new connection where the server has ended the kept one. One that is
    /// not sent whole, because that failed or nobody waits for it any more, takes its connection along.
    pub(super) async fn send(&mut self, site: &Site, account: &mut Account, wait: Duration) -> Result<(), ClientError> {
        match self.send_once(site, account, wait).await {
            Err(error) if self.may_send_again(site, &error) => self.send_again(site, account, wait).await,
            sent => sent,
        }
    }

    /// The same over a new connection.
    async fn send_again(&mut self, site: &Site, account: &mut Account, wait: Duration) -> Result<(), ClientError> {
        account.sent_again();
        self.give_up();
        self.send_once(site, account, wait).await
    }

    async fn send_once(&mut self, site: &Site, account: &mut Account, wait: Duration) -> Result<(), ClientError> {
        self.drop_unasked(account);
        let in_flight = account.poll_sent();
        self.wait = wait;
        self.pace.asks(wait);
        let fields = if site.plan.connection == Reuse::Fresh { "Connection: close\r\n" } else { "" };
        let request = site.request(self.client, &self.resume, wait, fields);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.is_used = false;
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
        let answered = self.answer_once(site, account).await;
        match answered {
            Err(error) if self.may_send_again(site, &error) => {
                self.send_again(site, account, self.wait).await?;
                self.answer_once(site, account).await
            }
            answered => answered,
        }
        .inspect_err(|_| self.give_up())
    }

    async fn answer_once(&mut self, site: &Site, account: &mut Account) -> Result<bool, ClientError> {
        let Self { connection, resume, .. } = self;
        let connection = connection.as_mut().ok_or(HttpError::Closed)?;
        let before = account.recorder().different();
        let entered =
            http::read_answer(connection, site.wanted(), |head, body, at| enter(head, body, at, site, account, resume));
        match entered.await.map_err(ClientError::from).and_then(|answer| answer) {
            Ok(answer) => {
                self.is_answered(account, answer, before);
                if site.plan.connection == Reuse::Fresh || !answer.keeps_alive {
                    self.hang_up().await;
                }
                Ok(answer.has_more)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends the request that is under way again, if it may be after that `error`; passes that on otherwise.
    pub(super) async fn recover(
        &mut self,
        site: &Site,
        account: &mut Account,
        error: ClientError,
    ) -> Result<(), ClientError> {
        if !self.may_send_again(site, &error) {
            self.give_up();
            return Err(error);
        }
        if self.is_asking() {
            self.send_again(site, account, self.wait).await
        } else {
            self.give_up();
            Ok(())
        }
    }

    /// Enters what `bytes`, received at `at` (ns), bring of the answer; true when it has come whole and no other request follows on its
    /// connection. What comes without a request is no answer. An answer whose end is that of its connection is for [`answer`](Self::answer).
    pub(super) fn hear(
        &mut self,
        bytes: &[u8],
        at: u64,
        site: &Site,
        account: &mut Account,
    ) -> Result<bool, ClientError> {
        let is_asking = self.is_asking();
        let Self { connection, resume, .. } = self;
        let connection = connection.as_mut().ok_or(HttpError::Closed)?;
        if !is_asking {
            let unasked = Unasked::of(bytes);
            account.recorder().record_unasked(unasked);
            self.is_ambiguous |= unasked.is_some();
            return Ok(unasked.is_some());
        }
        let before = account.recorder().different();
        let entered = connection.take(bytes, at, |bytes, at| {
            http::take_answer(bytes, site.wanted(), |head, body| enter(head, body, at, site, account, resume))
        })?;
        let Some(answer) = entered.transpose()? else { return Ok(false) };
        let unasked = Unasked::of(&connection.take_kept().0);
        account.recorder().record_unasked(unasked);
        self.is_ambiguous |= unasked.is_some();
        self.is_answered(account, answer, before);
        Ok(!answer.keeps_alive || unasked.is_some())
    }

    /// Takes note of an answer; `before` is how many different notifications there were until then.
    fn is_answered(&mut self, account: &Account, answer: Answer, before: u64) {
        (self.in_flight, self.is_used) = (None, true);
        account.poll_answered(answer.brought_something);
        self.pace.is_answered(before != account.recorder().different());
    }

    /// Sends one request over the connection that is open; what the socket does not take at once is owed.
    pub(super) fn say(&mut self, site: &Site, account: &Account, wait: Duration) -> Result<(), ClientError> {
        let Self { client, connection, in_flight, resume, pace, .. } = self;
        let connection = connection.as_mut().ok_or(HttpError::Closed)?;
        *in_flight = Some(account.poll_sent());
        self.wait = wait;
        pace.asks(wait);
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
        self.is_ambiguous = false;
        self.pace.is_in_step();
    }

    /// Closes the connection, after the server's end if that comes soon: it said that it would. One that is of no more use is closed at once.
    pub(super) async fn hang_up(&mut self) {
        const PATIENCE: Duration = Duration::from_millis(100);
        self.pace.is_in_step();
        if std::mem::take(&mut self.is_ambiguous) {
            self.connection = None;
        }
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
        204 | 205 | 304 => false,
        // One that nobody knows is read as 200 (RFC 9110, section 15).
        200..=299 => true,
        // How a server ends a poll that it has held in vain (RFC 9110, section 15.5.9).
        408 if site.plan.transport == Transport::LongPoll => false,
        _ => return Err(ClientError::refusal(&head, "200", body)),
    };
    if !body.is_empty() {
        head.ensure_plain()?;
    }
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
