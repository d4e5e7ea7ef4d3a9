//! Clients that received nothing where others did: either a reader of ours does not read, or the server does not send to them.
//!
//! Judged from the ledgers when they are closed, by what was due, so that it does not matter when anything was looked at.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use feed::Transport;
use results::Reason;
use results::numbers::count;
use serde::{Deserialize, Serialize};

use super::reason;
use crate::faults::Fault;
use crate::plan::Plan;
use crate::recording::{ClientGroup, Share};

/// Fewer notifications that were due say nothing about who received none of them.
const LEAST_DUE: u64 = 5;
/// Fewer deliveries that were due to a whole topic say nothing about a silence of all its clients: of 20, a server that drops half at
/// random drops all once in a million times.
const LEAST_DUE_TO_TOPIC: u64 = 20;
/// Share of what was due that a client received who is well served.
const WELL_SERVED: f64 = 0.9;

/// The numbers of one publisher that were due in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First of the window.
    pub first: u32,
    /// First of the window's last third.
    pub last_third: u32,
    /// One past the last that was due.
    pub end: u32,
}

impl Span {
    /// Those of this process's publishers, by topic, where the window was measured for `measured` and `ends` is one past the last number that
    /// was due.
    pub fn of_topics(plan: &Plan, measured: Duration, ends: &[u32]) -> Vec<Self> {
        let last_third = plan.warmup + measured * 2 / 3;
        let mut spans: Vec<Self> = ends.iter().map(|&end| Self { first: end, last_third: end, end }).collect();
        for arrive in plan.arrivals() {
            let Some(span) = spans.get_mut(usize::from(arrive.topic)) else { continue };
            if arrive.offset >= plan.warmup {
                span.first = span.first.min(arrive.sequence);
            }
            if arrive.offset >= last_third {
                span.last_third = span.last_third.min(arrive.sequence);
            }
        }
        spans
    }

    fn window(&self) -> Range<u32> {
        self.first..self.end
    }

    fn end_of_window(&self) -> Range<u32> {
        self.last_third..self.end
    }
}

/// Of what clients are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Of the window as a whole.
    pub window: bool,
    /// Of its last third.
    pub last_third: bool,
}

impl Judged {
    /// What a plan leaves to be judged: nothing where its faults stop the server, and not what is shorter than the interval at which
    /// clients poll. Clients that faults are aimed at are left out by whoever names the clients.
    pub fn of(plan: &Plan) -> Self {
        let interval = match plan.transport {
            Transport::ShortPoll => plan.poll_interval,
            Transport::LongPoll | Transport::Sse | Transport::Ws | Transport::SocketIo => Duration::ZERO,
        };
        let is_undisturbed = !plan.faults.iter().any(Fault::is_of_server);
        Self {
            window: is_undisturbed && interval < plan.duration,
            last_third: is_undisturbed && interval < plan.duration / 3,
        }
    }
}

/// How many clients received nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unheard {
    /// Clients that received nothing in the window, where half of their topic's clients were well served.
    pub at_all: u64,
    /// Clients that received something, and nothing of what was due in the last third, where half of their topic's were well served.
    pub at_the_end: u64,
    /// Clients of topics of which all clients together received something, and nothing of what was due in the last third.
    pub of_silenced_topics: u64,
    /// Clients that would be among these, but received something of the window after its end: they are behind if deliveries were late or
    /// still arriving at the end, and else no less unheard.
    pub behind: u64,
    /// Clients of all topics.
    pub clients: u64,
}

/// What a client was due and received: over the window, and over its last third.
type Shares = [Share; 2];

/// Clients that received the same.
struct Clients {
    count: u64,
    is_behind: bool,
    shares: Shares,
}

