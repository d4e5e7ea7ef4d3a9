//! The load that was offered in the window and the load that was carried, per second.

use results::{LoadedRun, Measured};

/// Notifications that were due per second, all topics together; `None` when the run had no window.
pub(super) fn offered_per_s(run: &LoadedRun) -> Option<f64> {
    per_s(run, |measured| measured.published.due)
}

/// Notifications that the server accepted per second.
pub(super) fn accepted_per_s(run: &LoadedRun) -> Option<f64> {
    per_s(run, |measured| measured.published.accepted)
}

/// Deliveries of the window's notifications per second of the window; `None` when notifications were accepted and no
/// ledger waited for them.
pub(super) fn deliveries_per_s(run: &LoadedRun) -> Option<f64> {
    let Measured { published, deliveries, .. } = &run.run.measured;
    let is_counted = deliveries.expected > 0 || published.accepted == 0;
    per_s(run, |measured| measured.deliveries.delivered).filter(|_| is_counted)
}

/// Notifications are due in as many seconds as were asked; the phase ends a little later, or earlier when interrupted.
fn per_s(loaded: &LoadedRun, count: impl Fn(&Measured) -> u64) -> Option<f64> {
    let (asked, measured) = (&loaded.run.asked, &loaded.run.measured);
    let window = measured.phases.iter().find(|phase| phase.name == "measure")?;
    let seconds = (window.end_s - window.start_s).min(asked.duration_s);
    (seconds > 0.0 && measured.published.due > 0).then(|| count(measured) as f64 / seconds)
}
