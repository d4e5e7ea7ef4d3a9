//! CPU time with user and system apart: of this process by `getrusage`, of any other by its CPU clock.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

/// What a process has used so far, or between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In user mode.
    pub user: Duration,
    /// In the kernel, for the process.
    pub system: Duration,
}

impl CpuTime {
    /// Both.
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    /// What was used since `earlier`, a reading of the same process.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { user: self.user.saturating_sub(earlier.user), system: self.system.saturating_sub(earlier.system) }
    }
}

/// CPU time of this process so far, all threads, those that have ended included (`getrusage(2)`). The sum is exact to the
/// microsecond; Linux splits it by what each clock tick found running (`cputime_adjust` in `kernel/sched/cputime.c`), which is
/// a sample, not a stopwatch.
pub fn own() -> CpuTime {
    let span = |time: TimeVal| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0));
    // The call can only fail for a wrong address or a wrong `who`.
    getrusage(UsageWho::RUSAGE_SELF)
        .map(|usage| CpuTime { user: span(usage.user_time()), system: span(usage.system_time()) })
        .unwrap_or_default()
}

/// Total CPU time of the process `pid`, all threads, those that have ended included, its children not, to the nanosecond: its
/// CPU clock (`clock_getcpuclockid(3)`), which anybody may read. `None` when it has gone, or where the system has no such clock.
#[cfg(target_os = "linux")]
pub fn exact_total(pid: u32) -> Option<Duration> {
    use nix::time::{clock_getcpuclockid, clock_gettime};
    // Zero would be this process.
    let pid = i32::try_from(pid).ok().filter(|&pid| pid > 0)?;
    let clock = clock_getcpuclockid(nix::unistd::Pid::from_raw(pid)).ok()?;
    Some(Duration::from(clock_gettime(clock).ok()?))
}

/// Not measured here.
#[cfg(not(target_os = "linux"))]
pub fn exact_total(_pid: u32) -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Works until this thread has used `amount` of CPU.
    fn spin(amount: Duration) {
        let used = || Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime)).unwrap();
        let begin = used();
        while used() - begin < amount {
            std::hint::spin_loop();
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn less_than_a_tick_and_a_thread_that_has_ended_are_counted() {
        let worked = Duration::from_millis(3);
        let (own_before, before) = (own(), exact_total(std::process::id()).unwrap());
        std::thread::spawn(move || spin(worked)).join().unwrap();
        let (after, own_after) = (exact_total(std::process::id()).unwrap(), own());
        assert!(after - before >= worked, "{:?}", after - before);
        let outer = own_after.since(own_before).total() + Duration::from_micros(2);
        assert!(outer >= after - before, "two ways of reading one clock: {outer:?}, {:?}", after - before);
    }

    #[test]
    fn a_process_that_is_not_there_has_used_nothing_that_is_known() {
        assert_eq!(exact_total(0), None);
        assert_eq!(exact_total(u32::MAX), None);
    }
}
