//! Flags of `loadgen find-max`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use feed::Transport;

use super::LoadArgs;
use super::values::{percent_value, positive_time_value, rate_value, url_value};
use crate::assertion::Condition;
use crate::server_flags::ServerArgs;
use crate::target_args::TargetArgs;

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
    /// What a server that is started is told.
    #[command(flatten)]
    pub server: ServerArgs,
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

fn resolution_value(text: &str) -> Result<f64, String> {
    match percent_value(text) {
        Ok(share) if (0.01..=1.0).contains(&share) => Ok(share),
        _ => Err("expected per cent from 1 to 100, for example 5%".into()),
    }
}
