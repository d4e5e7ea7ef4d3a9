//! Publishes on time, whatever the server does: the open loop at the other end of every latency.
//!
//! A thread of its own that never waits for an answer: a notification is sent when it is due, answers are matched when they come. What a
//! slow server delays therefore shows in the latencies instead of disappearing (coordinated omission), and what the generator itself
//! delays shows as send lag. `pace` keeps the time. Over HTTP, `pool` has a connection ready for each request; a `channel` is a socket of
//! its own, on which `ws` or `socketio` is spoken.

mod books;
mod channel;
mod channels;
mod http;
mod http_connection;
mod message;
mod pace;
mod pool;
mod publication;
mod socket_end;
mod socketio;
mod ws;

pub use channels::Channels;
pub use message::MIN_PAYLOAD;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use results::Published;
use tokio::sync::{oneshot, watch};
use tokio::task::LocalSet;

use crate::clock;
use crate::plan::Plan;
use crate::recording::{Departures, PublishOrder};
use crate::target::Target;
use pace::Pace;

/// What became of everything that was due.
#[derive(Debug)]
pub struct Report {
    /// Counts and times of the window.
    pub published: Published,
    /// One past the last sequence number that was due, per topic.
    pub ends: Vec<u32>,
    /// Sequence numbers that the server is not known to have accepted, ascending, per topic.
    pub refused: Vec<Vec<u32>>,
    /// In which order they were published, per topic.
    pub orders: Vec<PublishOrder>,
    /// What kept notifications from being accepted, by kind, over the whole run.
    pub failures: BTreeMap<String, u64>,
    /// What the server said with the first refusal of a kind; secrets may stand in it.
    pub quotes: BTreeMap<String, String>,
    /// Actual minus intended instants of the window, ns.
    pub send_lag: Histogram<u64>,
    /// Requests of the window sent until answered, ns.
    pub publish_time: Histogram<u64>,
    /// Times that no histogram holds.
    pub out_of_range: u64,
}

/// The publishing thread as the conductor holds it.
#[derive(Debug)]
pub struct Publisher {
    thread: JoinHandle<anyhow::Result<Report>>,
    begin: oneshot::Sender<Instant>,
    stop: watch::Sender<Stop>,
    sent: Arc<AtomicU64>,
}

/// Whether a publisher is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It is.
    No,
    /// The user wants to end: what has not fallen due by this instant is no part of the run; what had, and was not sent, is told as refused.
    Wanted(Instant),
    /// Its time is over: what it has not sent was due all the same, and is told as refused (`publish-unsent`).
    TooLate,
}

impl Publisher {
    /// Opens the publishing channels.
    ///
    /// A publication that waits for a free connection counts as one that waited when that takes longer than `tolerated_wait`.
    pub async fn start(
        plan: Arc<Plan>,
        target: Target,
        departures: Arc<Departures>,
        tolerated_wait: Duration,
    ) -> anyhow::Result<Self> {
        let (begin, begun) = oneshot::channel();
        let (ready, readiness) = oneshot::channel();
        let (stop, stopped) = watch::channel(Stop::No);
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let thread = std::thread::Builder::new()
            .name("publisher".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                LocalSet::new().block_on(&runtime, async {
                    let channels = match Channels::open(&plan, &target, departures, counter, tolerated_wait).await {
                        Ok(channels) => channels,
                        Err(error) => {
                            let _ = ready.send(Err(error));
                            anyhow::bail!("the publishing channel was not opened");
                        }
                    };
                    let _ = ready.send(Ok(()));
                    let begin = begun.await.unwrap_or_else(|_| clock::now());
                    Pace::new(channels).publish(&plan, begin, stopped).await
                })
            })
            .context("cannot start the publishing thread")?;
        readiness.await.context("the publishing thread ended early; this is a bug")??;
        Ok(Self { thread, begin, stop, sent })
    }

    /// Starts publishing at an instant.
    pub fn begin(self, at: Instant) -> Publishing {
        let _ = self.begin.send(at);
        Publishing { thread: self.thread, stop: self.stop, sent: self.sent }
    }
}

/// A publisher that is at work.
#[derive(Debug)]
pub struct Publishing {
    thread: JoinHandle<anyhow::Result<Report>>,
    stop: watch::Sender<Stop>,
    sent: Arc<AtomicU64>,
}

impl Publishing {
    /// Notifications sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Publishes no more, though more may be due. The first reason counts.
    pub fn stop(&self, why: Stop) {
        self.stop.send_if_modified(|stop| {
            let is_first = *stop == Stop::No;
            if is_first {
                *stop = why;
            }
            is_first
        });
    }

    /// True when everything was sent and answered for.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// The account of it all; to be asked for when the publisher [is finished](Self::is_finished).
    pub fn report(self) -> anyhow::Result<Report> {
        self.thread.join().map_err(|_| anyhow::anyhow!("the publishing thread panicked; this is a bug"))?
    }
}
