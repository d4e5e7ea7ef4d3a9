//! Flags of `loadgen run` and `loadgen merge`.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use feed::Transport;

use super::values::url_value;
use super::{LoadArgs, conditions_and_exit_codes};
use crate::assertion::Condition;
use crate::faults::Fault;
use crate::server_flags::ServerArgs;
use crate::shard::{MOST_SHARDS, Shard};
use crate::target_args::TargetArgs;

/// Flags of `loadgen run`.
#[derive(Debug, Args)]
#[command(after_help = conditions_and_exit_codes())]
pub struct RunArgs {
    /// Take flags from a scenario: reconnect-storm, restart-behind-redis, rolling-restart, slow-readers, or the path of a file (.toml) whose keys are flags without their
    /// hyphens. A flag given beside it takes its place
    #[arg(long, value_name = "SCENARIO")]
    pub scenario: Option<String>,
    /// How notifications are carried: short-poll, long-poll, sse, ws or socketio
    #[arg(long, value_name = "NAME")]
    pub transport: Transport,
    /// Base URL of the server under test, for example http://127.0.0.1:8080; without it, the target's own server, a
    /// feed-server as a rule, is started on a free port, as a process of its own, and stopped at the end. With --workers,
    /// several may be named, separated by commas: workers take them in turn
    #[arg(long, value_name = "URL", value_delimiter = ',', value_parser = url_value)]
    pub url: Vec<String>,
    /// What the server understands.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Process id of a server that somebody else started: what it and its descendants spend is read from /proc
    #[arg(long, value_name = "PID", requires = "url")]
    pub server_pid: Option<u32>,
    /// What a server that the run starts is told.
    #[command(flatten)]
    pub server: ServerArgs,
    /// The load.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Do something to the run on purpose, at an instant of the measured window: `cut 30% at 5s` (connections reset), `stall 10% for 5s`
    /// (read no more), `vanish 10% at 5s` (no FIN, no ACK), `churn 5%/s [for TIME]`; to a server that the run started, `restart-server
    /// [for TIME] at 8s` (killed), `drain-server at 8s` (SIGTERM); to one whose process is known, `pause-server for 2s`. Without `at`, a
    /// second after measuring began. May be given several times
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<Fault>,
    /// How several processes play it.
    #[command(flatten)]
    pub part: PartArgs,
    /// Folder for the results; it must not exist. Default: wirelab-runs/TIME-TRANSPORT
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Exit with 4 unless this holds, for example 'p99<100ms', 'lost==0', 'overhead<3'; may be given several times; the
    /// quantities are listed below
    #[arg(long = "assert", value_name = "CONDITION")]
    pub assertions: Vec<Condition>,
    /// Write verdict and assertions as JUnit XML to this file, for a CI server; it is created before the run, and replaced
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// Flags of a run that several processes play together.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "More than one generator")]
pub struct PartArgs {
    /// Play the load from this many processes on this machine, each with its share of the clients and of what is published, and
    /// merge their results: one process has room for as many clients as it may hold file descriptors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SHARDS)), conflicts_with_all = ["shard", "start_at"])]
    pub workers: Option<u32>,
    /// Play one part of the load, for example 2/4 for the second of four; start the others with the same flags, on this
    /// machine or on others, and put the results together with `loadgen merge`
    #[arg(long, value_name = "K/N", requires_all = ["run_id", "start_at"])]
    pub shard: Option<Shard>,
    /// Number of the run that all its shards share: up to 8 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = run_id_value)]
    pub run_id: Option<u32>,
    /// When publishing begins, the same for all shards: RFC 3339, for example 2030-01-31T12:00:00Z, or +20s from now. All
    /// clients connect before. Clocks of several machines that differ shift the phases against each other, which merge tells;
    /// latencies never depend on it
    #[arg(long, value_name = "TIME", value_parser = start_value)]
    pub start_at: Option<StartAt>,
}

/// When publishing begins, where that is not as soon as possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At this time.
    Time(SystemTime),
    /// When the process that started this one says so: what `--workers` tells its workers.
    Leader,
}

/// Flags of `loadgen merge`.
#[derive(Debug, Args)]
#[command(after_help = conditions_and_exit_codes())]
pub struct MergeArgs {
    /// Folders that `loadgen run --shard` left, those of all shards of one run
    #[arg(value_name = "DIR", required = true)]
    pub shards: Vec<PathBuf>,
    /// Folder for the merged results; it must not exist. Default: wirelab-runs/TIME-merged
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Exit with 4 unless this holds of the merged run; may be given several times; the quantities are listed below
    #[arg(long = "assert", value_name = "CONDITION")]
    pub assertions: Vec<Condition>,
    /// Write verdict and assertions as JUnit XML to this file; it is created before, and replaced
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

fn run_id_value(text: &str) -> Result<u32, String> {
    let is_hex = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = if is_hex { u32::from_str_radix(text, 16).ok() } else { None };
    number.ok_or_else(|| "expected 1 to 8 hexadecimal digits, for example 1f3a".into())
}

fn start_value(text: &str) -> Result<StartAt, String> {
    if text == "leader" {
        return Ok(StartAt::Leader);
    }
    let time = match text.strip_prefix('+') {
        Some(ahead) => humantime::parse_duration(ahead).ok().and_then(|ahead| SystemTime::now().checked_add(ahead)),
        None => humantime::parse_rfc3339_weak(text).ok(),
    };
    time.map(StartAt::Time).ok_or_else(|| "expected a time such as 2030-01-31T12:00:00Z (UTC), or +20s".into())
}
