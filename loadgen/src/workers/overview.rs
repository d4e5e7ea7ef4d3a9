//! The progress of all workers as one.

use std::borrow::Cow;

use crate::display::Progress;

/// Phases in their order.
const PHASES: [&str; 6] = ["connect", "settle", "warm-up", "measure", "drain", "close"];

/// Where a worker is, as a number that grows.
pub(super) fn place(phase: &str) -> usize {
    PHASES.iter().position(|known| *known == phase).unwrap_or_default()
}

/// Where all of them are: the phase of the last, counts of all. Percentiles cannot be added, so they are those of the worker
/// that measures the highest; the results are merged from histograms.
pub(super) fn of_all(workers: &[Option<Progress>], clients: u64) -> Option<Progress> {
    let all = || workers.iter().flatten();
    let last = all().min_by_key(|progress| place(&progress.phase))?;
    let is_whole = workers.iter().all(Option::is_some);
    Some(Progress {
        phase: if is_whole { last.phase.clone() } else { Cow::Borrowed(PHASES[0]) },
        elapsed: last.elapsed,
        length: last.length.filter(|_| is_whole),
        clients,
        live: all().map(|progress| progress.live).sum(),
        deliveries_per_s: all().map(|progress| progress.deliveries_per_s).sum(),
        p50_ns: all().filter_map(|progress| progress.p50_ns).max(),
        p99_ns: all().filter_map(|progress| progress.p99_ns).max(),
        errors: all().map(|progress| progress.errors).sum(),
    })
}