/// Finds them; who still received something of the window after its end is behind, and none of them. `accepted` tells, by shard and topic, what a publisher's numbers are, and which of them were refused and received by
/// nobody; `None` where that is not known.
pub fn unheard<'a>(
    groups: &[ClientGroup],
    judged: Judged,
    accepted: impl Fn(usize, usize) -> Option<(Span, &'a [u32])>,
) -> Unheard {
    let mut topics: BTreeMap<u16, Vec<Clients>> = BTreeMap::new();
    for group in groups {
        let shares = group.received.iter().enumerate().filter_map(|(shard, received)| {
            let (span, refused) = accepted(shard, group.topic.into())?;
            Some([received.count(&span.window(), refused), received.count(&span.end_of_window(), refused)])
        });
        let shares = shares.fold(Shares::default(), |sum, more| [sum[0].plus(more[0]), sum[1].plus(more[1])]);
        let clients = Clients { count: group.clients, is_behind: group.is_behind, shares };
        topics.entry(group.topic).or_default().push(clients);
    }
    let mut unheard = Unheard::default();
    for clients in topics.values() {
        enter_topic(clients, judged, &mut unheard);
    }
    unheard
}

fn enter_topic(clients: &[Clients], judged: Judged, unheard: &mut Unheard) {
    let count = |is: &dyn Fn(&Shares) -> bool| -> u64 {
        clients.iter().filter(|clients| is(&clients.shares)).map(|clients| clients.count).sum()
    };
    // Who is behind is not deaf: the verdict says that deliveries were still arriving, or late.
    let count_deaf = |is: &dyn Fn(&Shares) -> bool| -> u64 {
        clients.iter().filter(|clients| !clients.is_behind && is(&clients.shares)).map(|clients| clients.count).sum()
    };
    let all = count(&|_| true);
    unheard.clients += all;
    let is_silent = |share: Share| share.due >= LEAST_DUE && share.received == 0;
    let is_well_served = |[window, _]: &Shares| window.received as f64 >= window.due as f64 * WELL_SERVED;
    if count(&is_well_served) * 2 >= all {
        let at_all = |[window, _]: &Shares| judged.window && is_silent(*window);
        let at_the_end = |[window, last]: &Shares| judged.last_third && window.received > 0 && is_silent(*last);
        unheard.at_all += count_deaf(&at_all);
        unheard.at_the_end += count_deaf(&at_the_end);
        unheard.behind += count(&at_all) + count(&at_the_end) - count_deaf(&at_all) - count_deaf(&at_the_end);
        return;
    }
    let sum = |part: usize| {
        clients.iter().fold(Share::default(), |sum, clients| sum.plus(clients.shares[part].times(clients.count)))
    };
    let is_silenced = sum(0).received > 0 && sum(1).received == 0 && sum(1).due >= LEAST_DUE_TO_TOPIC;
    if judged.last_third && is_silenced && count(&|[_, last]| is_silent(*last)) == all {
        let deaf = count_deaf(&|[_, last]| is_silent(*last));
        unheard.of_silenced_topics += if deaf == all { all } else { 0 };
        unheard.behind += if deaf == all { 0 } else { all };
    }
}

/// Why that speaks against a run.
pub(super) fn clients_unheard(unheard: Unheard) -> Option<Reason> {
    let Unheard { at_all, at_the_end, of_silenced_topics, clients, .. } = unheard;
    let all = [
        (at_all, "received nothing, while half or more of their topic's clients received 90 % or more of what was due"),
        (
            at_the_end,
            "received nothing of what was due in the last third, while half or more of their topic's clients received 90 % or more",
        ),
        (
            of_silenced_topics,
            "(every client of their topics) received nothing of what was due in the last third, and something before",
        ),
    ];
    let seen: Vec<String> = all
        .into_iter()
        .filter(|(some, _)| *some > 0)
        .map(|(some, what)| format!("{} of {} clients {what}", count(some), count(clients)))
        .collect();
    (!seen.is_empty()).then(|| {
        reason(
            "clients-unheard",
            seen.join("; "),
            format!("none, where {LEAST_DUE} or more were due"),
            "Either a reader of loadgen's does not read what the server sends, or the server does not send to these clients: what they \
             lost may be either's loss.",
            "Tell them apart with `loadgen check`, or with a packet capture of one such client: what stands there and is not counted here \
             is loadgen's fault.",
        )
    })
}

#[cfg(test)]
mod tests;
