//! One client of a survey, with books of its own.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::MESSAGES;
use crate::clients::{AfterEnd, Client, ClientError, Resume, Site};
use crate::clock;
use crate::plan::Plan;
use crate::reconnection::RETRY_AT_ONCE;
use crate::recording::{Account, Counters, EMPTY_ANSWER, FOREIGN, Recorder, Windows};
use crate::target::{Target, Token, failure};
use crate::wire::{Dialer, Traffic};

/// A client's surroundings; the client itself is whoever [connects](Self::connect).
pub(super) struct Listener {
    site: Site,
    client: u32,
    recorder: Rc<Recorder>,
    account: Account,
    token: Option<Token>,
    /// Where it goes on from.
    pub resume: Resume,
    /// Why it could hear no more, if it could not.
    pub lost: Option<String>,
}

impl Listener {
    pub(super) fn new(plan: &Arc<Plan>, target: &Target, client: u32) -> Self {
        let traffic = Rc::new(Traffic::default());
        let dialer = Dialer::unbound(target, Rc::clone(&traffic));
        let recorder = Rc::new(Recorder::new(traffic).hiding(target.token.clone()));
        recorder.set_window(0..u64::MAX);
        let site = Site::new(Arc::clone(plan), dialer, target).patient();
        Self {
            account: account(plan, client, Rc::clone(&recorder)).expecting(site.replies()),
            site,
            client,
            recorder,
            token: target.token.clone(),
            resume: Resume::default(),
            lost: None,
        }
    }

    /// Connects within `bound`; returns how long that took, or why it failed.
    pub(super) async fn connect<C: Client>(&mut self, bound: Duration) -> Result<(C, Duration), String> {
        let started = clock::now();
        let attempt = C::connect(&self.site, self.client, self.resume.clone(), &mut self.account);
        match tokio::time::timeout(bound, attempt).await {
            Ok(Ok(client)) => Ok((client, clock::now().saturating_duration_since(started))),
            Ok(Err(error)) => {
                let why = failure(self.token.as_ref(), &error.to_string());
                self.lost = Some(why.clone());
                Err(why)
            }
            Err(_) => Err(format!("not live within {}", humantime::format_duration(bound))),
        }
    }

    /// Receives until so many notifications have come in all, or nothing more can, or the bound is reached. After an orderly end it asks
    /// again, as the clients of a run do.
    pub(super) async fn hear<C: Client>(&mut self, client: &mut C, wanted: u64, bound: Duration) {
        self.receive_until(client, bound, |counters| counters.received >= wanted).await;
    }

    /// Receives until a notification of another topic has come, or nothing more can, or the bound is reached; how many came.
    pub(super) async fn misdelivered<C: Client>(&mut self, client: &mut C, bound: Duration) -> u64 {
        self.receive_until(client, bound, |counters| counters.misdelivered > 0).await;
        self.recorder.counters().misdelivered
    }

    async fn receive_until<C: Client>(
        &mut self,
        client: &mut C,
        bound: Duration,
        is_enough: impl Fn(&Counters) -> bool,
    ) {
        let Self { site, account, recorder, token, lost, client: number, .. } = self;
        let receiving = async {
            while !is_enough(&recorder.counters()) {
                let received = match client.receive(site, account).await {
                    Err(end) if end.is_orderly() => come_back(client, *number, site, account).await,
                    received => received,
                };
                if let Err(error) = received {
                    *lost = Some(failure(token.as_ref(), &error.to_string()));
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(bound, async {
            tokio::select! {
                () = receiving => {}
                () = site.turns.lead(recorder) => {}
            }
        })
        .await;
    }

    /// Notifications received so far.
    pub(super) fn heard(&self) -> u64 {
        self.recorder.counters().received
    }

    /// Publishing until receipt of the first; `None` when none came.
    pub(super) fn latency(&self) -> Option<Duration> {
        let latency = self.recorder.snapshot(false).latency;
        (!latency.is_empty()).then(|| Duration::from_nanos(latency.min()))
    }

    /// The first message, or answer to a poll, that was neither a notification nor the feed's own.
    pub(super) fn first_foreign(&self) -> Option<String> {
        self.recorder.quoted(FOREIGN).or_else(|| self.recorder.quoted(EMPTY_ANSWER))
    }

    /// Stream bytes received so far.
    pub(super) fn bytes_received(&self) -> u64 {
        self.recorder.counters().bytes_received
    }
}

/// Asks again after an orderly end, when the stream's reconnection time is over.
async fn come_back<C: Client>(
    client: &mut C,
    number: u32,
    site: &Site,
    account: &mut Account,
) -> Result<(), ClientError> {
    let mut resume = client.resume();
    tokio::time::sleep(resume.retry.unwrap_or(RETRY_AT_ONCE)).await;
    resume.after_end = Some(AfterEnd::default());
    let before = std::mem::replace(client, C::connect(site, number, resume, account).await?);
    before.close().await;
    Ok(())
}

/// The books of `client`, which expects up to [`MESSAGES`] on each topic.
fn account(plan: &Plan, client: u32, recorder: Rc<Recorder>) -> Account {
    let topics = plan.topics.len();
    let windows = Arc::new(Windows::new(vec![0..MESSAGES; topics], topics));
    Account::new(plan.run, plan.topic_of(client), plan.shard, windows, recorder)
}
