//! What a run says, as files that outlive the program that wrote them.
//!
//! One folder a run: [`run.json`](Run) (what was asked, on what machine, what was measured, the verdict),
//! `latency.hlog` (an HdrHistogram V2 interval log) and [`series.csv`](SeriesRow) (a row a second); of a run with faults,
//! `recovery.csv` (a row each [tenth of a second](RecoveryRow)). Several runs of one
//! comparison stand side by side in one folder with a [`comparison.json`](Comparison), those of one search for a limit in
//! one with a [`search.json`](Search). What `make bench` measured, other programs' figures among it, is one
//! [`bench.json`](bench::Bench).
//!
//! `loadgen` and the bench write these files and `report` reads them; neither knows the other.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod asked;
pub mod bench;
mod comparable;
mod comparison;
pub mod console;
mod difference;
pub mod file;
mod folder;
mod latency_log;
mod machine;
mod measured;
pub mod numbers;
mod orderly;
mod quantity;
mod recovery;
mod regression;
mod run;
mod search;
mod series;
mod shard_share;
pub mod statistics;
mod verdict;
pub mod words;

pub use asked::Asked;
pub use comparable::{Mismatch, mismatches, other_server_flags};
pub use comparison::{COMPARISON_FILE, Comparison, ComparisonRun};
pub use difference::{Difference, Finding, MOST_IN_ALL_PAIRS, NOISE_FLOOR, Rounds, differences, opponents};
pub use folder::{
    FolderError, LATENCY_FILE, LoadedRun, RECOVERY_FILE, RUN_FILE, RunFolder, RunLogs, SERIES_FILE, load, load_all,
    load_bench, load_rounds, load_search,
};
pub use latency_log::{
    HIGHEST_LATENCY_NS, LOWEST_LATENCY_NS, LatencyLog, Span, growing_histogram, new_histogram, read_latency_log,
    visit_latency_log,
};
pub use machine::Machine;
pub use measured::{
    Accepted, Bytes, Connections, CostSource, Deliveries, GeneratorCost, Layers, Measured, Percentiles, Phase, Polls,
    Published, Reconciled, ServerCost, Total, WholeRun,
};
pub use orderly::OrderlyEnds;
pub use quantity::{Quantity, Unit};
pub use recovery::{ClientGroup, FaultReport, Recovery, RecoveryRow};
pub use regression::Regressions;
pub use run::{Ending, Run, SCHEMA};
pub use search::{LimitedBy, SEARCH_FILE, Search, SearchEnding, SearchStep, StepFinding, Vary};
pub use series::{SeriesFile, SeriesRow};
pub use shard_share::ShardShare;
pub use verdict::{Assertion, Reason, Verdict};
