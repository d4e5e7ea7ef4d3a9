//! The one place where the server takes instants.

use std::cell::Cell;
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

/// Now, as a `Date` field says it (RFC 9110, section 5.6.7): in whole seconds, so each thread writes it out once a second.
pub(crate) fn http_date() -> [u8; 29] {
    thread_local! {
        static WRITTEN: Cell<(u64, [u8; 29])> = const { Cell::new((u64::MAX, [b' '; 29])) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (of, date) = WRITTEN.get();
    if of == second {
        return date;
    }
    let mut date = [b' '; 29];
    date.copy_from_slice(httpdate::fmt_http_date(now).as_bytes());
    WRITTEN.set((second, date));
    date
}
