//! Process groups of the children that this program has started: none of them outlives it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// All that run at the moment.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process group that a child leads, in which is what it has started. Dropping it kills all of it.
#[derive(Debug)]
pub struct Group(Option<Pid>);

impl Group {
    /// That of the child `pid`, which was started as the leader of a group.
    pub fn of(pid: u32) -> Self {
        let group = i32::try_from(pid).ok().and_then(Pid::from_raw);
        running().extend(group);
        Self(group)
    }

    /// Sends all of it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // A group that has ended cannot be told anything, and need not.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        running().retain(|group| Some(*group) != self.0);
    }
}

/// Kills every group that is left: for who is about to end this program without unwinding it.
pub fn kill_all() {
    for group in running().drain(..) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}
