//! The guard against clients that say too much over a socket: each has its own account, and who overdraws it is ended.

use super::pace::{Bucket, Pace};
use crate::clock;

/// What a WebSocket is told when it is ended with 1008.
pub(crate) const REFUSAL: &str = "more messages than --messages-per-second allows";

/// One client's account of its messages.
#[derive(Debug)]
pub(crate) struct Messages {
    pace: Option<Pace>,
    said: Bucket,
}

impl Messages {
    /// At this `pace`; at any without one.
    pub(crate) fn new(pace: Option<Pace>) -> Self {
        Self { pace, said: Bucket::default() }
    }

    /// True when one more may be said now.
    pub(crate) fn admit(&self) -> bool {
        self.pace.is_none_or(|pace| pace.take(&self.said, clock::now()).is_ok())
    }
}
