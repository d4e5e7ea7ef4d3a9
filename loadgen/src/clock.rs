//! The one clock of the generator: every instant that it measures with is taken here.
//!
//! Publishing and receiving happen in one process, so both read the same monotonic clock (`CLOCK_MONOTONIC` on Linux) and
//! no clocks need to agree. A [`Timestamp`](now_ns) counts nanoseconds from the first use of the clock, which is what a
//! postmark carries.

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// A little before everything else, so that no timestamp is zero; or what was [adopted](adopt_origin).
fn origin() -> Instant {
    *ORIGIN.get_or_init(|| now() - Duration::from_secs(1))
}

/// Where this process's timestamps count from, on the system's monotonic clock, ns: what another process on this machine
/// needs to read them.
pub fn origin_ns() -> u64 {
    let now = now();
    system_ns(now).saturating_sub(ns_at(now))
}

/// Makes the timestamps of this process those of another one on this machine, which told its [`origin_ns`]. To be called
/// before any timestamp is taken; afterwards it changes nothing.
pub fn adopt_origin(ns: u64) {
    let now = now();
    let age = system_ns(now).saturating_sub(ns);
    ORIGIN.get_or_init(|| now.checked_sub(Duration::from_nanos(age)).unwrap_or(now));
}

/// An instant on the system's monotonic clock, ns since the machine started: the clock that `Instant` reads, too.
fn system_ns(instant: Instant) -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let readings = (0..5).map(|_| {
        let time = clock_gettime(ClockId::Monotonic);
        let since = now().saturating_duration_since(instant);
        let system = Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
        u64::try_from(system.saturating_sub(since).as_nanos()).unwrap_or(u64::MAX)
    });
    // An interruption between the two clocks makes a reading smaller: the largest is the best.
    readings.max().unwrap_or(0)
}

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
    u64::try_from(instant.saturating_duration_since(origin()).as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds on the generator's clock as an instant.
pub fn instant_at(ns: u64) -> Instant {
    origin() + Duration::from_nanos(ns)
}

/// An instant of the wall clock on the generator's: for appointments between processes, never for measuring.
pub fn instant_of(time: SystemTime) -> Instant {
    let (now, wall) = (now(), SystemTime::now());
    match time.duration_since(wall) {
        Ok(ahead) => now + ahead,
        Err(behind) => now.checked_sub(behind.duration()).unwrap_or(now),
    }
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
        expired(&self.timer).await
    }
}

/// Waits until a timer has expired, and takes note of it.
#[cfg(target_os = "linux")]
async fn expired(timer: &tokio::io::unix::AsyncFd<rustix::fd::OwnedFd>) -> io::Result<()> {
    let mut ready = timer.readable().await?;
    let mut expirations = [0; 8];
    let _ = rustix::io::read(timer.get_ref(), &mut expirations);
    ready.clear_ready();
    Ok(())
}

/// Rings at every instant of a grid, for as long as it lives.
///
/// It is set once, where a runtime that sleeps until its next timer sets the kernel's clock anew whenever it goes to sleep. Players, which go to
/// sleep thousands of times a second, have no other timers while streams run.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Grid {
    timer: tokio::io::unix::AsyncFd<rustix::fd::OwnedFd>,
}

#[cfg(target_os = "linux")]
impl Grid {
    /// A grid with this `step` that begins now, a `timerfd` of the current runtime.
    #[expect(
        deprecated,
        reason = "an `OwnedFd` is what the unsafe successor asks for: the same file until it is dropped"
    )]
    pub fn new(step: Duration) -> io::Result<Self> {
        use rustix::time::{
            Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
        };
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let seconds = i64::try_from(step.as_secs()).unwrap_or(i64::MAX);
        let step = Timespec { tv_sec: seconds, tv_nsec: i64::from(step.subsec_nanos()) };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: step, it_value: step })?;
        Ok(Self { timer: tokio::io::unix::AsyncFd::new(timer)? })
    }

    /// Waits for the next instant; returns at once when one has passed since the last time.
    pub async fn next(&mut self) -> io::Result<()> {
        expired(&self.timer).await
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsRawFd for Grid {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.timer.as_raw_fd()
    }
}

/// Rings at every instant of a grid; elsewhere than on Linux by the runtime's own timer, which nobody else can watch.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub struct Grid {
    step: Duration,
    due: Instant,
}

#[cfg(not(target_os = "linux"))]
impl Grid {
    /// A grid with this `step` that begins now.
    pub fn new(step: Duration) -> io::Result<Self> {
        Ok(Self { step, due: now() + step })
    }

    /// Waits for the next instant; returns at once when one has passed since the last time.
    pub async fn next(&mut self) -> io::Result<()> {
        sleep_until(self.due).await;
        while self.due <= now() {
            self.due += self.step;
        }
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
