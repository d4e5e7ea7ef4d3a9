//! How many clients of this process are live, and the fewest that were at any instant: counted where each goes live and ends, never sampled.

use std::sync::atomic::{AtomicU64, Ordering};

/// One count for all player threads, with its minimum. Both stand in one word, so that a change and the minimum that follows from it are one
/// step: the minimum of each thread's own count, summed up, would be no minimum of the whole. It is touched when a client goes live or
/// ends, never for a delivery.
#[derive(Debug, Default)]
pub struct LiveClients(AtomicU64);

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Clients that are live now.
    pub now: u32,
    /// The fewest that were live since [`LiveClients::watch`], or since the beginning.
    pub lowest: u32,
}

impl Live {
    fn unpack(word: u64) -> Self {
        Self { now: (word >> 32) as u32, lowest: word as u32 }
    }

    fn pack(self) -> u64 {
        u64::from(self.now) << 32 | u64::from(self.lowest)
    }
}

impl LiveClients {
    /// A client has gone live.
    pub fn began(&self) {
        self.change(|live| Live { now: live.now + 1, ..live });
    }

    /// A client is live no more.
    pub fn ended(&self) {
        self.change(|Live { now, lowest }| {
            let now = now.checked_sub(1).expect("only who is live ends");
            Live { now, lowest: lowest.min(now) }
        });
    }

    /// The minimum counts from now on.
    pub fn watch(&self) {
        self.change(|live| Live { lowest: live.now, ..live });
    }

    /// The count, and its minimum.
    pub fn read(&self) -> Live {
        Live::unpack(self.0.load(Ordering::Acquire))
    }

    fn change(&self, change: impl Fn(Live) -> Live) {
        let changed = |word| Some(change(Live::unpack(word)).pack());
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_is_kept_however_short_it_lasted() {
        let live = LiveClients::default();
        (0..3).for_each(|_| live.began());
        assert_eq!(live.read(), Live { now: 3, lowest: 0 }, "nobody was live at first");
        live.watch();
        assert_eq!(live.read(), Live { now: 3, lowest: 3 });
        live.ended();
        live.ended();
        live.began();
        live.began();
        assert_eq!(live.read(), Live { now: 3, lowest: 1 });
    }

    #[test]
    fn the_minimum_is_that_of_all_threads_together_not_the_sum_of_their_own() {
        let live = LiveClients::default();
        (0..2).for_each(|_| live.began());
        live.watch();
        // Two threads with a client each, one after the other: each was at 0 once, both together never below 1.
        for _ in 0..2 {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    live.ended();
                    live.began();
                });
            });
        }
        assert_eq!(live.read(), Live { now: 2, lowest: 1 });
    }

    #[test]
    fn threads_that_change_it_at_once_lose_no_change() {
        let live = LiveClients::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        live.began();
                        live.ended();
                    }
                    live.began();
                });
            }
        });
        assert_eq!(live.read(), Live { now: 4, lowest: 0 });
    }
}
