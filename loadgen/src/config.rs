//! The command line: every flag with its unit, its default and the reason for it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Parser, Subcommand, ValueEnum};
use feed::{TopicName, Transport};
use serde::{Deserialize, Serialize};

use crate::assertion::Condition;
use crate::plan::{Arrival, Reuse, SocketIoMode};
use crate::publisher::MIN_PAYLOAD;
use crate::selftest::stub::Script;
use crate::shard::{MOST_SHARDS, Shard};
use crate::target_args::{ContenderName, TargetArgs};

/// Plays thousands of clients against a realtime server and measures what arrives, when, and at what cost.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 fine, 1 the run could not be carried out, 2 usage, 3 invalid measurement, \
                          4 an --assert or --slo does not hold, or diff found a regression.";

fn conditions_and_exit_codes() -> String {
    format!("{}\n\n{EXIT_CODES}", crate::assertion::help())
}

const CHECK_EXIT_CODES: &str = "Exit codes: 0 every step held (with --target: every transport delivers), 1 one did not, or nobody listens there, 2 usage.\n\n\
                                Publishes to topics of its own, named check-<random>-<number>; no wait is longer than 3 s.";

/// What loadgen does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure one transport; without --url, against a server that is started for it
    Run(RunArgs),
    /// Measure several transports in interleaved rounds, each run against a fresh server
    Compare(CompareArgs),
    /// Put the results of several shards of one run together
    Merge(MergeArgs),
    /// Find the highest load that a server carries while conditions hold
    FindMax(FindMaxArgs),
    /// Compare stored results: what became better or worse from one run, or set of rounds, to another
    Diff(DiffArgs),
    /// Walk a server through the feed's contract, step by step, and say where it departs from it
    Check(CheckArgs),
    /// Measure a server whose behaviour is known, over every transport, and compare: is this machine fit to measure on?
    Selftest(SelftestArgs),
    /// Be that server
    #[command(hide = true)]
    Stub(Script),
}

/// Flags of `loadgen run`.
#[derive(Debug, Args)]
#[command(after_help = conditions_and_exit_codes())]
pub struct RunArgs {
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
    /// The load.
    #[command(flatten)]
    pub load: LoadArgs,
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

const COMPARE_RULES: &str = "Invalid rounds are named and left out. A difference is `lower` or `higher` when its interval \
                             leaves zero out, it is at least 1 % of the smaller value, and the quantity is counted finely \
                             enough; else it is `not distinguishable`. Intervals are the median plus and minus Student's t \
                             times its bootstrap standard error: 95 % for a median, and 95 % for the differences of a pair \
                             in all five quantities together. Few rounds make them wide, because few rounds say little.\n\n\
                             Exit codes: 0 fine, 1 a run could not be carried out, 2 usage, 3 a contender has no valid round.";

/// Flags of `loadgen compare`.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_RULES)]
pub struct CompareArgs {
    /// Transports to compare, separated by commas; TRANSPORT@TARGET is one on another server than --target says; one that is
    /// named twice is compared with itself (A/A), which must come out as not distinguishable
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "short-poll,long-poll,sse,ws")]
    pub transports: Vec<ContenderName>,
    /// What the server understands.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Rounds; every second one runs in reverse order, so that what drifts over time favours nobody
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// The load.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Folder for the results; it must not exist. Default: wirelab-runs/TIME-compare
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Flags of `loadgen find-max`.
#[derive(Debug, Args)]
#[command(after_help = search_rules())]
pub struct FindMaxArgs {
    /// How notifications are carried: short-poll, long-poll, sse, ws or socketio
    #[arg(long, value_name = "NAME")]
    pub transport: Transport,
    /// Base URL of the server under test; without it, the target's own server, a feed-server as a rule, is started afresh
    /// for each step
    #[arg(long, value_name = "URL", value_parser = url_value)]
    pub url: Option<String>,
    /// What the server understands.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Process id of a server that somebody else started: what it and its descendants spend is read from /proc
    #[arg(long, value_name = "PID", requires = "url")]
    pub server_pid: Option<u32>,
    /// What grows: clients from --clients on, or notifications per second and topic from --rate on
    #[arg(long, value_enum)]
    pub vary: VaryArg,
    /// What must hold, separated by commas, for example 'p99<100ms,lost==0'; the quantities are listed below
    #[arg(long, value_name = "CONDITIONS", value_delimiter = ',', required = true)]
    pub slo: Vec<Condition>,
    /// How close to come: the lowest load that does not hold is at most this far above the highest that does
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = resolution_value)]
    pub resolution: f64,
    /// Largest load to try; default: as many clients as this process has descriptors for, or 1000000 notifications per
    /// second
    #[arg(long, value_name = "LOAD", value_parser = rate_value)]
    pub most: Option<f64>,
    /// Runs to make at most, so that a search has an end
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub max_steps: u32,
    /// No run is begun after this much time
    #[arg(long, value_name = "TIME", default_value = "15min", value_parser = positive_time_value)]
    pub max_time: Duration,
    /// The load, where it does not vary.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Folder for the results, one run folder a step; it must not exist. Default: wirelab-runs/TIME-find-max-TRANSPORT
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// What a search varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VaryArg {
    /// The number of clients.
    Clients,
    /// Notifications per second and topic.
    Rate,
}

