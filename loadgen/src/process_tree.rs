//! What a server's process and all of its descendants spend, by `/proc`: workers that a server forks are its cost, too.
//!
//! `/proc/PID/stat` counts CPU in whole clock ticks, 10 ms as a rule, which over a short window is several per cent of it; the CPU
//! clock of a process is exact, but does not tell user from system, nor what children used that have ended. So each process's
//! own time comes from its clock, what its ended children used from the ticks, and the ticks split the sum over a window.
//! `/proc/PID/task/*/schedstat` would tell the same to the nanosecond, but forgets threads that have ended.

use std::fs::File;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::cpu_time::{self, CpuTime};

/// The sums over a process and its descendants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// CPU time, user and system: of living processes exactly where the system has CPU clocks, else to the clock tick; of
    /// descendants that have ended, to the tick, if they were waited for.
    pub cpu: Duration,
    /// The same in whole ticks, rounded down for each process: what splits `cpu` into user and system.
    pub ticks: CpuTime,
    /// Resident memory, bytes; what processes share is counted for each of them.
    pub rss_bytes: u64,
    /// How many processes there are.
    pub processes: usize,
}

impl Spent {
    /// What was used since `earlier`; `None` when it has become less: then a process has left the tree with what it had used.
    pub fn cpu_since(&self, earlier: &Self) -> Option<Duration> {
        self.cpu.checked_sub(earlier.cpu)
    }

    /// The same, split as its ticks are, which Linux keeps in proportion to the exact time (`cputime_adjust` in
    /// `kernel/sched/cputime.c`): the sum is exact, each part is known to about one tick a process. `None` when no tick has
    /// passed, or fewer are there than before.
    pub fn split_since(&self, earlier: &Self) -> Option<CpuTime> {
        let cpu = self.cpu_since(earlier)?;
        let user = self.ticks.user.checked_sub(earlier.ticks.user)?;
        let system = self.ticks.system.checked_sub(earlier.ticks.system)?;
        let ticks = (user + system).as_secs_f64();
        (ticks > 0.0).then(|| {
            let user = cpu.mul_f64(user.as_secs_f64() / ticks);
            CpuTime { user, system: cpu.saturating_sub(user) }
        })
    }
}

/// One process, as `/proc/PID/stat` tells it (`proc_pid_stat(5)`), and its CPU clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    /// Its own time, all threads.
    own: Ticks,
    /// That of children that have ended and were waited for.
    ended: Ticks,
    /// Its own time, exactly, where its clock can be read.
    exact: Option<Duration>,
    pages: u64,
    is_zombie: bool,
}

/// A process that is asked again and again. All of `/proc` is searched for its descendants only where a process has begun anywhere since
/// the last time, which is one line to read instead of a file for every process of the machine: with 100 of them 1.4 ms a look.
#[derive(Debug)]
pub struct Tree {
    root: u32,
    seen: Mutex<Option<Seen>>,
}

/// Who belonged to a tree, and the newest process of all at that time.
#[derive(Debug)]
struct Seen {
    newest: u32,
    members: Vec<u32>,
}

impl Tree {
    /// The tree below `root`, itself included.
    pub fn of(root: u32) -> Self {
        Self { root, seen: Mutex::new(None) }
    }

    /// The number of the process at its root.
    pub fn root(&self) -> u32 {
        self.root
    }

    /// Sums it up; `None` when its root has gone, or where there is no `/proc`.
    pub fn spent(&self) -> Option<Spent> {
        // Before the search: who begins during it is looked for the next time.
        let newest = newest();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let all = match &*seen {
            Some(seen) if Some(seen.newest) == newest => seen.members.iter().copied().filter_map(read).collect(),
            _ => everybody()?,
        };
        let tree = tree_of(self.root, &all);
        *seen = newest.map(|newest| Seen { newest, members: tree.iter().map(|process| process.pid).collect() });
        sum_up(tree)
    }
}

/// Clock ticks in user mode and in the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ticks {
    user: u64,
    system: u64,
}

impl Ticks {
    fn time(self) -> CpuTime {
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let time = |ticks: u64| Duration::from_secs_f64(ticks as f64 / per_second);
        CpuTime { user: time(self.user), system: time(self.system) }
    }
}

