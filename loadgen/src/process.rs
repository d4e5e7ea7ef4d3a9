//! What the operating system says about processes: memory, descriptors, cores.

use std::io;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Resident memory of this process, bytes; `None` where `/proc` does not tell.
pub fn own_rss() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// File descriptors that a process holds open, this one without a number; `None` where the system does not tell.
///
/// Linux says so as the size of `/proc/PID/fd` since 6.2 (`proc_readfd_count` in `fs/proc/fd.c`), from a bitmap; to count the entries
/// would cost milliseconds of each second with 19,000 of them, and show in what the generator spends.
pub fn descriptors(pid: Option<u32>) -> Option<u64> {
    let folder = pid.map_or_else(|| "/proc/self/fd".to_owned(), |pid| format!("/proc/{pid}/fd"));
    let open = std::fs::metadata(folder).ok()?.len();
    // Never none: a process without any could not be asked.
    (open > 0).then_some(open)
}

/// Raises the limit of file descriptors as far as it goes, and returns it.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    current.unwrap_or(u64::MAX)
}

/// Cores that this thread may run on.
pub fn allowed_cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// Binds this thread, and the threads and processes that it starts from now on, to cores.
pub fn pin_to(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    Ok(sched_setaffinity(None::<Pid>, &set)?)
}
