//! One simulated client from its first connection to its last: retrying, recording and stopping, the same for every transport.

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;

use crate::clients::{Client, ClientError, Listener, Resume, Site, Stopped};
use crate::clock;
use crate::reading_room::Room;
use crate::recording::Account;

/// First pause before connecting again; it doubles with every attempt in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause before connecting again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One simulated client.
#[derive(Debug)]
pub struct Subscriber {
    site: Rc<Site>,
    room: Rc<Room>,
    client: u32,
    /// How long an attempt may take until the transport is live.
    connect_timeout: Duration,
    /// Where it was when its transport was last lost.
    resume: Resume,
    /// Attempts that failed in a row.
    failures: u32,
    was_live: bool,
}

impl Subscriber {
    /// A client that has not connected yet.
    pub fn new(site: Rc<Site>, room: Rc<Room>, client: u32, connect_timeout: Duration) -> Self {
        Self { site, room, client, connect_timeout, resume: Resume::default(), failures: 0, was_live: false }
    }

    /// Lives until `stopped` is ready, then hands its ledger in. A lost transport is connected again with growing pauses,
    /// from where it was.
    pub async fn run<C: Client>(mut self, mut account: Box<Account>, stopped: impl Future<Output = ()>) {
        let mut stopped = pin!(stopped);
        loop {
            // Boxed, and dropped with this statement, so that a client that is live does not go on holding the memory that
            // connecting takes: in the head of a `while let` it would live as long as the body.
            let connected = Box::pin(self.connect::<C>(&mut account, stopped.as_mut())).await;
            let Some(client) = connected else { break };
            let lost;
            (account, lost) = self.listen(client, account, stopped.as_mut()).await;
            let Some(error) = lost else { break };
            account.recorder().record_error(&error.kind());
            if !self.pause(stopped.as_mut()).await {
                break;
            }
        }
        account.deposit();
    }

    /// Tries until a transport is live; `None` when stopped before.
    async fn connect<C: Client>(&mut self, account: &mut Account, mut stopped: Stopped<'_>) -> Option<Box<C>> {
        loop {
            account.recorder().count(|counters| counters.opening += 1);
            let started = clock::now_ns();
            let attempt = C::connect(&self.site, self.client, self.resume.clone(), account);
            let result = tokio::select! {
                biased;
                result = tokio::time::timeout(self.connect_timeout, attempt) => Some(result),
                () = &mut stopped => None,
            };
            let recorder = account.recorder();
            recorder.count(|counters| counters.opening -= 1);
            let error = match result? {
                Ok(Ok(client)) => {
                    recorder.record_connect(clock::now_ns() - started);
                    recorder.count(|counters| {
                        counters.open += 1;
                        counters.reconnected += u64::from(self.was_live);
                    });
                    self.was_live = true;
                    self.failures = 0;
                    return Some(Box::new(client));
                }
                Ok(Err(error)) => error,
                Err(_) => ClientError::Timeout,
            };
            recorder.record_error(&error.kind());
            recorder.count(|counters| counters.failed += 1);
            if !self.pause(stopped.as_mut()).await {
                return None;
            }
        }
    }

    /// Receives until the transport is lost, and says why; `None` when stopped.
    async fn listen<C: Client>(
        &mut self,
        client: Box<C>,
        account: Box<Account>,
        stopped: Stopped<'_>,
    ) -> (Box<Account>, Option<ClientError>) {
        let listener = Listener { site: &self.site, room: &self.room, account };
        let (client, account, lost) = client.listen(listener, stopped).await;
        account.recorder().count(|counters| counters.open -= 1);
        self.resume = client.resume().or(std::mem::take(&mut self.resume));
        if lost.is_none() {
            Box::pin(client.close()).await;
        }
        (account, lost)
    }

    /// Exponential backoff with jitter: 1, 2, 4 ... 30 s, each times a factor between 0.5 and 1; false when stopped.
    async fn pause(&mut self, mut stopped: Stopped<'_>) -> bool {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures += 1;
        let jitter = rand::rng().random_range(0.5..1.0);
        tokio::select! {
            () = tokio::time::sleep(pause.mul_f64(jitter)) => true,
            () = &mut stopped => false,
        }
    }
}
