//! The run second by second: the rows of `series.csv`.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::file::Lines;

/// `series.csv` while a run runs: rows are in it as they come, whole. In the end it is [replaced](crate::RunFolder::write) by all of them; the
/// default is in no file.
#[derive(Debug, Default)]
pub struct SeriesFile(Option<Lines>);

impl SeriesFile {
    /// Begins one at `path`, whose folder must be there.
    pub fn begin(path: &Path) -> io::Result<Self> {
        Ok(Self(Some(Lines::begin(path, b"")?)))
    }

    /// Adds a row, the first one with the names of the columns before it. One that cannot be written is left out, with all that follow: the
    /// end of the run tells why.
    pub fn push(&mut self, row: &SeriesRow) {
        if let Some(file) = &mut self.0 {
            let mut writer = csv::WriterBuilder::new().has_headers(file.is_empty()).from_writer(Vec::new());
            if writer.serialize(row).is_ok()
                && let Ok(line) = writer.into_inner()
            {
                file.push(&line);
            }
        }
    }
}

/// One second of a run, longer where the machine had no time to end it. Counters are of this second alone; gauges are sampled at its end, and
/// may have been higher or lower in between.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesRow {
    /// End of this second, seconds since the run began.
    pub at_s: f64,
    /// Name of the phase at the end of this second.
    pub phase: String,
    /// Clients whose transport is live (gauge).
    pub open: u64,
    /// Clients that are connecting (gauge).
    pub opening: u64,
    /// Polls that wait for their answer (gauge).
    pub in_flight: u64,
    /// TCP connections opened.
    pub opened: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Clients that came back.
    pub reconnected: u64,
    /// Notifications published.
    pub published: u64,
    /// Deliveries received.
    pub delivered: u64,
    /// Median delivery latency, us; empty without deliveries.
    pub p50_us: Option<f64>,
    /// 99th percentile of delivery latency, us; empty without deliveries.
    pub p99_us: Option<f64>,
    /// Largest delivery latency, us; empty without deliveries.
    pub max_us: Option<f64>,
    /// Stream bytes received by the clients.
    pub received_bytes: u64,
    /// Stream bytes sent by the clients.
    pub sent_bytes: u64,
    /// Polls answered.
    pub polls: u64,
    /// Polls answered with nothing.
    pub wasted_polls: u64,
    /// Share of one core that the server used; empty when it does not tell.
    pub server_cpu_share: Option<f64>,
    /// Resident memory of the server, bytes (gauge); empty when it does not tell.
    pub server_rss_bytes: Option<u64>,
    /// Connections open on this transport by the server's count (gauge); empty when it does not tell.
    pub server_open: Option<u64>,
    /// File descriptors that the server holds open (gauge); empty when its system does not tell (Linux before 6.2).
    #[serde(default)]
    pub server_descriptors: Option<u64>,
    /// Share of one core that the generator used.
    pub generator_cpu_share: f64,
    /// Resident memory of the generator, bytes (gauge); empty when its system does not tell.
    #[serde(default)]
    pub generator_rss_bytes: Option<u64>,
    /// File descriptors that the generator holds open (gauge); empty when its system does not tell (Linux before 6.2).
    #[serde(default)]
    pub generator_descriptors: Option<u64>,
    /// Largest event-loop lag of any player, us; sampled on a grid of 10 ms.
    pub loop_lag_max_us: f64,
}
