//! Questions that are asked before thousands of clients are: is there room for them, and does the server speak this feed?

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use feed::Transport;
use results::numbers::count;

use crate::clients::{Client, ClientError, LongPoll, Resume, ShortPoll, Site, SocketIo, Sse, Ws};
use crate::clock;
use crate::plan::{Plan, Reuse};
use crate::process;
use crate::recording::{Account, Recorder};
use crate::target::{Live, Target, Token, Values, redacted, unreached};
use crate::wire::{Dialer, Traffic, clients_per_source};

/// Descriptors that a process needs for other things than clients: runtimes, timers, files. A server of
/// the same limit keeps 64 for itself and has two other connections, so the generator leaves twice as many.
const SPARE_DESCRIPTORS: u64 = 128;
/// How long a server that holds the first request is given to refuse it.
const REFUSAL_PATIENCE: Duration = Duration::from_millis(250);
/// How long a client that probes waits for the server to let it leave; then its connection is dropped.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(5);
/// Most notifications of one run: the instants at which each left and was answered are kept, 16 bytes.
const MOST_NOTIFICATIONS: f64 = 50e6;
/// What a start that is fixed must leave for besides connecting and settling: starting threads, the first readings.
const START_MARGIN: Duration = Duration::from_secs(1);
/// How long a closed connection holds the port of whoever closed it first (`TIME_WAIT`; a constant of Linux).
const PORT_HELD: Duration = Duration::from_secs(60);
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Raises the limit of descriptors and says whether all clients fit; returns the limit.
pub fn room_for(plan: &Plan, target: Option<&Target>) -> anyhow::Result<u64> {
    let notifications = plan.rate * (plan.warmup + plan.duration).as_secs_f64() * plan.topics.len() as f64;
    if notifications > MOST_NOTIFICATIONS {
        bail!(
            "{} notifications are too many for one run: at most {} can be kept account of; lower --rate, --topics or --duration",
            count(notifications as u64),
            count(MOST_NOTIFICATIONS as u64)
        );
    }
    let descriptors = process::raise_descriptor_limit();
    let clients = plan.own_clients().len() as u64;
    let connections = clients * u64::from(plan.connections_per_client()) + plan.vanished_connections();
    let publishing = u64::from(plan.own_publish_connections());
    if connections + publishing + SPARE_DESCRIPTORS > descriptors {
        bail!(
            "{} clients do not fit: this process may hold {} file descriptors, room for {} beside {} connections for publishing; lower \
             --clients or --publish-connections, raise the limit (ulimit -n), or play them from several processes (--workers)",
            count(clients),
            count(descriptors),
            count(room(descriptors.saturating_sub(publishing), plan.connections_per_client())),
            count(publishing)
        );
    }
    let ports = ephemeral_ports();
    if !is_spread(target) && connections > ports {
        bail!(
            "{} connections do not fit: one source address has {} ports towards one server; lower --clients, widen {PORT_RANGE}, \
             or play the rest from another machine",
            count(connections),
            count(ports)
        );
    }
    Ok(descriptors)
}

/// Where several processes play a plan: whether each has something to do, and enough time until `start`, if that is fixed.
pub fn shares(plan: &Plan, start: Option<Instant>) -> anyhow::Result<()> {
    if plan.shard.is_whole() {
        return Ok(());
    }
    let of = plan.shard.of;
    if plan.clients < of {
        bail!("{} clients are not enough for {of} shards: raise --clients", count(plan.clients.into()));
    }
    for shard in plan.window_of_all().chunks(plan.topics.len()) {
        if shard.iter().all(std::ops::Range::is_empty) {
            bail!(
                "a shard of {of} would publish nothing while it is measured, and so measure no latency: measure for {} or longer, \
                 or raise --rate",
                humantime::format_duration(Duration::from_secs_f64((f64::from(of) / plan.rate).ceil()))
            );
        }
    }
    let Some(start) = start else { return Ok(()) };
    let connecting = Duration::from_secs_f64(plan.own_clients().len() as f64 / plan.own_connect_rate());
    let needed = connecting + plan.settle + START_MARGIN;
    let left = start.saturating_duration_since(clock::now());
    if left < needed {
        bail!(
            "publishing is to start in {:.1} s, but connecting takes {:.1} s and settling {:.1} s: name a --start-at that is {:.1} s \
             ahead, or more",
            left.as_secs_f64(),
            connecting.as_secs_f64(),
            plan.settle.as_secs_f64(),
            needed.as_secs_f64()
        );
    }
    Ok(())
}

/// A warning, where each poll takes a new connection and these may use up the ports of a source address. Whoever closes first holds
/// the port: our server does as it is asked and closes first, so this is no refusal.
pub fn port_warning(plan: &Plan, target: Option<&Target>) -> Option<String> {
    let (needed, ports) = (ports_of_a_source(plan, is_spread(target)), ephemeral_ports());
    (needed > ports).then(|| {
        format!(
            "up to {} connections of one source address close within the minute for which their ports are held (TIME_WAIT), if \
             the server leaves closing to the clients, and it has {} ports: connecting may fail; lower --clients or the rate of \
             polls (--poll-interval, --rate), or keep connections (--connection reuse)",
            count(needed),
            count(ports)
        )
    })
}

