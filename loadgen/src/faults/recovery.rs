//! What is reported of faults: who was hit, how long it took until they were live again, what it cost.

use std::time::Duration;

use results::{FaultReport, Recovery, RecoveryRow};

use super::{Fault, What};
use crate::plan::Plan;

/// Shares of those who were interrupted whose return is timed.
const SHARES: [f64; 3] = [0.50, 0.95, 1.0];
/// Over how long connects are counted for their peak, s.
const PEAK_OVER_S: f64 = 1.0;

/// When a fault was done, and to how many.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// When it began, after the beginning of the window.
    pub at: Duration,
    /// When what was done to the server was over.
    pub until: Option<Duration>,
    /// Clients that it was done to; `None` for what is done to the server.
    pub clients: Option<u64>,
}

/// Deliveries lost, by topic and number of the window's notification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses(pub Vec<Vec<u64>>);

impl Losses {
    /// Those of two players together.
    pub fn plus(mut self, other: &Self) -> Self {
        self.0.resize(self.0.len().max(other.0.len()), Vec::new());
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.resize(mine.len().max(theirs.len()), 0);
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        }
        self
    }
}

/// Makes the report of `faults`, which were `done`, and enters into `rows` what was lost, by when it was due.
pub fn recovery(plan: &Plan, done: &[Option<Done>], losses: &Losses, rows: &mut [RecoveryRow]) -> Recovery {
    enter_losses(plan, losses, rows);
    let faults =
        std::iter::zip(&plan.faults, done).map(|(fault, done)| report(fault, done.as_ref(), plan, rows)).collect();
    Recovery {
        faults,
        lowest_live: rows.iter().map(|row| row.live).min(),
        live_at_end: rows.last().map(|row| row.live),
        interrupted: rows.iter().map(|row| row.interrupted).sum(),
        resumed: rows.iter().map(|row| row.resumed).sum(),
        peak_attempts_per_s: peak(rows),
        caught_up: rows.iter().map(|row| row.caught_up).sum(),
        ..Recovery::default()
    }
}

fn enter_losses(plan: &Plan, losses: &Losses, rows: &mut [RecoveryRow]) {
    let window = plan.window_sequences();
    for arrive in plan.arrivals().filter(|arrive| arrive.offset >= plan.warmup) {
        let topic = usize::from(arrive.topic);
        let place = (arrive.sequence - window[topic].start) as usize;
        let lost = losses.0.get(topic).and_then(|lost| lost.get(place)).copied().unwrap_or_default();
        let due_s = (arrive.offset - plan.warmup).as_secs_f64();
        let row = rows.partition_point(|row| row.at_s <= due_s);
        if let Some(row) = rows.get_mut(row) {
            row.lost += lost;
        }
    }
}

fn report(fault: &Fault, done: Option<&Done>, plan: &Plan, rows: &[RecoveryRow]) -> FaultReport {
    let Some(done) = done else {
        return FaultReport { fault: fault.to_string(), ..FaultReport::default() };
    };
    let at_s = done.at.as_secs_f64();
    let until_s = next_after(fault, plan).map_or(f64::INFINITY, |next| next.as_secs_f64());
    let own: Vec<RecoveryRow> = rows.iter().filter(|row| row.at_s > at_s && row.at_s <= until_s).cloned().collect();
    let sum = |of: fn(&RecoveryRow) -> u64| own.iter().map(of).sum::<u64>();
    let interrupted = sum(|row| row.interrupted);
    // Who leaves all the time has no moment from which a return could be timed.
    let is_timed = !matches!(fault.what, What::Churn(..)) && interrupted > 0;
    let times = SHARES.map(|share| if is_timed { returned_after(&own, at_s, interrupted, share) } else { None });
    FaultReport {
        fault: fault.to_string(),
        at_s: Some(at_s),
        until_s: done.until.map(|until| until.as_secs_f64()),
        clients: done.clients,
        interrupted,
        half_live_s: times[0],
        most_live_s: times[1],
        all_live_s: times[2],
        peak_attempts_per_s: peak(&own),
        caught_up: sum(|row| row.caught_up),
        gaps: sum(|row| row.gaps),
        duplicated: sum(|row| row.duplicated),
        lost: sum(|row| row.lost),
    }
}

