//! The longest pause for which clients stay away as they were told, which the drain is lengthened by: what is published meanwhile is not lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Of all clients of this process. It is touched when a client pauses, never for a delivery in time.
#[derive(Debug, Default)]
pub struct LongestPause(AtomicU64);

impl LongestPause {
    /// A client pauses for so long.
    pub fn enter(&self, pause: Duration) {
        self.0.fetch_max(pause.as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The longest so far.
    pub fn read(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
