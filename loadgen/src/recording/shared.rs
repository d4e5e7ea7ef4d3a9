//! What the players of a run share: read by all, and written by whoever it is of.

use std::sync::Arc;

use super::{Departures, LiveClients, LongestPause, Windows};
use crate::plan::Plan;

/// What the players of a run share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// What every publisher publishes in the window.
    pub windows: Arc<Windows>,
    /// When notifications actually left.
    pub departures: Arc<Departures>,
    /// Who is live.
    pub live: Arc<LiveClients>,
    /// How long clients stayed away at most, as they were told.
    pub longest_pause: Arc<LongestPause>,
}

impl Shared {
    /// What the players of `plan` share, before the run.
    pub fn of(plan: &Plan) -> Self {
        let windows = Windows::of(plan);
        let departures = Departures::new(plan, &windows);
        Self {
            windows: Arc::new(windows),
            departures: Arc::new(departures),
            live: Arc::default(),
            longest_pause: Arc::default(),
        }
    }
}