/// When the next fault after this one begins; churn, which goes on all the time, ends nothing.
fn next_after(fault: &Fault, plan: &Plan) -> Option<Duration> {
    let others = plan.faults.iter().filter(|other| !matches!(other.what, What::Churn(..)));
    others.map(Fault::start).filter(|start| *start > fault.start()).min()
}

/// Seconds from `at_s` until so many as are a `share` of the interrupted have come back.
fn returned_after(rows: &[RecoveryRow], at_s: f64, interrupted: u64, share: f64) -> Option<f64> {
    let wanted = (interrupted as f64 * share).ceil() as u64;
    let mut returned = 0;
    let row = rows.iter().find(|row| {
        returned += row.resumed;
        returned >= wanted
    });
    row.map(|row| row.at_s - at_s)
}

/// Most attempts to connect within any second.
fn peak(rows: &[RecoveryRow]) -> u64 {
    let (mut first, mut within, mut most) = (0, 0, 0);
    for row in rows {
        within += row.attempts;
        while rows[first].at_s <= row.at_s - PEAK_OVER_S + 1e-3 {
            within -= rows[first].attempts;
            first += 1;
        }
        most = most.max(within);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(faults: &[&str]) -> Plan {
        Plan { faults: faults.iter().map(|text| text.parse().unwrap()).collect(), ..crate::plan::tests::plan() }
    }

    /// Twenty tenths of a second, in which `change` has something happen.
    fn rows(change: impl Fn(usize, &mut RecoveryRow)) -> Vec<RecoveryRow> {
        let row = |n: usize| {
            let mut row = RecoveryRow { at_s: (n + 1) as f64 / 10.0, live: 10, ..RecoveryRow::default() };
            change(n, &mut row);
            row
        };
        (0..20).map(row).collect()
    }

    fn done(at_ms: u64) -> Option<Done> {
        Some(Done { at: Duration::from_millis(at_ms), until: None, clients: Some(4) })
    }

    #[test]
    fn returns_are_timed_from_the_fault_to_the_client_that_makes_up_the_share() {
        let mut rows = rows(|n, row| match n {
            5 => (row.interrupted, row.live) = (4, 6),
            8 | 9 => row.resumed = 1,
            12 => (row.resumed, row.attempts, row.caught_up) = (2, 7, 3),
            _ => {}
        });
        let told = recovery(&plan(&["cut 40% at 500ms"]), &[done(500)], &Losses::default(), &mut rows);
        let fault = &told.faults[0];
        let times = [fault.half_live_s, fault.most_live_s, fault.all_live_s].map(|s| (s.unwrap() * 10.0).round());
        assert_eq!((fault.interrupted, times), (4, [5.0, 8.0, 8.0]));
        assert_eq!((told.lowest_live, fault.caught_up, told.peak_attempts_per_s), (Some(6), 3, 7));
    }

    #[test]
    fn who_does_not_come_back_before_the_next_fault_has_no_time() {
        let mut rows = rows(|n, row| match n {
            5 => row.interrupted = 4,
            8 | 15 => row.resumed = 2,
            _ => {}
        });
        let told =
            recovery(&plan(&["cut 40% at 500ms", "cut 1% at 1s"]), &[done(500), None], &Losses::default(), &mut rows);
        assert_eq!((told.faults[0].half_live_s.is_some(), told.faults[0].all_live_s), (true, None));
        assert_eq!((told.faults[1].at_s, told.resumed), (None, 4), "one that was never done says so");
    }

    #[test]
    fn a_loss_is_told_when_it_was_due() {
        // Numbers 10 to 29 are of the window, one each tenth of a second.
        let mut lost = vec![0; 20];
        (lost[0], lost[7]) = (1, 3);
        let mut rows = rows(|_, _| ());
        let told = recovery(&plan(&["cut 40% at 500ms"]), &[done(500)], &Losses(vec![lost]), &mut rows);
        assert_eq!(rows.iter().map(|row| row.lost).collect::<Vec<_>>()[..9], [1, 0, 0, 0, 0, 0, 0, 3, 0]);
        assert_eq!(told.faults[0].lost, 3);
    }

    #[test]
    fn a_peak_is_of_one_second() {
        assert_eq!(peak(&rows(|n, row| row.attempts = u64::from((3..=13).contains(&n)))), 10);
    }
}
