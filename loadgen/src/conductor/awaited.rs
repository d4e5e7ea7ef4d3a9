//! What the drain waits for: every delivery that is owed, or a silence in which none comes any more.

use std::time::Duration;

/// Deliveries of the window, of all clients together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Awaited {
    /// Of the notifications that were accepted.
    pub accepted: u64,
    /// Of all that were due. What was refused may have been published all the same, and nobody can tell yet whose delivery is counted:
    /// so many of it that arrived would stand for as many that are still under way.
    pub due: u64,
    /// How long nothing must have come before what was refused is no longer waited for, or anything in a run that is given up.
    pub silence: Duration,
}

impl Awaited {
    /// True when nothing more is to be expected, `delivered` having come so far, and nothing more for a `quiet` time; or is not waited for
    /// any longer, in a run that `is_given_up`.
    pub(super) fn is_over(&self, delivered: u64, quiet: Duration, is_given_up: bool) -> bool {
        delivered >= self.due || (quiet >= self.silence && (is_given_up || delivered >= self.accepted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_millis(500);

    #[test]
    fn what_was_refused_is_waited_for_until_it_has_come_or_nothing_comes() {
        let awaited = Awaited { accepted: 90, due: 100, silence: SILENCE };
        assert!(!awaited.is_over(90, SILENCE / 2, false), "some of them may be of what was refused");
        assert!(awaited.is_over(90, SILENCE, false));
        assert!(awaited.is_over(100, Duration::ZERO, false));
        assert!(!awaited.is_over(89, SILENCE * 10, false), "a silent server may speak again");
    }

    #[test]
    fn where_nothing_was_refused_the_last_delivery_ends_it() {
        let awaited = Awaited { accepted: 100, due: 100, silence: SILENCE };
        assert!(awaited.is_over(100, Duration::ZERO, false) && !awaited.is_over(99, SILENCE * 10, false));
    }

    #[test]
    fn who_wants_to_end_waits_for_what_is_coming_and_not_for_silence_to_break() {
        let awaited = Awaited { accepted: 100, due: 100, silence: SILENCE };
        assert!(!awaited.is_over(99, SILENCE / 2, true) && awaited.is_over(99, SILENCE, true));
    }
}