/// Ports that the clients of one source address take at once, those included that are held after closing.
fn ports_of_a_source(plan: &Plan, is_spread: bool) -> u64 {
    let clients = plan.own_clients().len() as u32;
    let clients = if is_spread { clients.min(clients_per_source(plan.ports_per_client())) } else { clients };
    let polls_per_s = match plan.transport {
        Transport::ShortPoll => 1.0 / plan.poll_interval.as_secs_f64(),
        // Every notification answers the poll that waits for it.
        Transport::LongPoll => plan.rate.max(1.0 / plan.wait.as_secs_f64()),
        // A stream keeps its connection.
        Transport::Sse | Transport::Ws | Transport::SocketIo => return 0,
    };
    if plan.connection == Reuse::Reuse {
        return 0;
    }
    let span = (plan.settle + plan.warmup + plan.duration + plan.drain).min(PORT_HELD);
    let polls_of_a_client = 1.0 + polls_per_s * span.as_secs_f64();
    (f64::from(clients) * polls_of_a_client).ceil() as u64
}

/// True when clients are spread over many source addresses: towards IPv4 loopback.
fn is_spread(target: Option<&Target>) -> bool {
    target.is_none_or(|target| target.address.ip().is_loopback() && target.address.is_ipv4())
}

/// How many clients of so many connections each fit into this process's file descriptors, raised as far as they go, beside so many
/// connections for publishing.
pub fn most_clients(connections_per_client: u32, publishing: u32) -> u64 {
    room(process::raise_descriptor_limit().saturating_sub(publishing.into()), connections_per_client)
}

fn room(descriptors: u64, connections_per_client: u32) -> u64 {
    descriptors.saturating_sub(SPARE_DESCRIPTORS) / u64::from(connections_per_client)
}

fn ephemeral_ports() -> u64 {
    const ALL: u64 = 64_512;
    let range = std::fs::read_to_string(PORT_RANGE).unwrap_or_default();
    let bounds: Vec<u64> = range.split_whitespace().filter_map(|bound| bound.parse().ok()).collect();
    match bounds[..] {
        [low, high] => high.saturating_sub(low) + 1,
        _ => ALL,
    }
}

/// Connects one client, so that a server that is not there, or is no feed, is said before thousands have tried.
pub async fn probe(plan: &Arc<Plan>, target: &Target, bound: Duration) -> anyhow::Result<()> {
    let probed = match plan.transport {
        Transport::ShortPoll => connect::<ShortPoll>(plan, target, bound).await,
        Transport::LongPoll => connect::<LongPoll>(plan, target, bound).await,
        Transport::Sse => connect::<Sse>(plan, target, bound).await,
        Transport::Ws => connect::<Ws>(plan, target, bound).await,
        Transport::SocketIo => connect::<SocketIo>(plan, target, bound).await,
    };
    let (url, name, source) = (target.shown_url(), &target.file.name, &target.file.source);
    let path = shown_path(plan, target);
    match probed {
        Probed::Live(Farewell::Over) => Ok(()),
        Probed::Live(Farewell::UnderWay) => {
            results::errln!(
                "warning: {url} answered at once, but had not let the probe leave {} later; clients that leave may wait as long",
                humantime::format_duration(FAREWELL_PATIENCE)
            );
            Ok(())
        }
        Probed::Failed(ClientError::Io(error)) => Err(unreached(&url, &error)),
        // What is not supported is said first of all.
        Probed::Failed(error) if error.is_unsupported() => {
            let error = target.told(&error.into());
            bail!("{error:#}: that is what {url} answered to GET {path}")
        }
        Probed::Failed(error) => Err(target.told(&error.into())).with_context(|| {
            let (what, check) = match target.file.is_feed() {
                true => ("is not a feed".to_owned(), format!("loadgen check {url}")),
                false => (format!("is no `{name}`"), format!("loadgen check --target {source} {url}")),
            };
            format!("{url} {what}: GET {path} failed; `{check}` says more")
        }),
        Probed::Unreached => bail!("cannot reach {url}: no connection within {}", humantime::format_duration(bound)),
        Probed::Unanswered => bail!(
            "{url} did not answer GET {path} within {}{}",
            humantime::format_duration(bound),
            if plan.transport == Transport::LongPoll && !target.file.is_feed() {
                "; if it holds the first poll, too, its target file needs live = \"request\""
            } else {
                ""
            }
        ),
        Probed::NotLive(bytes) => bail!(
            "{url} answered GET {path} with {} bytes, but no client was live within {}: {}",
            count(bytes),
            humantime::format_duration(bound),
            match plan.transport {
                Transport::Sse | Transport::Ws =>
                    "live = \"message\" waits for a first message; a server that greets nobody needs live = \"head\" in its target file",
                Transport::ShortPoll | Transport::LongPoll => "the answer did not come whole",
                Transport::SocketIo => "expected the namespace to let it in",
            }
        ),
    }
}

