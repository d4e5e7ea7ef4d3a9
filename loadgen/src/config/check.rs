//! Flags of `loadgen check` and `loadgen selftest`: is the server, is the machine what it should be?

use clap::Args;
use feed::Transport;

use super::Bounds;
use super::values::url_value;
use crate::target_args::TargetArgs;

const CHECK_EXIT_CODES: &str = "Exit codes: 0 every step held (with --target: every transport delivers, keeps topics apart, and brings what is to be remembered), 1 one did not, or nobody listens there, 2 usage.\n\n\
                                Publishes to topics of its own, named check-<random>, and -<number> in the walk through the contract; no wait is \
                                longer than 3 s.\n\n\
                                With --target, two clients subscribe to each transport of the file, and 100 bytes are published. subscribed: \
                                time until a client is live; came back: from publishing to receipt; receivers: who got it; framing: bytes \
                                around it; history: whether a client that comes later is given it; comes back to: what a client gets that was \
                                away; topics: whether what is published on one comes to a client of another (mixed) or not (kept apart).";

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

fn stub_transport(text: &str) -> Result<Transport, String> {
    let transport: Transport = text.parse().map_err(|e: feed::UnknownTransport| e.to_string())?;
    match transport {
        Transport::SocketIo => {
            Err("socketio is not spoken by the stub server: expected short-poll, long-poll, sse or ws".into())
        }
        _ => Ok(transport),
    }
}
