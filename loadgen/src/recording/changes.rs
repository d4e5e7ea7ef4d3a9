//! When clients of a run with faults were interrupted, resumed, and tried to connect: kept where it happens, to the millisecond.

use std::time::Duration;

/// What happened to clients within one millisecond of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Whole milliseconds since the beginning of the window.
    pub at_ms: u32,
    /// Clients that were interrupted.
    pub interrupted: u32,
    /// Clients that resumed.
    pub resumed: u32,
    /// Attempts to connect that were begun.
    pub attempts: u32,
}

impl Moment {
    /// Its beginning, since that of the window.
    pub fn start(&self) -> Duration {
        Duration::from_millis(self.at_ms.into())
    }

    /// Its end.
    pub fn end(&self) -> Duration {
        Duration::from_millis(u64::from(self.at_ms) + 1)
    }

    fn add(&mut self, other: &Self) {
        self.interrupted += other.interrupted;
        self.resumed += other.resumed;
        self.attempts += other.attempts;
    }
}

/// The moments of one player's clients in which something happened, 16 bytes each: at most 16 KB for each second of the run.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Start of the window, ns; `None` until it is known.
    start_ns: Option<u64>,
    moments: Vec<Moment>,
}

impl Changes {
    /// The window begins at `start_ns`; what happens before is not kept. A start that is set again changes nothing.
    pub(super) fn begin(&mut self, start_ns: u64) {
        self.start_ns.get_or_insert(start_ns);
    }

    /// Enters what has `happened` at `at_ns`; a player's clock never goes back.
    pub(super) fn enter(&mut self, at_ns: u64, happened: impl FnOnce(&mut Moment)) {
        let since = self.start_ns.and_then(|start_ns| at_ns.checked_sub(start_ns));
        let Some(at_ms) = since.and_then(|ns| u32::try_from(ns / 1_000_000).ok()) else { return };
        if self.moments.last().is_none_or(|last| last.at_ms < at_ms) {
            self.moments.push(Moment { at_ms, ..Moment::default() });
        }
        happened(self.moments.last_mut().expect("one was pushed where there was none"));
    }

    /// All of them, in order.
    pub(super) fn moments(&self) -> Vec<Moment> {
        self.moments.clone()
    }
}

/// The moments of several players as those of one.
pub fn merge_moments(players: impl IntoIterator<Item = Vec<Moment>>) -> Vec<Moment> {
    let mut all: Vec<Moment> = players.into_iter().flatten().collect();
    all.sort_by_key(|moment| moment.at_ms);
    all.dedup_by(|later, earlier| {
        let is_same = later.at_ms == earlier.at_ms;
        if is_same {
            earlier.add(later);
        }
        is_same
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_in_one_millisecond_is_one_moment_and_nothing_before_the_window_is_kept() {
        let mut changes = Changes::default();
        changes.enter(5_000_000, |moment| moment.attempts += 1);
        changes.begin(10_000_000);
        changes.begin(99_000_000);
        changes.enter(9_999_999, |moment| moment.attempts += 1);
        changes.enter(10_000_000, |moment| moment.interrupted += 1);
        changes.enter(10_999_999, |moment| moment.interrupted += 1);
        changes.enter(12_000_000, |moment| moment.resumed += 1);
        let told: Vec<_> = changes.moments().iter().map(|m| (m.at_ms, m.interrupted, m.resumed, m.attempts)).collect();
        assert_eq!(told, [(0, 2, 0, 0), (2, 0, 1, 0)]);
    }

    #[test]
    fn players_are_merged_by_time() {
        let moment = |at_ms, attempts| Moment { at_ms, attempts, ..Moment::default() };
        let merged = merge_moments([vec![moment(1, 1), moment(7, 2)], vec![moment(1, 4), moment(3, 8)], vec![]]);
        assert_eq!(merged, [moment(1, 5), moment(3, 8), moment(7, 2)]);
    }
}
