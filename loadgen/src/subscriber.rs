//! One simulated client from its first connection to its last: retrying, recording and stopping, the same for every transport.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use crate::clients::{AfterEnd, Client, ClientError, Listener, Resume, Site, Stopped};
use crate::clock;
use crate::faults::{Blow, Seat};
use crate::reading_room::Room;
use crate::reconnection::Pauses;
use crate::recording::Account;

/// An answer of an event stream ended before the empty line that ends an event, which was discarded.
const CUT_EVENT: &str = "event-without-end";

/// One simulated client.
#[derive(Debug)]
pub struct Subscriber {
    site: Rc<Site>,
    room: Rc<Room>,
    client: u32,
    /// How long an attempt may take until the transport is live.
    connect_timeout: Duration,
    /// Where faults reach it, in a run that has some.
    seat: Option<Rc<Seat>>,
    /// Where it was when its transport was last lost.
    resume: Resume,
    pauses: Pauses,
    was_live: bool,
}

/// Why a client listens no longer.
enum End {
    /// All clients are to leave.
    Stopped,
    /// It left by itself, and comes back at once.
    Left,
    /// Its transport was lost; what the server told it to wait, if it did.
    Lost(Option<Duration>),
    /// Its answer ended in an orderly way, and it asks again: after a pause, unless the connection was ended before it was answered.
    Ended(ClientError),
    /// It was told not to come back.
    ToldToStop,
}

impl Subscriber {
    /// A client that has not connected yet.
    pub fn new(site: Rc<Site>, room: Rc<Room>, client: u32, connect_timeout: Duration) -> Self {
        let seat = site.dialer.board().map(|board| board.seat(client));
        Self {
            site,
            room,
            client,
            connect_timeout,
            seat,
            resume: Resume::default(),
            pauses: Pauses::default(),
            was_live: false,
        }
    }

