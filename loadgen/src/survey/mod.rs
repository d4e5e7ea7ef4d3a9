//! What a server supports, found out by using it: two clients subscribe, one message is published, and what follows is told.
//!
//! It asks no more of the server than its target file says, so it holds no contract against it: that is `check` without a
//! target.

mod listener;
mod table;
mod topics;

pub use table::table;
pub use topics::Topics;

use std::sync::Arc;
use std::time::Duration;

use feed::Transport;
use rand::RngExt;

use crate::clients::{Client, LongPoll, ShortPoll, SocketIo, Sse, Ws};
use crate::plan::{Arrival, PUBLISH_CONNECTIONS, Plan, Reuse, SocketIoMode};
use crate::publisher::Channels;
use crate::reconnection::Reconnection;
use crate::shard::Shard;
use crate::target::{Target, reason};
use listener::Listener;

/// Longest wait for a message that is expected.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest wait for a message that need not come: history, or what was missed.
const CURIOSITY: Duration = Duration::from_secs(1);
/// Messages that are published on one topic at most.
const MESSAGES: u32 = 2;
/// Bytes of each payload.
const PAYLOAD: usize = 100;

/// What was found out about one transport.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The transport.
    pub transport: Transport,
    /// How long subscribing took, or why it failed.
    pub subscribed: Result<Duration, String>,
    /// Why the server did not accept what was published, if it did not.
    pub refused: Option<String>,
    /// Why a client that had subscribed could hear no more, if it could not.
    pub lost: Option<String>,
    /// Publishing until receipt, for the first of two clients; `None` when nothing came back.
    pub latency: Option<Duration>,
    /// How many of two clients got it.
    pub receivers: u32,
    /// What the client received besides the payload, bytes.
    pub framing_bytes: Option<u64>,
    /// Whether a client that comes later is given what was published before; `None` when that was not tried, or it could not
    /// connect.
    pub has_history: Option<bool>,
    /// What a client finds that comes back.
    pub resumption: Resumption,
    /// Why a client that came back, or the one that stayed meanwhile, could not go on, if something went wrong.
    pub not_back: Option<String>,
    /// Why a client that came later could not hear, if something went wrong.
    pub not_later: Option<String>,
    /// What carried Socket.IO sessions.
    pub carrier: SocketIoMode,
    /// The first message, or answer to a poll, that was neither a notification nor the feed's own.
    pub first_foreign: Option<String>,
    /// What clients were to remember and never learnt, by name and place.
    pub never_learnt: Vec<String>,
    /// What the server answered to the first publication, if it answered.
    pub answer: Option<String>,
    /// Whether what is published on one topic comes to clients of another.
    pub topics: Topics,
}

/// What a client finds that was away while something was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumption {
    /// Exactly what it has missed.
    Exact,
    /// That, and more which it had already.
    Repeats,
    /// Nothing of it.
    Lost,
    /// The server has said nothing that it could go on from.
    NothingToResumeFrom,
    /// It was not tried, or the client did not get in again.
    NotTried,
}

impl Finding {
    fn of(transport: Transport) -> Self {
        Self {
            transport,
            subscribed: Err("not tried".into()),
            refused: None,
            lost: None,
            latency: None,
            receivers: 0,
            framing_bytes: None,
            has_history: None,
            resumption: Resumption::NotTried,
            first_foreign: None,
            never_learnt: Vec::new(),
            not_back: None,
            not_later: None,
            carrier: SocketIoMode::Upgrade,
            answer: None,
            topics: Topics::NotTried,
        }
    }

    /// True when what was published came back to both clients.
    pub fn works(&self) -> bool {
        self.receivers == 2
    }

    /// True when nothing went wrong with clients that came back, or later.
    pub fn lets_come_back(&self) -> bool {
        self.not_back.is_none() && self.not_later.is_none()
    }

    /// True when it came to clients of its own topic alone, as far as there are topics.
    pub fn keeps_topics_apart(&self) -> bool {
        self.topics != Topics::Mixed
    }
}

/// Tries out every transport that the target has and this build speaks.
pub async fn survey(target: &Target) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for transport in Transport::ALL.into_iter().filter(|transport| target.file.has(*transport)) {
        let plan = Arc::new(plan(transport, 1, SocketIoMode::Upgrade)?);
        findings.push(match transport {
            Transport::ShortPoll => try_out::<ShortPoll>(&plan, target).await?,
            Transport::LongPoll => try_out::<LongPoll>(&plan, target).await?,
            Transport::Sse => try_out::<Sse>(&plan, target).await?,
            Transport::Ws => try_out::<Ws>(&plan, target).await?,
            Transport::SocketIo => try_out_carriers(&plan, target).await?,
        });
    }
    Ok(findings)
}

/// As the official client does unless it is told otherwise; where that lets nobody in, over a WebSocket alone.
async fn try_out_carriers(upgrading: &Arc<Plan>, target: &Target) -> anyhow::Result<Finding> {
    let finding = try_out::<SocketIo>(upgrading, target).await?;
    if finding.subscribed.is_ok() {
        return Ok(finding);
    }
    let carrier = SocketIoMode::Websocket;
    let plan = Arc::new(plan(Transport::SocketIo, 1, carrier)?);
    let alone = try_out::<SocketIo>(&plan, target).await?;
    Ok(if alone.subscribed.is_ok() { Finding { carrier, ..alone } } else { finding })
}

