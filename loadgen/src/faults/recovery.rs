//! What is reported of faults: who was hit, how long it took until they were live again, what it cost.

use std::time::Duration;

use results::{FaultReport, Recovery, RecoveryRow};

use super::{Fault, What};
use crate::plan::Plan;
use crate::recording::{Live, Moment};

/// Shares of those who were interrupted whose return is timed.
const SHARES: [f64; 3] = [0.50, 0.95, 1.0];
/// Over how long connects are counted for their peak, ms.
const PEAK_OVER_MS: u32 = 1_000;

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

/// Makes the report of `faults`, which were `done`, and enters into `rows` what was lost, by when it was due. Who was interrupted and
/// who resumed when is taken from the `moments`, which are kept where it happened; the `rows`, which are samples, say what arrived.
pub fn recovery(
    plan: &Plan,
    done: &[Option<Done>],
    losses: &Losses,
    live: Live,
    moments: &[Moment],
    rows: &mut [RecoveryRow],
) -> Recovery {
    enter_losses(plan, losses, rows);
    let faults = std::iter::zip(&plan.faults, done)
        .map(|(fault, done)| report(fault, done.as_ref(), plan, moments, rows))
        .collect();
    Recovery {
        faults,
        lowest_live: Some(live.lowest.into()),
        live_at_end: Some(live.now.into()),
        interrupted: sum(moments, |moment| moment.interrupted),
        resumed: sum(moments, |moment| moment.resumed),
        peak_attempts_per_s: peak(moments),
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

fn report(fault: &Fault, done: Option<&Done>, plan: &Plan, moments: &[Moment], rows: &[RecoveryRow]) -> FaultReport {
    let Some(done) = done else {
        return FaultReport { fault: fault.to_string(), ..FaultReport::default() };
    };
    let until = next_after(fault, plan).unwrap_or(Duration::MAX);
    let own: Vec<RecoveryRow> = rows.iter().filter(|row| row_ends_within(row, done.at, until)).cloned().collect();
    let arrived = |of: fn(&RecoveryRow) -> u64| own.iter().map(of).sum::<u64>();
    // A fault is done within the millisecond that it is due in.
    let own_moments = &moments[from(moments, done.at)..from(moments, until)];
    let interrupted = sum(own_moments, |moment| moment.interrupted);
    // Who leaves all the time has no moment from which a return could be timed.
    let is_timed = !matches!(fault.what, What::Churn(..)) && interrupted > 0;
    let times =
        SHARES.map(|share| if is_timed { returned_after(own_moments, done.at, interrupted, share) } else { None });
    FaultReport {
        fault: fault.to_string(),
        at_s: Some(done.at.as_secs_f64()),
        until_s: done.until.map(|until| until.as_secs_f64()),
        clients: done.clients,
        interrupted,
        half_live_s: times[0],
        most_live_s: times[1],
        all_live_s: times[2],
        peak_attempts_per_s: peak(own_moments),
        caught_up: arrived(|row| row.caught_up),
        gaps: arrived(|row| row.gaps),
        duplicated: arrived(|row| row.duplicated),
        lost: arrived(|row| row.lost),
    }
}

/// When the next fault after this one begins; churn, which goes on all the time, ends nothing.
fn next_after(fault: &Fault, plan: &Plan) -> Option<Duration> {
    let others = plan.faults.iter().filter(|other| !matches!(other.what, What::Churn(..)));
    others.map(Fault::start).filter(|start| *start > fault.start()).min()
}

fn row_ends_within(row: &RecoveryRow, at: Duration, until: Duration) -> bool {
    row.at_s > at.as_secs_f64() && row.at_s <= until.as_secs_f64()
}

/// Place of the first moment that is not over before `at`.
fn from(moments: &[Moment], at: Duration) -> usize {
    moments.partition_point(|moment| moment.end() <= at)
}

fn sum(moments: &[Moment], of: fn(&Moment) -> u32) -> u64 {
    moments.iter().map(|moment| u64::from(of(moment))).sum()
}

/// Seconds from `at` until so many as are a `share` of the interrupted have come back.
fn returned_after(moments: &[Moment], at: Duration, interrupted: u64, share: f64) -> Option<f64> {
    let wanted = (interrupted as f64 * share).ceil() as u64;
    let mut returned = 0;
    let moment = moments.iter().find(|moment| {
        returned += u64::from(moment.resumed);
        returned >= wanted
    });
    moment.map(|moment| moment.end().saturating_sub(at).as_secs_f64())
}

/// Most attempts to connect within any second.
fn peak(moments: &[Moment]) -> u64 {
    let (mut first, mut within, mut most) = (0, 0, 0);
    for moment in moments {
        within += u64::from(moment.attempts);
        while moments[first].at_ms + PEAK_OVER_MS <= moment.at_ms {
            within -= u64::from(moments[first].attempts);
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

    const LIVE: Live = Live { now: 10, lowest: 6 };

    /// Twenty tenths of a second, in which `change` has something happen.
    fn rows(change: impl Fn(usize, &mut RecoveryRow)) -> Vec<RecoveryRow> {
        let row = |n: usize| {
            let mut row = RecoveryRow { at_s: (n + 1) as f64 / 10.0, live: 10, ..RecoveryRow::default() };
            change(n, &mut row);
            row
        };
        (0..20).map(row).collect()
    }

    fn moment(at_ms: u32, interrupted: u32, resumed: u32, attempts: u32) -> Moment {
        Moment { at_ms, interrupted, resumed, attempts }
    }

    fn done(at_ms: u64) -> Option<Done> {
        Some(Done { at: Duration::from_millis(at_ms), until: None, clients: Some(4) })
    }

    #[test]
    fn returns_are_timed_from_the_fault_to_the_client_that_makes_up_the_share() {
        let mut rows = rows(|n, row| row.caught_up = if n == 12 { 3 } else { 0 });
        let moments = [moment(500, 4, 0, 0), moment(811, 0, 1, 0), moment(942, 0, 1, 0), moment(1_203, 0, 2, 7)];
        let told = recovery(&plan(&["cut 40% at 500ms"]), &[done(500)], &Losses::default(), LIVE, &moments, &mut rows);
        let fault = &told.faults[0];
        let times = [fault.half_live_s, fault.most_live_s, fault.all_live_s].map(|s| (s.unwrap() * 1e3).round());
        assert_eq!((fault.interrupted, times), (4, [443.0, 704.0, 704.0]), "to the end of the millisecond");
        assert_eq!((told.lowest_live, told.live_at_end, fault.caught_up), (Some(6), Some(10), 3));
        assert_eq!(told.peak_attempts_per_s, 7);
    }

    #[test]
    fn a_client_that_is_back_before_anybody_looks_was_interrupted_all_the_same() {
        // All rows show ten who are live; what happened in between was kept.
        let mut rows = rows(|_, _| ());
        let moments = [moment(501, 4, 0, 4), moment(503, 0, 4, 0)];
        let told = recovery(&plan(&["cut 40% at 500ms"]), &[done(500)], &Losses::default(), LIVE, &moments, &mut rows);
        assert_eq!((told.lowest_live, told.interrupted, told.resumed), (Some(6), 4, 4));
        assert_eq!(told.faults[0].all_live_s.map(|s| (s * 1e3).round()), Some(4.0));
    }

    #[test]
    fn who_does_not_come_back_before_the_next_fault_has_no_time() {
        let mut rows = rows(|_, _| ());
        let moments = [moment(500, 4, 0, 0), moment(800, 0, 2, 0), moment(1_000, 0, 2, 0)];
        let faults = plan(&["cut 40% at 500ms", "cut 1% at 1s"]);
        let told = recovery(&faults, &[done(500), None], &Losses::default(), LIVE, &moments, &mut rows);
        assert_eq!((told.faults[0].half_live_s.is_some(), told.faults[0].all_live_s), (true, None));
        assert_eq!((told.faults[1].at_s, told.resumed), (None, 4), "one that was never done says so");
    }

    #[test]
    fn a_loss_is_told_when_it_was_due() {
        // Numbers 10 to 29 are of the window, one each tenth of a second.
        let mut lost = vec![0; 20];
        (lost[0], lost[7]) = (1, 3);
        let (mut rows, losses) = (rows(|_, _| ()), Losses(vec![lost]));
        let told = recovery(&plan(&["cut 40% at 500ms"]), &[done(500)], &losses, LIVE, &[], &mut rows);
        assert_eq!(rows.iter().map(|row| row.lost).collect::<Vec<_>>()[..9], [1, 0, 0, 0, 0, 0, 0, 3, 0]);
        assert_eq!(told.faults[0].lost, 3);
    }

    #[test]
    fn a_peak_is_of_one_second() {
        let moments: Vec<Moment> = (300..=1_400).step_by(100).map(|at_ms| moment(at_ms, 0, 0, 1)).collect();
        assert_eq!(peak(&moments), 10);
        assert_eq!(peak(&[moment(0, 0, 0, 3), moment(999, 0, 0, 2), moment(1_000, 0, 0, 2)]), 5, "999 ms, not 1,000");
    }
}
