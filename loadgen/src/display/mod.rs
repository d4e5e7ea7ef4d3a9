//! What the user sees while a run runs; the numbers are those of the same snapshots that the result files are made of.

mod plain;
mod relay;
mod screen;

use std::borrow::Cow;
use std::io::IsTerminal;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Name of the phase.
    pub phase: Cow<'static, str>,
    /// Since the phase began.
    pub elapsed: Duration,
    /// Length of the phase, if it is known.
    pub length: Option<Duration>,
    /// Clients asked for.
    pub clients: u64,
    /// Clients whose transport is live.
    pub live: u64,
    /// Deliveries of the last second.
    pub deliveries_per_s: u64,
    /// Median latency so far, ns.
    pub p50_ns: Option<u64>,
    /// 99th percentile of latency so far, ns.
    pub p99_ns: Option<u64>,
    /// Errors so far.
    pub errors: u64,
}

/// Shows the progress of one run.
pub trait Display {
    /// Shows where the run is.
    fn show(&mut self, progress: &Progress);
    /// Leaves the screen to others.
    fn finish(&mut self);
}

/// A live line on a terminal, plain lines elsewhere; `title` names the run.
pub fn for_run(title: &str) -> Box<dyn Display> {
    if std::io::stderr().is_terminal() {
        Box::new(screen::Screen::new(title))
    } else {
        Box::new(plain::Plain::new(title))
    }
}

/// Plain lines wherever they go, for one of several runs at a time.
pub fn in_lines(title: &str) -> Box<dyn Display> {
    Box::new(plain::Plain::new(title))
}

/// Tells the process that leads this one.
pub fn for_leader() -> Box<dyn Display> {
    Box::new(relay::Relay)
}

/// The figures that both displays show.
fn figures(progress: &Progress) -> String {
    use results::numbers::{count, time_ns};
    let latency = match (progress.p50_ns, progress.p99_ns) {
        (Some(p50), Some(p99)) => format!("p50 {} p99 {}", time_ns(p50), time_ns(p99)),
        _ => "no latency yet".to_owned(),
    };
    let errors =
        if progress.errors == 0 { "no errors".to_owned() } else { format!("{} errors", count(progress.errors)) };
    format!(
        "{}/{} live, {} deliveries/s, {latency}, {errors}",
        count(progress.live),
        count(progress.clients),
        count(progress.deliveries_per_s)
    )
}