async fn try_out<C: Client>(plan: &Arc<Plan>, target: &Target) -> anyhow::Result<Finding> {
    let mut finding = Finding::of(plan.transport);
    let (mut first, mut second) = (Listener::new(plan, target, 0), Listener::new(plan, target, 1));
    let clients = (first.connect::<C>(PATIENCE).await, second.connect::<C>(PATIENCE).await);
    let (mut one, mut two) = match clients {
        (Ok((one, took)), Ok((two, _))) => {
            finding.subscribed = Ok(took);
            (one, two)
        }
        (Err(why), _) | (_, Err(why)) => {
            finding.subscribed = Err(why);
            return Ok(finding);
        }
    };
    let channels = Channels::open(plan, target, Arc::default(), Arc::default(), PATIENCE)
        .await
        .map_err(|error| target.told(&error))?;
    let before = first.bytes_received();
    let (published, ..) = tokio::join!(
        channels.publish_one(plan, 0, PATIENCE),
        first.hear(&mut one, 1, PATIENCE),
        second.hear(&mut two, 1, PATIENCE)
    );
    finding.refused = published.err().map(|why| reason(target.token.as_ref(), &why));
    finding.receivers = u32::from(first.heard() > 0) + u32::from(second.heard() > 0);
    finding.lost = first.lost.clone().or_else(|| second.lost.clone());
    finding.latency = first.latency();
    finding.first_foreign = first.first_foreign();
    if let Some(subscription) = target.file.subscription(plan.transport) {
        let remembered = one.resume().remembered;
        finding.never_learnt = subscription.missing(|place| remembered.get(place).is_some_and(Option::is_some));
    }
    let answers: Vec<String> =
        channels.first_answers().iter().map(|answer| reason(target.token.as_ref(), answer)).collect();
    finding.answer = (!answers.is_empty()).then(|| answers.join("`, `"));
    if first.heard() > 0 {
        finding.framing_bytes = Some((first.bytes_received() - before).saturating_sub(PAYLOAD as u64));
    }
    if finding.works() {
        (finding.has_history, finding.not_later) = has_history::<C>(plan, target).await;
        (finding.resumption, finding.not_back) =
            resumption(&channels, plan, target, one, (&mut second, &mut two)).await;
    } else {
        one.close().await;
    }
    two.close().await;
    channels.await_answers().await;
    if finding.works() {
        finding.topics = topics::topics::<C>(plan, target).await?;
    }
    Ok(finding)
}

/// `None` when the client that comes later does not get in, and so cannot tell; and what went wrong with it, if anything did.
async fn has_history<C: Client>(plan: &Arc<Plan>, target: &Target) -> (Option<bool>, Option<String>) {
    let mut late = Listener::new(plan, target, 2);
    let Ok((mut client, _)) = late.connect::<C>(CURIOSITY).await else {
        return ((late.heard() > 0).then_some(true), late.lost);
    };
    late.hear(&mut client, 1, CURIOSITY).await;
    client.close().await;
    (Some(late.heard() > 0), late.lost)
}

/// Leaves as `one`, publishes, which `other` is witness of, and comes back.
async fn resumption<C: Client>(
    channels: &Channels,
    plan: &Arc<Plan>,
    target: &Target,
    one: C,
    (witness, other): (&mut Listener, &mut C),
) -> (Resumption, Option<String>) {
    let resume = one.resume();
    one.close().await;
    if resume.is_empty() {
        return (Resumption::NothingToResumeFrom, None);
    }
    let _ = tokio::join!(channels.publish_one(plan, 1, PATIENCE), witness.hear(other, 2, PATIENCE));
    if witness.heard() < 2 {
        return (Resumption::NotTried, witness.lost.clone());
    }
    let mut back = Listener::new(plan, target, 0);
    back.resume = resume;
    let connected = back.connect::<C>(CURIOSITY).await;
    let is_in = connected.is_ok();
    if let Ok((mut client, _)) = connected {
        back.hear(&mut client, 2, CURIOSITY).await;
        client.close().await;
    }
    let resumption = match back.heard() {
        0 if !is_in => Resumption::NotTried,
        0 => Resumption::Lost,
        1 => Resumption::Exact,
        _ => Resumption::Repeats,
    };
    (resumption, back.lost)
}

/// Two clients of so many topics that nobody else has.
fn plan(transport: Transport, topics: u32, socketio: SocketIoMode) -> anyhow::Result<Plan> {
    let run: u32 = rand::rng().random();
    let topics = (0..topics).map(|topic| match topic {
        0 => format!("check-{run:08x}").parse(),
        topic => format!("check-{run:08x}-{topic}").parse(),
    });
    Ok(Plan {
        run,
        transport,
        clients: 2,
        shard: Shard::WHOLE,
        topics: topics.collect::<Result<_, _>>()?,
        rate: 1.0,
        payload: PAYLOAD,
        arrival: Arrival::Constant,
        seed: u64::from(run),
        connect_rate: 1000.0,
        settle: Duration::ZERO,
        warmup: Duration::ZERO,
        duration: Duration::from_secs(u64::from(MESSAGES)),
        drain: PATIENCE,
        poll_interval: Duration::from_millis(100),
        wait: CURIOSITY / 2,
        connection: Reuse::Reuse,
        socketio,
        hold_up: None,
        reconnection: Reconnection::default(),
        faults: Vec::new(),
        publish_connections: PUBLISH_CONNECTIONS,
        publish_pipelined: false,
    })
}