/// Sums up the tree below `root`, itself included; `None` when it has gone, or where there is no `/proc`.
pub fn spent_by(root: u32) -> Option<Spent> {
    Tree::of(root).spent()
}

/// The numbers of `root` and its descendants; none where it has gone, or where there is no `/proc`.
pub fn members(root: u32) -> Vec<u32> {
    tree_of(root, &everybody().unwrap_or_default()).iter().map(|process| process.pid).collect()
}

/// The process that has begun last, of all that can be seen (`proc_loadavg(5)`); `None` where the system does not tell.
fn newest() -> Option<u32> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().last()?.parse().ok()
}

/// All processes that can be seen.
fn everybody() -> Option<Vec<Process>> {
    let pids = std::fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Some(pids.filter_map(read).collect())
}

/// One process; one that ends in this moment is not there any more, which is no fault.
fn read(pid: u32) -> Option<Process> {
    // Longer than its 52 fields can be, so that one call reads it.
    let mut stat = [0; 2048];
    let len = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut stat).ok()?;
    // Its name may be in any encoding.
    read_stat(pid, &String::from_utf8_lossy(&stat[..len]))
}

/// `root` and its descendants.
fn tree_of(root: u32, all: &[Process]) -> Vec<Process> {
    let mut tree: Vec<Process> =
        all.iter().copied().filter(|process| process.pid == root && !process.is_zombie).collect();
    let mut next = 0;
    while let Some(parent) = tree.get(next).copied() {
        // Each once: `/proc` is not read in one instant, and where a number was given again meanwhile, two may be each
        // other's children.
        for process in all.iter().filter(|process| process.parent == parent.pid) {
            if !tree.iter().any(|known| known.pid == process.pid) {
                tree.push(*process);
            }
        }
        next += 1;
    }
    tree
}

fn sum_up(mut tree: Vec<Process>) -> Option<Spent> {
    for process in &mut tree {
        process.exact = cpu_time::exact_total(process.pid);
    }
    sum(&tree)
}

fn sum(tree: &[Process]) -> Option<Spent> {
    let sum = |of: fn(&Process) -> u64| tree.iter().map(of).sum::<u64>();
    let ticks = Ticks {
        user: sum(|process| process.own.user + process.ended.user),
        system: sum(|process| process.own.system + process.ended.system),
    };
    let cpu =
        |process: &Process| process.exact.unwrap_or_else(|| process.own.time().total()) + process.ended.time().total();
    (!tree.is_empty()).then(|| Spent {
        cpu: tree.iter().map(cpu).sum(),
        ticks: ticks.time(),
        rss_bytes: sum(|process| process.pages) * rustix::param::page_size() as u64,
        processes: tree.len(),
    })
}

