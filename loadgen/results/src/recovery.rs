//! How a run got over the faults that were committed on purpose: the summary in `run.json`, and the rows of `recovery.csv`.

use serde::{Deserialize, Serialize};

use crate::Percentiles;

/// What was done to a run on purpose, and what came of it. Times count from the beginning of the measured window. Interruptions, returns
/// and attempts are kept where they happen, to the millisecond; what arrived is sampled, a row of `recovery.csv` at a time. In runs of
/// older builds all of it was sampled ten times a second, extremes and times included.
///
/// A client is *interrupted* when its transport is lost, when it leaves, or when it is made to read no more; it has *resumed* once its
/// transport is live again, or once it reads again. It is *live* in between.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// The faults, in the order in which they were asked for.
    pub faults: Vec<FaultReport>,
    /// Fewest clients that were live at any instant from the beginning of the window to the end of the drain phase, exactly: one count for
    /// all threads, with its minimum. (A run with faults has one process, so that shards' counts never have to be put together.)
    pub lowest_live: Option<u64>,
    /// Clients live at the end of the drain phase.
    pub live_at_end: Option<u64>,
    /// Interruptions.
    pub interrupted: u64,
    /// How many of them ended.
    pub resumed: u64,
    /// Most attempts to connect that were begun within any second, to the millisecond, whatever became of them.
    pub peak_attempts_per_s: u64,
    /// Deliveries that were caught up: of what was published before the attempt began by which their client resumed.
    pub caught_up: u64,
    /// The clients that a fault was aimed at, sooner or later, whether or not they were live then. The seed alone decides which, so a
    /// client belongs here from its first delivery to its last. `None` where no fault was done to clients, and in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub struck: Option<ClientGroup>,
    /// The bystanders: all other clients of such a run; `None` where everybody was aimed at, too. What is done to the server befalls
    /// them like anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bystanders: Option<ClientGroup>,
}

/// Some of a run's clients.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientGroup {
    /// How many they are.
    pub clients: u64,
    /// Delivery latency, as that of all clients is defined; `None` where nothing was delivered to them.
    pub latency: Option<Percentiles>,
}

impl Recovery {
    /// The longest time, over the faults that interrupted somebody, until all of them had resumed, s; `None` where some did not, or
    /// nobody was interrupted.
    pub fn longest_return_s(&self) -> Option<f64> {
        let times: Option<Vec<f64>> = self.interrupting().map(|fault| fault.all_live_s).collect();
        times?.into_iter().reduce(f64::max)
    }

    /// True where a fault interrupted somebody and it was not seen that all of them resumed.
    pub fn has_missed_some(&self) -> bool {
        self.interrupting().any(|fault| fault.all_live_s.is_none())
    }

    /// The faults that interrupted somebody. Who churns comes back all the time, which nobody times.
    fn interrupting(&self) -> impl Iterator<Item = &FaultReport> {
        self.faults.iter().filter(|fault| fault.interrupted > 0 && !fault.fault.starts_with("churn"))
    }
}

/// One fault. All but `fault`, `at_s`, `until_s` and `clients` is of the time from it to the next one, or to the end of the drain
/// phase; churn, which has no next, ends no other's time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// As it was asked for, for example `cut 30% at 5s`.
    pub fault: String,
    /// When it was done, s; `None` when the run ended before.
    pub at_s: Option<f64>,
    /// When what was done to the server was over, s: it listens again, or goes on; `None` for other faults, and where it did not.
    pub until_s: Option<f64>,
    /// Clients that it was done to: those chosen that were live; `None` for what is done to the server.
    pub clients: Option<u64>,
    /// Clients that were interrupted.
    pub interrupted: u64,
    /// Time from the fault until as many as half of them had resumed, s, to the millisecond; `None` when that was not seen, or nobody was interrupted.
    pub half_live_s: Option<f64>,
    /// The same for 95 %.
    pub most_live_s: Option<f64>,
    /// The same for all of them.
    pub all_live_s: Option<f64>,
    /// Most attempts to connect that were begun within any second.
    pub peak_attempts_per_s: u64,
    /// Deliveries caught up. Sampled, as `gaps` and `duplicated` are: what arrived in the row in which the next fault began is of this one.
    pub caught_up: u64,
    /// Gaps that the server told; sampled.
    pub gaps: u64,
    /// Deliveries repeated; sampled.
    pub duplicated: u64,
    /// Deliveries lost, of notifications that were due in this time.
    pub lost: u64,
}

/// A sample, ten a second where the machine has time for it. Counters are of the time since the row before; `live` is of its end, and may
/// have been lower in between: see [`Recovery::lowest_live`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecoveryRow {
    /// End of this row, seconds since measuring began.
    pub at_s: f64,
    /// Clients that are live and read (gauge).
    pub live: u64,
    /// Clients interrupted.
    pub interrupted: u64,
    /// Clients that resumed.
    pub resumed: u64,
    /// Attempts to connect that were begun.
    pub attempts: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Deliveries received, repeated ones included.
    pub delivered: u64,
    /// Deliveries caught up.
    pub caught_up: u64,
    /// Deliveries repeated.
    pub duplicated: u64,
    /// Gaps that the server told.
    pub gaps: u64,
    /// Deliveries lost, of notifications that were due in this row.
    pub lost: u64,
}
