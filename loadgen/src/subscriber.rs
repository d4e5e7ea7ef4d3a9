//! One simulated client from its first connection to its last: retrying, recording and stopping, the same for every transport.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;

use crate::clients::{Client, ClientError, Resume, Site};
use crate::clock;
use crate::recording::Account;

/// First pause before connecting again; it doubles with every attempt in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause before connecting again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One simulated client.
#[derive(Debug)]
pub struct Subscriber {
    site: Rc<Site>,
    client: u32,
    account: Account,
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
    pub fn new(site: Rc<Site>, client: u32, account: Account, connect_timeout: Duration) -> Self {
        Self { site, client, account, connect_timeout, resume: Resume::default(), failures: 0, was_live: false }
    }

    /// Lives until `stopped` is ready, then hands its ledger in. A lost transport is connected again with growing pauses,
    /// from where it was.
    pub async fn run<C: Client>(mut self, stopped: impl Future<Output = ()>) {
        let mut stopped = pin!(stopped);
        while let Some(client) = self.connect::<C>(stopped.as_mut()).await {
            let lost = self.listen(client, stopped.as_mut()).await;
            let Some(error) = lost else { break };
            self.account.recorder().record_error(&error.kind());
            if !self.pause(stopped.as_mut()).await {
                break;
            }
        }
        self.account.deposit();
    }

    /// Tries until a transport is live; `None` when stopped before.
    async fn connect<C: Client>(&mut self, mut stopped: Pin<&mut impl Future<Output = ()>>) -> Option<C> {
        loop {
            self.account.recorder().count(|counters| counters.opening += 1);
            let started = clock::now_ns();
            let attempt = C::connect(&self.site, self.client, self.resume.clone(), &mut self.account);
            let result = tokio::select! {
                biased;
                result = tokio::time::timeout(self.connect_timeout, attempt) => Some(result),
                () = &mut stopped => None,
            };
            let recorder = self.account.recorder();
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
                    return Some(client);
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
        mut client: C,
        mut stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<ClientError> {
        let lost = loop {
            // The client is asked first: what has arrived is entered before the end is noticed.
            tokio::select! {
                biased;
                received = client.receive(&self.site, &mut self.account) => if let Err(error) = received {
                    break Some(error);
                },
                () = &mut stopped => break None,
            }
        };
        self.account.recorder().count(|counters| counters.open -= 1);
        self.resume = client.resume().or(std::mem::take(&mut self.resume));
        if lost.is_none() {
            client.close().await;
        }
        lost
    }

    /// Exponential backoff with jitter: 1, 2, 4 ... 30 s, each times a factor between 0.5 and 1; false when stopped.
    async fn pause(&mut self, mut stopped: Pin<&mut impl Future<Output = ()>>) -> bool {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures += 1;
        let jitter = rand::rng().random_range(0.5..1.0);
        tokio::select! {
            () = tokio::time::sleep(pause.mul_f64(jitter)) => true,
            () = &mut stopped => false,
        }
    }
}