fn search_rules() -> String {
    format!(
        "The load is doubled until a condition no longer holds (or halved until all do), then the gap is bisected. Both \
         edges of the limit are held to the same rule, because machines have hiccups: the load that breaks and the highest one \
         that holds are measured until two runs agree, three at most; what held by luck is taken back, and the search goes on \
         below it. An invalid measurement ends the search at once, without a limit, and exits 3. A limit found on a noisy machine is as uncertain as its runs.\n\n{}\n\n\
         Exit codes: 0 a limit was found, or even the largest load holds; 1 the search could not be carried out to its end, \
         2 usage, 3 an invalid measurement, 4 not even the smallest load holds.",
        crate::assertion::help()
    )
}

/// Flags of `loadgen diff`.
#[derive(Debug, Args)]
#[command(after_help = DIFF_RULES)]
pub struct DiffArgs {
    /// Results before: a run folder, a comparison, or a folder of run folders that are its rounds
    #[arg(value_name = "RUN_A")]
    pub before: PathBuf,
    /// Results after
    #[arg(value_name = "RUN_B")]
    pub after: PathBuf,
    /// How much worse a quantity may become, in per cent of what it was
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent_value)]
    pub tolerance: f64,
}

const DIFF_RULES: &str = "A regression is a quantity that is distinguishable (its interval leaves zero out) and worse by more than \
                          the tolerance; of all five quantities less is better. One run has no spread: where a side has \
                          fewer than two valid rounds, whatever exceeds the tolerance counts, and it is said that chance \
                          cannot be ruled out. Contenders of two comparisons are matched by name.\n\n\
                          Exit codes: 0 no regression, 1 the results could not be read, 2 usage, 3 a side has no valid \
                          round, 4 a regression.";

/// Flags of `loadgen check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXIT_CODES)]
pub struct CheckArgs {
    /// Base URL of the server, ours or any other, for example http://127.0.0.1:8080; may be left out where the target file
    /// says how to start one
    #[arg(value_name = "URL", value_parser = url_value)]
    pub url: Option<String>,
    /// What the server understands. Of another target than the feed, no contract is checked: it is tried out and said what
    /// of it works
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Flags of `loadgen selftest`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 all ok, 1 something is not, or it could not be carried out, 2 usage.")]
pub struct SelftestArgs {
    /// Transports to test, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "short-poll,long-poll,sse,ws", value_parser = stub_transport)]
    pub transports: Vec<Transport>,
    /// Bounds beyond which a run is not to be believed.
    #[command(flatten)]
    pub bounds: Bounds,
}

/// The load, and how it is measured.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// Simulated clients, each with its own connection
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub clients: u32,
    /// Notifications published per second and topic
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1.0, value_parser = rate_value)]
    pub rate: f64,
    /// Size of each payload, bytes; at least 46, for the postmark by which it is recognised
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = payload_value)]
    pub payload: u32,
    /// How long to measure
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time_value)]
    pub duration: Duration,
    /// How long to publish before measuring, so that caches, connections and allocators have settled
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time_value)]
    pub warmup: Duration,
    /// How long to keep all clients connected before publishing, to measure what that costs by itself;
    /// below 100 ms, the server's idle CPU is not measured
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time_value)]
    pub settle: Duration,
    /// Longest wait for outstanding deliveries after the last was published; what comes later is late, and lost. Short
    /// polling is given its interval on top
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time_value)]
    pub drain: Duration,
    /// Connections opened per second, all clients together: below what fills the accept queue of a common server
    #[arg(long, value_name = "PER_SECOND", default_value_t = 2000.0, value_parser = rate_value)]
    pub connect_rate: f64,
    /// Longest wait until a client's transport is live, before it is counted as failed and tried again
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time_value)]
    pub connect_timeout: Duration,
    /// Time between two polls of one client (short polling)
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = positive_time_value)]
    pub poll_interval: Duration,
    /// How long the server may hold a poll that has nothing to bring (long polling)
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = positive_time_value)]
    pub wait: Duration,
    /// Whether a polling client keeps its connection between polls
    #[arg(long, value_enum, default_value_t = Reuse::Reuse)]
    pub connection: Reuse,
    /// What carries a Socket.IO session: polling, websocket, or upgrade, which is polling first and then websocket, as the official
    /// client has it
    #[arg(long, value_enum, value_name = "CARRIER", default_value_t = SocketIoMode::Upgrade)]
    pub socketio: SocketIoMode,
    /// Topic to publish to, or the prefix of several; the default is one of this run's own, so that runs do not meet
    #[arg(long, value_name = "NAME")]
    pub topic: Option<TopicName>,
    /// Topics; clients are spread over them evenly, each is published to at --rate
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub topics: u32,
    /// How publishing instants are spaced
    #[arg(long, value_enum, default_value_t = Arrival::Constant)]
    pub arrival: Arrival,
    /// Seed of everything random in the load: Poisson gaps, poll phases, padding
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Threads that play clients, of each process; default: one per core that the generator may use
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,
    /// Whether a server that is started for the run and the generator are bound to separate cores, so that neither takes
    /// time from the other
    #[arg(long, value_enum, default_value_t = Pin::Auto)]
    pub pin: Pin,
    /// Bounds beyond which a run is not to be believed.
    #[command(flatten)]
    pub bounds: Bounds,
}

