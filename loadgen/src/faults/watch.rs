//! Looks at the clients ten times a second from the beginning of the window on: who is live, who connects, what arrives.

use std::time::{Duration, Instant};

use results::RecoveryRow;

use crate::recording::Counters;

/// Between two looks. Each wakes every player, which costs some tens of microseconds; it is what times of recovery are exact to.
pub const STEP: Duration = Duration::from_millis(100);

/// The rows so far.
#[derive(Debug)]
pub struct Watch {
    start: Instant,
    base: Counters,
    last: Counters,
    next: Instant,
    rows: Vec<RecoveryRow>,
}

impl Watch {
    /// Begins at the start of the window, with what the players have counted so far.
    pub fn new(start: Instant, counters: Counters) -> Self {
        Self { start, base: counters, last: counters, next: start + STEP, rows: Vec::new() }
    }

    /// When the next look is due.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Enters a look.
    pub fn enter(&mut self, at: Instant, counters: Counters) {
        let (all, step) = (counters.since(self.base), counters.since(self.last));
        self.rows.push(RecoveryRow {
            at_s: at.saturating_duration_since(self.start).as_secs_f64(),
            live: (self.base.open + all.resumed).saturating_sub(all.interrupted),
            interrupted: step.interrupted,
            resumed: step.resumed,
            attempts: step.attempts,
            failed: step.failed,
            delivered: step.received,
            caught_up: step.caught_up,
            duplicated: step.repeated,
            gaps: step.gaps,
            lost: 0,
        });
        self.last = counters;
        while self.next <= at {
            self.next += STEP;
        }
    }

    /// All rows.
    pub fn into_rows(self) -> Vec<RecoveryRow> {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_row_has_what_happened_since_the_one_before_and_who_is_live() {
        let start = clock::now();
        let counters = |interrupted, resumed| Counters {
            open: 10,
            interrupted,
            resumed,
            attempts: 50 + resumed,
            ..Counters::default()
        };
        let mut watch = Watch::new(start, counters(3, 3));
        watch.enter(start + STEP, counters(7, 3));
        // A look that came late is followed by one on the grid.
        watch.enter(start + STEP * 7 / 2, counters(7, 6));
        assert_eq!(watch.next(), start + STEP * 4);
        let rows = watch.into_rows();
        let told: Vec<_> = rows.iter().map(|row| (row.live, row.interrupted, row.resumed, row.attempts)).collect();
        assert_eq!(told, [(6, 4, 0, 0), (9, 0, 3, 3)]);
        assert!((rows[1].at_s - 0.35).abs() < 1e-9);
    }
}
