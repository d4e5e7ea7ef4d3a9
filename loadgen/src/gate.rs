//! When a run goes on: as soon as it is ready, at an instant that all shards were told, or when the one who leads them says so.

use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock;
use crate::display::Progress;

/// What a run waits for between its phases.
#[derive(Debug, Clone)]
pub enum Gate {
    /// For nobody.
    Open,
    /// Publishing begins at this instant, by the wall clock.
    At(SystemTime),
    /// For the process that started this one: it is asked over standard output and answers over standard input.
    Leader(watch::Receiver<Told>),
}

/// What the leader has said so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    /// When publishing begins.
    pub start: Option<SystemTime>,
    /// That clients may leave.
    pub may_close: bool,
}

/// What a worker says to its leader, each a line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// Where it is.
    Progress(Progress),
    /// That it is ready.
    Waiting(Waiting),
    /// That it was asked to end by a signal: so is the run.
    Stopping,
}

/// What a worker waits for, as it says so to its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// All clients are live: for the start.
    Start,
    /// All has arrived, or the drain bound has passed: for leave to close. Connections opened so far.
    Close(u64),
}

impl Gate {
    /// The wall-clock instant of the start, where it was fixed beforehand.
    pub fn appointment(&self) -> Option<Instant> {
        match self {
            Self::At(time) => Some(clock::instant_of(*time)),
            Self::Open | Self::Leader(_) => None,
        }
    }

    /// Says that this run is ready for what it waits for.
    pub fn ask(&self, waiting: Waiting) {
        if matches!(self, Self::Leader(_)) {
            say(&Said::Waiting(waiting));
        }
    }

    /// When publishing begins, once that is known; for who waits for nobody, at `earliest`.
    pub fn start(&self, earliest: Instant) -> Option<Instant> {
        match self {
            Self::Open => Some(earliest),
            Self::At(time) => Some(clock::instant_of(*time)),
            Self::Leader(told) => told.borrow().start.map(clock::instant_of),
        }
    }

    /// True when clients may leave.
    pub fn may_close(&self) -> bool {
        match self {
            Self::Open | Self::At(_) => true,
            Self::Leader(told) => told.borrow().may_close,
        }
    }
}

/// Says something to the leader, on standard output.
pub fn say(what: &Said) {
    // A leader that is gone is noticed by the end of standard input.
    if let Ok(line) = serde_json::to_string(what) {
        results::outln!("{line}");
    }
}