    /// Lives until `stopped` is ready, then hands its ledger in. A lost transport is connected again as the plan says, from where it
    /// was.
    pub async fn run<C: Client + 'static>(mut self, mut account: Box<Account>, stopped: impl Future<Output = ()>) {
        let mut stopped = pin!(stopped);
        loop {
            // Boxed, and dropped with this statement, so that a client that is live does not go on holding the memory that
            // connecting takes: in the head of a `while let` it would live as long as the body.
            let connected = Box::pin(self.connect::<C>(&mut account, stopped.as_mut())).await;
            let Some(client) = connected else { break };
            let end;
            (account, end) = self.stay(client, account, stopped.as_mut()).await;
            match end {
                End::Stopped => break,
                End::Left => {}
                End::ToldToStop => {
                    account.recorder().count(|counters| counters.told_to_stop += 1);
                    break;
                }
                End::Ended(end) => {
                    if !self.pause_after(&end, &account, stopped.as_mut()).await {
                        break;
                    }
                }
                End::Lost(told) => {
                    if !self.pause(told, &account, stopped.as_mut()).await {
                        break;
                    }
                }
            }
        }
        account.ended();
        account.deposit();
    }

    /// Tries until a transport is live; `None` when stopped before, or told not to come back.
    async fn connect<C: Client>(&mut self, account: &mut Account, mut stopped: Stopped<'_>) -> Option<Box<C>> {
        loop {
            // Who asks again after an orderly end has been live all the while, as between two polls.
            let is_return = self.resume.after_end.is_some();
            if self.was_live && !is_return {
                account.resumes();
            }
            account.begins();
            account.attempts();
            let started = clock::now_ns();
            let attempt = C::connect(&self.site, self.client, self.resume.clone(), account);
            let result = tokio::select! {
                biased;
                result = tokio::time::timeout(self.connect_timeout, attempt) => Some(result),
                () = &mut stopped => None,
            };
            // Whoever asks again after that was lost.
            self.resume.after_end = None;
            let recorder = account.recorder();
            recorder.count(|counters| {
                counters.opening -= 1;
                counters.returning -= u64::from(is_return);
            });
            let error = match result? {
                Ok(Ok(client)) => {
                    if !is_return {
                        recorder.record_connect(clock::now_ns() - started);
                    }
                    recorder.count(|counters| {
                        counters.open += 1;
                        counters.reconnected += u64::from(self.was_live && !is_return);
                    });
                    if self.was_live && !is_return {
                        account.resumed();
                    } else {
                        account.live();
                    }
                    self.was_live = true;
                    self.pauses.reset();
                    return Some(Box::new(client));
                }
                Ok(Err(ClientError::ToldToStop)) => {
                    recorder.count(|counters| counters.told_to_stop += 1);
                    return None;
                }
                Ok(Err(error)) => error,
                Err(_) => ClientError::Timeout,
            };
            recorder.record_client_error(&error);
            recorder.count(|counters| counters.failed += 1);
            if is_return {
                account.interrupted();
            }
            if !self.pause(error.retry_after(), account, stopped.as_mut()).await {
                return None;
            }
        }
    }

    /// Listens until the transport is lost, the client leaves, or all are to.
    async fn stay<C: Client + 'static>(
        &mut self,
        mut client: Box<C>,
        mut account: Box<Account>,
        mut stopped: Stopped<'_>,
    ) -> (Box<Account>, End) {
        loop {
            let (lost, blow);
            (client, account, lost, blow) = self.listen(client, account, stopped.as_mut()).await;
            if let (None, Some(Blow::Stall(length))) = (&lost, blow) {
                account.interrupted();
                if sleep_unless(length, stopped.as_mut()).await {
                    account.resumes();
                    account.resumed();
                    continue;
                }
            }
            account.recorder().count(|counters| counters.open -= 1);
            self.resume = client.resume().or(std::mem::take(&mut self.resume));
            account.recorder().learn(&self.resume.remembered);
            let told = lost.as_ref().and_then(ClientError::retry_after).or(self.resume.retry);
            let end = match (lost, blow) {
                (Some(error), _) if error.is_orderly() => {
                    if let ClientError::AnswerEnded { within_event: true, .. } = error {
                        account.recorder().record_error(CUT_EVENT);
                    }
                    account.recorder().count(|counters| {
                        counters.returning += 1;
                        match error {
                            ClientError::KeptConnectionEnded => counters.sent_again += 1,
                            _ => counters.answers_ended += 1,
                        }
                    });
                    let kept = Box::pin(client.into_kept()).await;
                    self.resume.after_end = Some(AfterEnd::new(kept));
                    return (account, End::Ended(error));
                }
                (Some(ClientError::ToldToStop), _) => End::ToldToStop,
                (Some(error), _) => {
                    account.recorder().record_client_error(&error);
                    End::Lost(told)
                }
                (None, None | Some(Blow::Stall(_))) => {
                    account.ended();
                    Box::pin(client.close()).await;
                    End::Stopped
                }
                (None, Some(Blow::Leave)) => {
                    account.interrupted();
                    Box::pin(client.close()).await;
                    return (account, End::Left);
                }
                (None, Some(Blow::Cut)) => {
                    self.damage(&account, "fault-cut", |seat| seat.sockets.reset_on_close());
                    drop(client);
                    End::Lost(told)
                }
                (None, Some(Blow::Vanish)) => {
                    self.damage(&account, "fault-vanish", |seat| {
                        seat.sockets.deafen()?;
                        seat.sockets.reset_on_close()
                    });
                    self.site.dialer.board().expect("who was struck has a seat").bury(client);
                    End::Lost(told)
                }
            };
            if matches!(end, End::Lost(_) | End::ToldToStop) {
                account.interrupted();
            }
            return (account, end);
        }
    }

    /// Receives until the transport is lost, and says why; until stopped, or struck, and says what with.
    async fn listen<C: Client>(
        &self,
        client: Box<C>,
        account: Box<Account>,
        mut stopped: Stopped<'_>,
    ) -> (Box<C>, Box<Account>, Option<ClientError>, Option<Blow>) {
        let listener = Listener { site: &self.site, room: &self.room, account };
        let Some(seat) = &self.seat else {
            let (client, account, lost) = client.listen(listener, stopped).await;
            return (client, account, lost, None);
        };
        seat.take();
        let until = pin!(async {
            tokio::select! {
                biased;
                () = &mut stopped => {}
                () = seat.struck() => {}
            }
        });
        let (client, account, lost) = client.listen(listener, until).await;
        (client, account, lost, seat.leave())
    }

    /// Does something to the client's sockets, and counts it; where the system refuses, that is counted instead.
    fn damage(&self, account: &Account, kind: &str, done: impl FnOnce(&Seat) -> io::Result<()>) {
        let seat = self.seat.as_ref().expect("who was struck has a seat");
        match done(seat) {
            Ok(()) => account.recorder().record_error(kind),
            Err(error) => account.recorder().record_error(&format!("{kind}: {error}")),
        }
    }

    /// Waits as the stream says before asking again; false when stopped, or when the client is to stay away. The connection that was
    /// kept is left then.
    async fn pause_after(&mut self, end: &ClientError, account: &Account, stopped: Stopped<'_>) -> bool {
        let rules = &self.site.plan.reconnection;
        let pause = match end {
            ClientError::AnswerEnded { at_once, .. } => {
                Pauses::after_end(rules, self.resume.retry, *at_once, &mut rand::rng())
            }
            _ => Some(Duration::ZERO),
        };
        let comes_back = match pause {
            Some(Duration::ZERO) => true,
            Some(pause) => {
                account.recorder().pauses(pause);
                sleep_unless(pause, stopped).await
            }
            None => false,
        };
        if !comes_back {
            account.recorder().count(|counters| counters.returning -= 1);
            if let Some(kept) = self.resume.after_end.take().and_then(|end| end.take()) {
                kept.leave().await;
            }
        }
        comes_back
    }

    /// Waits as the plan says before connecting again; false when stopped, or when the client is to stay away.
    async fn pause(&mut self, told: Option<Duration>, account: &Account, stopped: Stopped<'_>) -> bool {
        let rules = &self.site.plan.reconnection;
        let Some(pause) = self.pauses.next(rules, self.was_live, told, &mut rand::rng()) else { return false };
        if told.is_some() {
            account.recorder().pauses(pause);
        }
        sleep_unless(pause, stopped).await
    }
}

/// Sleeps; false when stopped before.
async fn sleep_unless(length: Duration, mut stopped: Stopped<'_>) -> bool {
    tokio::select! {
        () = tokio::time::sleep(length) => true,
        () = &mut stopped => false,
    }
}