fn read_stat(pid: u32, stat: &str) -> Option<Process> {
    // The second field, the command, may hold anything; fields count from behind its parenthesis.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 2..)?.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // utime, stime, cutime and cstime.
    let own = Ticks { user: number(11)?, system: number(12)? };
    let ended = Ticks { user: number(13)?, system: number(14)? };
    let parent = u32::try_from(number(1)?).ok()?;
    let is_zombie = *fields.first()? == "Z";
    Some(Process { pid, parent, own, ended, exact: None, pages: number(21)?, is_zombie })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Stdio;

    use super::*;

    fn process(pid: u32, parent: u32) -> Process {
        let own = Ticks { user: 75, system: 25 };
        Process { pid, parent, own, ended: Ticks::default(), exact: None, pages: 1, is_zombie: false }
    }

    #[test]
    fn a_line_of_proc_is_read_whatever_the_command_is_called() {
        let line = "77 (a) b (c) S 5 77 77 0 -1 4194560 300 0 1 0 11 2 30 4 20 0 1 0 1000 9000000 512 184 1 1 0";
        let (own, ended) = (Ticks { user: 11, system: 2 }, Ticks { user: 30, system: 4 });
        let expected = Process { pid: 77, parent: 5, own, ended, exact: None, pages: 512, is_zombie: false };
        assert_eq!(read_stat(77, line), Some(expected));
        assert_eq!(read_stat(77, "77 (a)"), None, "cut short");
    }

    #[test]
    fn descendants_count_and_strangers_do_not() {
        let all = [process(1, 0), process(10, 1), process(12, 11), process(11, 10), process(20, 1)];
        let spent = sum(&tree_of(10, &all)).unwrap();
        let page = rustix::param::page_size() as u64;
        assert_eq!((spent.processes, spent.rss_bytes), (3, 3 * page));
        assert_eq!(sum(&tree_of(99, &all)), None);
    }

    #[test]
    fn a_number_that_was_given_again_does_not_lead_round_in_circles() {
        let all = [process(10, 12), process(11, 10), process(12, 11)];
        assert_eq!(tree_of(10, &all).len(), 3);
    }

    #[test]
    fn clocks_tell_of_the_living_and_ticks_of_the_ended() {
        let tick = Ticks { user: 1, system: 0 }.time().total();
        let exact = tick * 100 + tick / 4;
        let ended = Ticks { user: 3, system: 4 };
        let with_clock = Process { exact: Some(exact), ended, ..process(1, 0) };
        assert_eq!(sum(&[with_clock]).unwrap().cpu, exact + tick * 7);
        let without = Process { ended, ..process(2, 1) };
        assert_eq!(sum(&[without]).unwrap().cpu, tick * 107, "ticks, where there is no clock");
        assert_eq!(sum(&[with_clock, without]).unwrap().ticks.total(), tick * 214);
    }

    #[test]
    fn a_window_is_split_as_its_ticks_are_and_loses_nothing() {
        let at = |cpu_ms, user_ms, system_ms| Spent {
            cpu: Duration::from_millis(cpu_ms),
            ticks: CpuTime { user: Duration::from_millis(user_ms), system: Duration::from_millis(system_ms) },
            rss_bytes: 0,
            processes: 1,
        };
        let start = at(1_003, 900, 100);
        let used = at(2_015, 1_150, 850).split_since(&start).unwrap();
        assert_eq!((used.user, used.system), (Duration::from_millis(253), Duration::from_millis(759)));
        assert_eq!(used.total(), Duration::from_millis(1_012));
        assert_eq!(at(1_005, 900, 100).split_since(&start), None, "no tick: nothing says how");
        assert_eq!(at(1_005, 900, 100).cpu_since(&start), Some(Duration::from_millis(2)), "but how much is known");
        assert_eq!(at(900, 950, 50).split_since(&start), None, "somebody left");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn who_begins_between_two_looks_belongs_and_who_ends_does_not() {
        // The child ends with its input, which ends with this test.
        let script = ["-c", "read -r go; cat; :"];
        let mut parent = std::process::Command::new("sh").args(script).stdin(Stdio::piped()).spawn().unwrap();
        let bound = crate::clock::now() + Duration::from_secs(30);
        let tree = Tree::of(parent.id());
        let alone = tree.spent().unwrap();
        let mut input = parent.stdin.take().unwrap();
        input.write_all(b"\n").unwrap();
        while tree.spent().unwrap().processes < 2 && crate::clock::now() < bound {}
        let (looked, again) = (tree.spent().unwrap(), tree.spent().unwrap());
        parent.kill().unwrap();
        // Not waited for: it is there still, and has ended.
        while tree.spent().is_some() && crate::clock::now() < bound {}
        let gone = tree.spent();
        parent.wait().unwrap();
        drop(input);
        assert!(looked.rss_bytes > 0);
        assert_eq!((alone.processes, looked.processes, again.processes, gone), (1, 2, 2, None));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_busy_child_is_known_finer_than_the_tick_and_agrees_with_it() {
        let tick = Ticks { user: 1, system: 0 }.time().total();
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let bound = crate::clock::now() + Duration::from_secs(30);
        let (mut earlier, mut later);
        loop {
            (earlier, later) = (spent_by(child.id()).unwrap(), spent_by(child.id()).unwrap());
            if earlier.ticks.total() >= tick * 5 || crate::clock::now() > bound {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(earlier.ticks.total() >= tick * 5, "it works: {earlier:?}");
        assert!(earlier.cpu.as_nanos() % tick.as_nanos() != 0, "finer: {earlier:?}");
        // The ticks were read first, and are rounded down twice.
        assert!(earlier.ticks.total() <= earlier.cpu, "{earlier:?}");
        assert!(earlier.cpu < later.ticks.total() + tick * 2, "{earlier:?} {later:?}");
    }
}
