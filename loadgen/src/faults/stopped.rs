//! A server that is stopped for a while (SIGSTOP), with all that it has started: it goes on however the run ends.
//!
//! Who leaves this program without unwinding it calls [`continue_all`] first.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::process_tree;

/// All that is stopped at the moment.
static STOPPED: Mutex<Vec<Halted>> = Mutex::new(Vec::new());

fn stopped() -> MutexGuard<'static, Vec<Halted>> {
    STOPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a signal is sent to. The process that is known of a server may only have launched the one that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halted {
    /// A process group: a child of ours leads one, in which is what it has started.
    Group(Pid),
    /// One process of a tree.
    Process(Pid),
}

impl Halted {
    fn tell(self, signal: Signal) -> rustix::io::Result<()> {
        match self {
            Self::Group(group) => kill_process_group(group, signal),
            Self::Process(process) => kill_process(process, signal),
        }
    }
}

/// A server that is stopped until this is dropped.
#[derive(Debug)]
pub struct Stopped(Vec<Halted>);

impl Stopped {
    /// Stops a child of ours and all of its process group.
    pub fn child(pid: u32) -> anyhow::Result<Self> {
        let mut this = Self(Vec::new());
        this.stop(Halted::Group(process(pid)?)).with_context(|| format!("cannot stop the process group {pid}"))?;
        Ok(this)
    }

    /// Stops a process that somebody named, and all of its descendants.
    pub fn tree(pid: u32) -> anyhow::Result<Self> {
        let mut this = Self(Vec::new());
        this.stop(Halted::Process(process(pid)?)).with_context(|| format!("cannot stop the process {pid}"))?;
        // Who was not stopped yet may have started another one meanwhile.
        while this.stop_descendants(pid) {}
        Ok(this)
    }

    /// Stops those that are not yet; false when there were none.
    fn stop_descendants(&mut self, root: u32) -> bool {
        // Who has started the server may have started us, too: nobody could continue us.
        let others = process_tree::members(root).into_iter().filter(|&pid| pid != std::process::id());
        let members = others.filter_map(|pid| process(pid).ok()).map(Halted::Process);
        let running: Vec<Halted> = members.filter(|member| !self.0.contains(member)).collect();
        // One that has ended meanwhile, or is not ours to stop, serves nobody or is left as it is.
        running.into_iter().filter(|member| self.stop(*member).is_ok()).count() > 0
    }

    fn stop(&mut self, what: Halted) -> rustix::io::Result<()> {
        what.tell(Signal::STOP)?;
        stopped().push(what);
        self.0.push(what);
        Ok(())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let mut stopped = stopped();
        for &what in &self.0 {
            go_on(what);
            stopped.retain(|other| *other != what);
        }
    }
}

/// Has everything go on that is stopped: for who is about to end this program on the spot.
pub fn continue_all() {
    stopped().drain(..).for_each(go_on);
}

fn go_on(what: Halted) {
    // One that has been killed meanwhile needs it no longer.
    let _ = what.tell(Signal::CONT);
}

fn process(pid: u32) -> anyhow::Result<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process has such a number")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use super::*;
    use crate::clock;

    /// A launcher and what it has launched, in a process group of their own.
    struct Launched {
        launcher: Child,
        server: u32,
    }

    impl Launched {
        fn start() -> Self {
            let script = ["-c", "sleep 60 & echo $!; wait"];
            let mut launcher =
                Command::new("sh").args(script).process_group(0).stdout(Stdio::piped()).spawn().expect("sh starts");
            let mut line = String::new();
            BufReader::new(launcher.stdout.take().unwrap()).read_line(&mut line).unwrap();
            Self { launcher, server: line.trim().parse().unwrap() }
        }

        /// Waits until both are stopped, or none is.
        fn await_stopped(&self, wanted: bool) {
            let bound = clock::now() + Duration::from_secs(10);
            let is_stopped = |pid: u32| {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
                stat.rsplit(") ").next().unwrap().starts_with('T')
            };
            let both = [self.launcher.id(), self.server];
            while both.map(is_stopped) != [wanted; 2] {
                assert!(clock::now() < bound, "stopped: {:?}, expected {wanted}", both.map(is_stopped));
            }
        }
    }

    impl Drop for Launched {
        fn drop(&mut self) {
            let _ = kill_process_group(process(self.launcher.id()).unwrap(), Signal::KILL);
            let _ = self.launcher.wait();
        }
    }

    #[test]
    fn what_a_launcher_has_launched_is_stopped_with_it_and_goes_on_with_it() {
        for stop in [Stopped::child, Stopped::tree] {
            let launched = Launched::start();
            let stopped = stop(launched.launcher.id()).unwrap();
            launched.await_stopped(true);
            drop(stopped);
            launched.await_stopped(false);
        }
    }

    #[test]
    fn who_cannot_be_stopped_is_named() {
        let error = format!("{:#}", Stopped::tree(u32::MAX).unwrap_err());
        assert_eq!(error, "no process has such a number");
    }
}
