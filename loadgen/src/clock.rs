//! The one clock of the generator: every instant that it measures with is taken here.
//!
//! Publishing and receiving happen in one process, so both read the same monotonic clock (`CLOCK_MONOTONIC` on Linux) and
//! no clocks need to agree. A [`Timestamp`](now_ns) counts nanoseconds from the first use of the clock, which is what a
//! postmark carries.

use std::io;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// A little before everything else, so that no timestamp is zero.
static ORIGIN: LazyLock<Instant> = LazyLock::new(|| now() - Duration::from_secs(1));

/// This instant.
#[expect(clippy::disallowed_methods, reason = "this is the one place that takes instants")]
pub fn now() -> Instant {
    Instant::now()
}

/// This instant, nanoseconds on the generator's clock.
pub fn now_ns() -> u64 {
    ns_at(now())
}

/// An instant as nanoseconds on the generator's clock; 0 for what was before its origin.
pub fn ns_at(instant: Instant) -> u64 {
    u64::try_from(instant.saturating_duration_since(*ORIGIN).as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds on the generator's clock as an instant.
pub fn instant_at(ns: u64) -> Instant {
    *ORIGIN + Duration::from_nanos(ns)
}

/// Sleeps until an instant. Enough for what may be a millisecond late: the runtime's timer wheel turns once a millisecond.
pub async fn sleep_until(instant: Instant) {
    tokio::time::sleep_until(instant.into()).await;
}

/// Sleeps until instants to within some ten microseconds, for the publisher, whose lateness would look like latency.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Alarm {
    timer: tokio::io::unix::AsyncFd<rustix::fd::OwnedFd>,
}

#[cfg(target_os = "linux")]
impl Alarm {
    /// A new alarm, a `timerfd` of the current runtime.
    #[expect(
        deprecated,
        reason = "an `OwnedFd` is what the unsafe successor asks for: the same file until it is dropped"
    )]
    pub fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { timer: tokio::io::unix::AsyncFd::new(timer)? })
    }

    /// Sleeps until `instant`; returns at once when it has passed.
    pub async fn sleep_until(&mut self, instant: Instant) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let left = instant.saturating_duration_since(now());
        if left.is_zero() {
            return Ok(());
        }
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: seconds, tv_nsec: i64::from(left.subsec_nanos()) },
        };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        let mut ready = self.timer.readable().await?;
        let mut expirations = [0; 8];
        let _ = rustix::io::read(self.timer.get_ref(), &mut expirations);
        ready.clear_ready();
        Ok(())
    }
}

/// Sleeps until instants; elsewhere than on Linux only as finely as the runtime does, which shows as send lag.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// A new alarm.
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Sleeps until `instant`.
    pub async fn sleep_until(&mut self, instant: Instant) -> io::Result<()> {
        sleep_until(instant).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_and_instants_convert_both_ways() {
        let ns = now_ns();
        assert!(ns > 0);
        assert_eq!(ns_at(instant_at(ns)), ns);
    }

    #[tokio::test]
    async fn an_alarm_never_rings_early() {
        let mut alarm = Alarm::new().unwrap();
        for microseconds in [0, 10, 500, 3_000] {
            let due = now() + Duration::from_micros(microseconds);
            alarm.sleep_until(due).await.unwrap();
            assert!(now() >= due);
        }
    }
}
