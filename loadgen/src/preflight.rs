//! Questions that are asked before thousands of clients are: is there room for them, and does the server speak this feed?

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use feed::{Transport, subscribe_path};

use crate::clients::{Client, ClientError, LongPoll, ShortPoll, Site, Sse, Ws};
use crate::numbers::count;
use crate::plan::Plan;
use crate::process;
use crate::recording::{Account, Recorder};
use crate::target::Target;
use crate::wire::{Dialer, Traffic};

/// Descriptors that a process needs for other things than clients: runtimes, timers, files, the publishing channel. A server of
/// the same limit keeps 64 for itself and has two other connections, so the generator leaves twice as many.
const SPARE_DESCRIPTORS: u64 = 128;
/// Most notifications of one run: the instant at which each left is kept, 8 bytes.
const MOST_NOTIFICATIONS: f64 = 50e6;
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
    let clients = u64::from(plan.clients);
    if clients + SPARE_DESCRIPTORS > descriptors {
        bail!(
            "{} clients do not fit: this process may hold {} file descriptors, room for {}; lower --clients, raise the limit \
             (ulimit -n), or play the rest from another process",
            count(clients),
            count(descriptors),
            count(descriptors.saturating_sub(SPARE_DESCRIPTORS))
        );
    }
    let is_spread = target.is_none_or(|target| target.address.ip().is_loopback() && target.address.is_ipv4());
    let ports = ephemeral_ports();
    if !is_spread && clients > ports {
        bail!(
            "{} clients do not fit: one source address has {} ports towards one server; lower --clients, widen {PORT_RANGE}, \
             or play the rest from another machine",
            count(clients),
            count(ports)
        );
    }
    Ok(descriptors)
}

/// How many clients fit into this process's file descriptors, raised as far as they go.
pub fn most_clients() -> u64 {
    process::raise_descriptor_limit().saturating_sub(SPARE_DESCRIPTORS)
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
    let result = tokio::time::timeout(bound, async {
        match plan.transport {
            Transport::ShortPoll => connect::<ShortPoll>(plan, target).await,
            Transport::LongPoll => connect::<LongPoll>(plan, target).await,
            Transport::Sse => connect::<Sse>(plan, target).await,
            Transport::Ws => connect::<Ws>(plan, target).await,
            Transport::SocketIo => Err(ClientError::NotPlayed(plan.transport)),
        }
    });
    let path = subscribe_path(&plan.topics[0], plan.transport);
    match result.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error @ ClientError::NotPlayed(_))) => Err(error.into()),
        Ok(Err(ClientError::Io(error))) => Err(error).with_context(|| format!("cannot reach {}", target.url)),
        Ok(Err(error)) => Err(error).with_context(|| {
            format!("{} is not a feed: GET {path} failed; `loadgen check {}` says more", target.url, target.url)
        }),
        Err(_) => bail!("{} did not answer GET {path} within {}", target.url, humantime::format_duration(bound)),
    }
}

async fn connect<C: Client>(plan: &Arc<Plan>, target: &Target) -> Result<(), ClientError> {
    let traffic = Rc::new(Traffic::default());
    let dialer = Dialer::unbound(target.address, Rc::clone(&traffic));
    let site = Site::new(Arc::clone(plan), dialer, target);
    let mut account = Account::new(plan.run, 0, 0..0, Rc::new(Recorder::new(traffic)));
    C::connect(&site, 0, None, &mut account).await?.close().await;
    Ok(())
}
