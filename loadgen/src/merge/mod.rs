//! Adding up what several processes measured of one run: histograms, ledgers and counts, never percentiles.

mod doubts;
mod ledgers;
mod merged;
mod record;
mod seconds;
mod sums;

pub use merged::{Merged, Observed, merge};
pub use record::{Part, Record, SHARD_FILE, keep, read, tag};
pub use sums::server_costs;