/// Whether to pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pin {
    /// When there are two cores or more.
    Auto,
    /// Never.
    Off,
}

/// When a run is invalid.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Bounds of a valid run")]
pub struct Bounds {
    /// Send lag, 99th percentile: beyond it, latencies are the publisher's rather than the server's. Where notifications are
    /// due at shorter intervals than this, the interval is the bound, down to 1 ms
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = positive_time_value)]
    pub max_send_lag: Duration,
    /// Event-loop lag, 99th percentile: beyond it, receipts are stamped late
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = positive_time_value)]
    pub max_loop_lag: Duration,
    /// Generator CPU, share of the cores that it may use: beyond it, the generator is what is measured
    #[arg(long, value_name = "SHARE", default_value_t = 0.9, value_parser = share_value)]
    pub max_cpu: f64,
    /// Notifications accepted, share of those due: below it, the load was not applied
    #[arg(long, value_name = "SHARE", default_value_t = 0.99, value_parser = share_value)]
    pub min_load: f64,
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

fn url_value(text: &str) -> Result<String, String> {
    crate::target::parse(text).map(|_| text.to_owned()).map_err(|e| format!("{e:#}"))
}

fn rate_value(text: &str) -> Result<f64, String> {
    const RANGE: std::ops::RangeInclusive<f64> = 0.001..=1_000_000.0;
    match text.parse() {
        Ok(rate) if RANGE.contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0.001 to 1000000 per second".into()),
    }
}

fn stub_transport(text: &str) -> Result<Transport, String> {
    let transport: Transport = text.parse().map_err(|e: feed::UnknownTransport| e.to_string())?;
    match transport {
        Transport::SocketIo => {
            Err("socketio is not spoken by the stub server: expected short-poll, long-poll, sse or ws".into())
        }
        _ => Ok(transport),
    }
}

fn percent_value(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim().parse::<f64>() {
        Ok(percent) if (0.0..=1000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("expected per cent from 0 to 1000, for example 5%".into()),
    }
}

fn resolution_value(text: &str) -> Result<f64, String> {
    match percent_value(text) {
        Ok(share) if (0.01..=1.0).contains(&share) => Ok(share),
        _ => Err("expected per cent from 1 to 100, for example 5%".into()),
    }
}

/// A bound that is no number would hold whatever was seen.
fn share_value(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1000.0).contains(&share) => Ok(share),
        _ => Err("expected a share of one, for example 0.9".into()),
    }
}

fn payload_value(text: &str) -> Result<u32, String> {
    const LARGEST: u32 = 1 << 20;
    match text.parse() {
        Ok(bytes) if (MIN_PAYLOAD as u32..=LARGEST).contains(&bytes) => Ok(bytes),
        _ => Err(format!("expected a number of bytes from {MIN_PAYLOAD} to {LARGEST}")),
    }
}

fn time_value(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(24 * 3600);
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        _ => Err("expected a time with its unit, up to 24h, for example 500ms, 20s or 2min".into()),
    }
}

fn positive_time_value(text: &str) -> Result<Duration, String> {
    match time_value(text) {
        Ok(Duration::ZERO) => Err("expected a time above zero, for example 500ms or 20s".into()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (flag, value) in [
            ("--clients", "0"),
            ("--rate", "0"),
            ("--rate", "-1"),
            ("--payload", "45"),
            ("--max-cpu", "nan"),
            ("--min-load", "-1"),
            ("--duration", "5"),
            ("--transport", "tcp"),
        ] {
            let transport = if flag == "--transport" { value } else { "ws" };
            let mut words = vec!["loadgen", "run", "--transport", transport];
            if flag != "--transport" {
                words.extend([flag, value]);
            }
            assert!(Cli::try_parse_from(&words).is_err(), "{words:?}");
        }
    }
}