/// Path and query of the first request, without the secrets that may stand in them.
fn shown_path(plan: &Plan, target: &Target) -> String {
    let mut path = String::new();
    let hidden = target.secret().map(|_| Token::HIDDEN);
    let values = Values::of(plan.topics[0].as_str(), plan.run, hidden);
    if let Some(subscription) = target.file.subscription(plan.transport) {
        subscription.request.write_path(&values, &mut path);
    } else if let Some(socketio) = &target.file.socketio {
        path.push_str(&socketio.path.filled(&values));
    }
    redacted(target.token.as_ref(), &path)
}

/// What became of the client that probes.
enum Probed {
    /// It was live, and left.
    Live(Farewell),
    /// It could not be.
    Failed(ClientError),
    /// There was no connection in time.
    Unreached,
    /// There was, and not a byte came in time.
    Unanswered,
    /// So many bytes came, and it was not live in time.
    NotLive(u64),
}

/// Whether it has left.
enum Farewell {
    Over,
    UnderWay,
}

/// Only connecting takes from `bound`: what a server makes of a client that leaves has a bound of its own.
async fn connect<C: Client>(plan: &Arc<Plan>, target: &Target, bound: Duration) -> Probed {
    let traffic = Rc::new(Traffic::default());
    let dialer = Dialer::unbound(target, Rc::clone(&traffic));
    let site = Site::new(Arc::clone(plan), dialer, target);
    let recorder = Rc::new(Recorder::new(traffic));
    let mut account = Account::alone(plan.run, 0..0, Rc::clone(&recorder)).expecting(site.replies());
    let connecting = C::connect(&site, 0, Resume::default(), &mut account);
    let mut client = match tokio::time::timeout(bound, connecting).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => return Probed::Failed(error),
        Err(_) => {
            let counters = recorder.counters();
            return match (counters.opened, counters.bytes_received) {
                (0, _) => Probed::Unreached,
                (_, 0) => Probed::Unanswered,
                (_, bytes) => Probed::NotLive(bytes),
            };
        }
    };
    let may_be_refused = site.live() == Live::Request || site.replies().refused.is_some();
    if may_be_refused
        && let Ok(Err(error)) = tokio::time::timeout(REFUSAL_PATIENCE, client.receive(&site, &mut account)).await
        && !error.is_orderly()
    {
        return Probed::Failed(error);
    }
    match tokio::time::timeout(FAREWELL_PATIENCE, client.close()).await {
        Ok(()) => Probed::Live(Farewell::Over),
        Err(_) => Probed::Live(Farewell::UnderWay),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Arrival, SocketIoMode};

    /// 1,000 clients that poll for an hour, with a new connection each time.
    fn fresh(transport: Transport) -> Plan {
        Plan {
            run: 1,
            transport,
            socketio: SocketIoMode::Upgrade,
            clients: 1_000,
            shard: crate::shard::Shard::WHOLE,
            topics: vec!["news".parse().unwrap()],
            rate: 1.0,
            payload: 100,
            arrival: Arrival::Constant,
            seed: 1,
            connect_rate: 1_000.0,
            settle: Duration::ZERO,
            warmup: Duration::ZERO,
            duration: Duration::from_secs(3_600),
            drain: Duration::ZERO,
            poll_interval: Duration::from_secs(1),
            wait: Duration::from_secs(25),
            connection: Reuse::Fresh,
            hold_up: None,
            reconnection: crate::reconnection::Reconnection::default(),
            faults: Vec::new(),
            publish_connections: crate::plan::PUBLISH_CONNECTIONS,
            publish_pipelined: false,
        }
    }

    #[test]
    fn ports_that_are_held_for_a_minute_are_counted_at_the_rate_of_polls() {
        let plan = fresh(Transport::ShortPoll);
        assert_eq!(ports_of_a_source(&plan, false), 1_000 + 60_000);
        assert_eq!(ports_of_a_source(&plan, true), 200 + 12_000, "200 clients share a source on loopback");
        assert_eq!(ports_of_a_source(&Plan { rate: 2.0, ..fresh(Transport::LongPoll) }, false), 1_000 + 120_000);
        assert_eq!(ports_of_a_source(&Plan { duration: Duration::from_secs(10), ..plan.clone() }, false), 11_000);
        assert_eq!(ports_of_a_source(&Plan { connection: Reuse::Reuse, ..plan }, false), 0);
        assert_eq!(ports_of_a_source(&fresh(Transport::Ws), false), 0, "a stream keeps its connection");
    }

    #[test]
    fn polls_that_may_use_up_the_ports_are_warned_of() {
        let hasty = Plan { poll_interval: Duration::from_millis(1), ..fresh(Transport::ShortPoll) };
        let warning = port_warning(&hasty, None).unwrap();
        assert!(warning.starts_with("up to 12,000,200 connections of one source address"), "{warning}");
        assert_eq!(port_warning(&Plan { clients: 20, ..fresh(Transport::ShortPoll) }, None), None);
    }
}
