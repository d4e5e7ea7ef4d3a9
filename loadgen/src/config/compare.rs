//! Flags of `loadgen compare` and `loadgen diff`: results side by side.

use std::path::PathBuf;

use clap::Args;

use super::LoadArgs;
use super::values::percent_value;
use crate::faults::Fault;
use crate::server_flags::ServerArgs;
use crate::target_args::{ContenderName, TargetArgs};

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
    /// Take flags from a scenario: reconnect-storm, restart-behind-redis, rolling-restart, slow-readers, or the path of a file (.toml) whose keys are flags without their
    /// hyphens. A flag given beside it takes its place
    #[arg(long, value_name = "SCENARIO")]
    pub scenario: Option<String>,
    /// Transports to compare, separated by commas; TRANSPORT@TARGET is one on another server than --target says; one that is
    /// named twice is compared with itself (A/A), which must come out as not distinguishable
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "short-poll,long-poll,sse,ws")]
    pub transports: Vec<ContenderName>,
    /// What the server understands.
    #[command(flatten)]
    pub target: TargetArgs,
    /// What servers that are started are told; contenders of another target start as its file says.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Rounds; every second one runs in reverse order, so that what drifts over time favours nobody
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// The load.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Do something to the run on purpose, at an instant of the measured window: `cut 30% at 5s` (connections reset), `stall 10% for 5s`
    /// (read no more), `vanish 10% at 5s` (no FIN, no ACK), `churn 5%/s [for TIME]`; to a server that the run started, `restart-server
    /// [for TIME] at 8s` (killed), `drain-server at 8s` (SIGTERM); to one whose process is known, `pause-server for 2s`. Without `at`, a
    /// second after measuring began. May be given several times
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<Fault>,
    /// Folder for the results; it must not exist. Default: wirelab-runs/TIME-compare
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

const DIFF_RULES: &str = "Give rounds, not single runs: record five of each build with `loadgen compare --transports ws --rounds 5 --out \
                          before` (and `--out after`), or in turn, as `loadgen run ... --out before/1`, `--out after/1`, \
                          `--out before/2` and so on. One run on a side cannot tell a change from chance: the figures are \
                          printed, there is no verdict, and the exit code is 0.\n\n\
                          A regression is a quantity that is distinguishable and worse by more than the tolerance; of all \
                          five quantities less is better. The exact rank test decides, each quantity at half a per cent: \
                          with five rounds against five, each round after must be worse than each round before. Equal builds \
                          are then called a regression in at most 2 % of comparisons, all five quantities together (2.5 % with \
                          any other number of rounds), if nothing else changed; that is printed for the rounds at hand. With \
                          fewer than five, Student's t decides at the same level, for which rounds must be about normally \
                          distributed. Measured rates: docs/measuring.md.\n\n\
                          Interrupted and invalid rounds are left out, which is said first; a side without any other is not \
                          compared. Refused are other workloads (transport, target, clients, rate, payload, topics, durations, \
                          polling, faults), another network (scheme or host of the server), another machine (processor, cores), \
                          and another way of measuring (build, generator processes, source of the server's cost). Port, path \
                          and flags of the server may differ; flags that do are said first. Contenders of two comparisons are \
                          matched by name.\n\n\
                          Exit codes: 0 no regression, or no verdict; 1 the results could not be read; 2 usage, or results \
                          that are not comparable; 3 a side has no valid, complete round; 4 a regression.";

/// Flags of `loadgen diff`.
#[derive(Debug, Args)]
#[command(after_help = DIFF_RULES)]
pub struct DiffArgs {
    /// Results before: a comparison, or a folder of run folders that are its rounds; of a single run folder there is no verdict
    #[arg(value_name = "RUN_A")]
    pub before: PathBuf,
    /// Results after
    #[arg(value_name = "RUN_B")]
    pub after: PathBuf,
    /// How much worse a quantity may become, in per cent of what it was
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent_value)]
    pub tolerance: f64,
}
