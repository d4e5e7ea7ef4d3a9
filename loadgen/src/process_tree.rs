//! What a server's process and all of its descendants spend, by `/proc`: workers that a server forks are its cost, too.

use std::time::Duration;

/// The sums over a process and its descendants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// CPU time, user and system, to the clock tick; what descendants that have ended used is in it if they were waited for.
    pub cpu: Duration,
    /// Resident memory, bytes; what processes share is counted for each of them.
    pub rss_bytes: u64,
    /// How many processes there are.
    pub processes: usize,
}

/// One process, as `/proc/PID/stat` tells it (`proc_pid_stat(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    ticks: u64,
    pages: u64,
    is_zombie: bool,
}

/// Sums up the tree below `root`, itself included; `None` when it has gone, or where there is no `/proc`.
pub fn spent_by(root: u32) -> Option<Spent> {
    let all: Vec<Process> = std::fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let pid = name.to_str()?.parse().ok()?;
            // A process that ends in this moment is not there any more, which is no fault.
            // Its name may be in any encoding.
            read_stat(pid, &String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/stat")).ok()?))
        })
        .collect();
    sum_up(root, &all)
}

fn sum_up(root: u32, all: &[Process]) -> Option<Spent> {
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
    let ticks: u64 = tree.iter().map(|process| process.ticks).sum();
    let pages: u64 = tree.iter().map(|process| process.pages).sum();
    (!tree.is_empty()).then(|| Spent {
        cpu: Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64),
        rss_bytes: pages * rustix::param::page_size() as u64,
        processes: tree.len(),
    })
}

fn read_stat(pid: u32, stat: &str) -> Option<Process> {
    // The second field, the command, may hold anything; fields count from behind its parenthesis.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 2..)?.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // utime, stime, cutime and cstime: the latter two are of children that have ended and were waited for.
    let ticks = (11..=14).map(number).sum::<Option<u64>>()?;
    let parent = u32::try_from(number(1)?).ok()?;
    Some(Process { pid, parent, ticks, pages: number(21)?, is_zombie: *fields.first()? == "Z" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_command_is_called() {
        let line = "77 (a) b (c) S 5 77 77 0 -1 4194560 300 0 1 0 11 2 30 4 20 0 1 0 1000 9000000 512 184 1 1 0";
        let expected = Process { pid: 77, parent: 5, ticks: 47, pages: 512, is_zombie: false };
        assert_eq!(read_stat(77, line), Some(expected));
        assert_eq!(read_stat(77, "77 (a)"), None, "cut short");
    }

    #[test]
    fn descendants_count_and_strangers_do_not() {
        let process = |pid, parent| Process { pid, parent, ticks: 100, pages: 1, is_zombie: false };
        let all = [process(1, 0), process(10, 1), process(12, 11), process(11, 10), process(20, 1)];
        let spent = sum_up(10, &all).unwrap();
        let page = rustix::param::page_size() as u64;
        assert_eq!((spent.processes, spent.rss_bytes), (3, 3 * page));
        assert_eq!(sum_up(99, &all), None);
    }

    #[test]
    fn a_number_that_was_given_again_does_not_lead_round_in_circles() {
        let process = |pid, parent| Process { pid, parent, ticks: 100, pages: 1, is_zombie: false };
        let all = [process(10, 12), process(11, 10), process(12, 11)];
        assert_eq!(sum_up(10, &all).unwrap().processes, 3);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_and_its_child_are_two() {
        let own = std::process::id();
        let alone = spent_by(own).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let together = spent_by(own).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(alone.rss_bytes > 0);
        assert!(together.processes > alone.processes, "{alone:?} {together:?}");
    }
}
