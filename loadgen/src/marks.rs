//! The two edges of the window, and what lies between them: bytes, the generator's own cost, the books of the whole run.

use std::time::Instant;

use hdrhistogram::Histogram;
use results::{Bytes, GeneratorCost, Layers, Percentiles, Total, WholeRun};

use crate::conductor::Setup;
use crate::cpu_time::CpuTime;
use crate::plan::{Plan, Reuse};
use crate::publisher::Report;
use crate::reconciliation::Books;
use crate::recording::Counters;
use crate::wire::TcpIp;

/// The readings at one edge of the window.
pub struct Mark {
    /// What the players have counted.
    pub counters: Counters,
    /// TCP/IP bytes since the start, where the system tells.
    pub tcp_ip: Option<TcpIp>,
    /// CPU time of this process when the reading began. To ask the kernel about 10,000 sockets takes 10 ms, and lies in no window.
    pub cpu_before: CpuTime,
    /// The same when it was done.
    pub cpu_after: CpuTime,
    /// True when something had gone wrong.
    pub had_errors: bool,
    /// Event-loop lag since the mark before, or since the start.
    pub loop_lag: Histogram<u64>,
    /// Waits of clients for their turn, over the same time.
    pub turn_wait: Histogram<u64>,
    /// When it was read.
    pub at: Instant,
}

/// The bytes between two marks, by layer.
pub fn bytes(from: &Mark, to: &Mark, payload: usize) -> Bytes {
    let since = to.counters.since(from.counters);
    let payload = since.received * payload as u64;
    let tcp_ip = from.tcp_ip.zip(to.tcp_ip);
    Bytes {
        deliveries: since.received,
        received: Layers {
            payload,
            framing: since.bytes_received.saturating_sub(payload),
            tls: since.tls_received,
            tcp_ip: tcp_ip.map(|(from, to)| to.received - from.received),
        },
        sent: Layers {
            payload: 0,
            framing: since.bytes_sent,
            tls: since.tls_sent,
            tcp_ip: tcp_ip.map(|(from, to)| to.sent - from.sent),
        },
        whole_run: None,
    }
}

/// The bytes from the first connection to the end of the last.
pub fn whole_run(last: &Mark) -> WholeRun {
    let counters = &last.counters;
    WholeRun {
        received: Total {
            stream: counters.bytes_received + counters.tls_received,
            tcp_ip: last.tcp_ip.map(|bytes| bytes.received),
        },
        sent: Total { stream: counters.bytes_sent + counters.tls_sent, tcp_ip: last.tcp_ip.map(|bytes| bytes.sent) },
    }
}

/// Notifications accepted over the whole run, and those that were not, or not known to be.
pub fn accepted(report: &Report) -> (u64, u64) {
    let due: u64 = report.ends.iter().copied().map(u64::from).sum();
    let refused = report.refused.iter().map(|numbers| numbers.len() as u64).sum();
    (due - refused, refused)
}

/// The whole run as the generator counted it; `published` are notifications accepted and not known to be.
pub fn books(plan: &Plan, (published, unanswered): (u64, u64), to: &Mark, last: &Mark, interrupted: bool) -> Books {
    let counters = last.counters;
    // Who vanished is open here and, sooner or later, no longer there.
    let keeps_connections = plan.faults.is_empty() && (!plan.transport.is_poll() || plan.connection == Reuse::Reuse);
    Books {
        published,
        unanswered,
        deliveries: counters.received,
        bytes_received: counters.bytes_received,
        bytes_sent: counters.bytes_sent,
        opened: counters.opened,
        open_at_window_end: keeps_connections.then_some(to.counters.connections),
        was_disturbed: interrupted
            || counters.failed + counters.reconnected + counters.abandoned + counters.answers_ended > 0
            || last.had_errors,
    }
}

/// What the generator spent between two marks, in which it received `deliveries`.
pub fn generator_cost(
    setup: &Setup,
    from: &Mark,
    to: &Mark,
    deliveries: u64,
    rss_before: Option<u64>,
    rss_end: Option<u64>,
) -> GeneratorCost {
    let cpu = cpu_between(from, to);
    let cpu_s = cpu.total().as_secs_f64();
    let elapsed = to.at.saturating_duration_since(from.at).as_secs_f64();
    GeneratorCost {
        cpu_s,
        cpu_user_s: Some(cpu.user.as_secs_f64()),
        cpu_system_s: Some(cpu.system.as_secs_f64()),
        cpu_us_per_delivery: (deliveries > 0).then(|| cpu_s * 1e6 / deliveries as f64),
        cpu_share: cpu_s / (elapsed * setup.cores.of_generator() as f64).max(1e-9),
        rss_before_bytes: rss_before,
        rss_end_bytes: rss_end,
        rss_per_client_bytes: rss_per_client(rss_before, rss_end, setup.clients()),
        loop_lag: Percentiles::from(&to.loop_lag),
        turn_wait: setup.plan.takes_turns().then(|| Percentiles::from(&to.turn_wait)),
        threads: setup.threads,
        cpus: setup.cores.generator.clone(),
    }
}

/// CPU time of this process between two marks, what it took to read either of them left out.
fn cpu_between(from: &Mark, to: &Mark) -> CpuTime {
    to.cpu_before.since(from.cpu_after)
}

/// What was added per client, bytes; not known where either end is not.
fn rss_per_client(before: Option<u64>, end: Option<u64>, clients: u32) -> Option<f64> {
    Some((end? as f64 - before? as f64) / f64::from(clients))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use results::growing_histogram;

    use super::*;
    use crate::clock;

    /// A mark whose reading began and was done at so many milliseconds of CPU time.
    fn mark(before: u64, after: u64) -> Mark {
        let cpu = |ms| CpuTime { user: Duration::from_millis(ms), system: Duration::from_millis(2 * ms) };
        Mark {
            counters: Counters::default(),
            tcp_ip: None,
            cpu_before: cpu(before),
            cpu_after: cpu(after),
            had_errors: false,
            loop_lag: growing_histogram(),
            turn_wait: growing_histogram(),
            at: clock::now(),
        }
    }

    #[test]
    fn what_reading_the_marks_costs_lies_in_no_window() {
        let cpu = cpu_between(&mark(100, 110), &mark(150, 165));
        assert_eq!((cpu.user, cpu.system), (Duration::from_millis(40), Duration::from_millis(80)));
    }
}
