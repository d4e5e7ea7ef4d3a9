//! The one place where the server takes instants.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Now, for deadlines.
#[expect(clippy::disallowed_methods, reason = "this is the place that the ban leaves")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Now, microseconds since the Unix epoch, for the timestamp of a notification.
pub(crate) fn unix_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
