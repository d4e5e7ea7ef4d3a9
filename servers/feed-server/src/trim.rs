//! Gives free memory back to the system once most connections of a crowd have gone: glibc's allocator keeps it otherwise.
//!
//! docs/decisions/memory-after-a-crowd.md has the figures.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::accept::Inside;
use crate::clock;

/// How often is looked whether a crowd has gone: memory is given back at most this often.
const TICK: Duration = Duration::from_secs(5);
/// Connections that have to have gone since the last time: what fewer leave behind, 16 KiB each at most, is not worth it.
const GONE_MIN: usize = 64;

/// Gives memory back whenever at least half of those who were inside at a time have gone, until it is dropped.
pub(crate) async fn watch(inside: Arc<Inside>) {
    loop {
        sleep(TICK).await;
        if has_gone(inside.most(), inside.count()) {
            inside.forget_most();
            let begun = clock::now();
            // On a thread for what blocks: it takes as long as it takes.
            if tokio::task::spawn_blocking(give_back).await.is_ok() {
                tracing::debug!(
                    took_us = (clock::now() - begun).as_micros() as u64,
                    "gave free memory back to the system"
                );
            }
        }
    }
}

/// Whether a crowd of `most` has gone when there are `now`.
fn has_gone(most: usize, now: usize) -> bool {
    most.saturating_sub(now) >= GONE_MIN.max(most / 2)
}

/// Has the allocator give back whole pages that are free, wherever they are. By itself, glibc's gives back only those at the end of a heap, where
/// some small thing that lives keeps them.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "malloc_trim has no safe wrapper")]
fn give_back() {
    // SAFETY: it takes no pointer, may be called by any thread at any time (MT-Safe, glibc's manual, section 3.2.3), and touches nothing that
    // is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators have their own ways, and no common name for them.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_has_gone_when_half_of_many_have() {
        for (most, now, gone) in
            [(64, 0, true), (63, 0, false), (1000, 501, false), (1000, 500, true), (0, 0, false), (10, 20, false)]
        {
            assert_eq!(has_gone(most, now), gone, "{most} were there, {now} are");
        }
    }
}
