//! The table for people at the end of a run.

use std::fmt::Write;

use results::{Ending, Layers, Percentiles, Run};

use crate::numbers::{count, ratio, share, size, time_ns, time_us};

const NOT_MEASURED: &str = "not measured";

/// What a run says, the verdict first.
pub fn run_table(run: &Run) -> String {
    let mut out = String::new();
    write_head(&mut out, run);
    let measured = &run.measured;
    row(&mut out, "latency", &percentiles(&measured.latency));
    row(&mut out, "connect", &percentiles(&measured.connect));
    let d = &measured.deliveries;
    row(
        &mut out,
        "deliveries",
        &format!(
            "expected {}, delivered {}, lost {}, duplicated {}, reordered {}, late {}, gaps told {}",
            count(d.expected),
            count(d.delivered),
            count(d.lost),
            count(d.duplicated),
            count(d.reordered),
            count(d.late),
            count(d.gaps)
        ),
    );
    let p = &measured.published;
    row(
        &mut out,
        "published",
        &format!(
            "due {}, accepted {}, refused {}; send lag p99 {}, publish time p50 {} p99 {}",
            count(p.due),
            count(p.accepted),
            count(p.refused),
            time_ns(p.send_lag.p99_ns),
            time_ns(p.publish_time.p50_ns),
            time_ns(p.publish_time.p99_ns)
        ),
    );
    row(&mut out, "bytes", &bytes(run));
    row(&mut out, "connections", &connections(run));
    if let Some(polls) = &measured.polls {
        row(&mut out, "polls", &format!("answered {}, wasted {}", count(polls.answered), count(polls.wasted)));
    }
    row(&mut out, "server", &server(run));
    row(&mut out, "generator", &generator(run));
    for assertion in &run.assertions {
        let outcome = if assertion.holds { "holds" } else { "FAILED" };
        row(&mut out, "assert", &format!("{} {outcome}: {}", assertion.text, assertion.seen));
    }
    out
}

fn write_head(out: &mut String, run: &Run) {
    let _ = writeln!(out);
    if run.ending == Ending::Interrupted {
        let _ = writeln!(out, "INTERRUPTED: what follows was measured until then.");
    }
    if run.verdict.is_valid() {
        let _ = writeln!(out, "verdict valid");
    } else {
        let _ = writeln!(out, "INVALID MEASUREMENT: do not use these numbers.");
        for reason in &run.verdict.reasons {
            let _ = writeln!(out, "  {reason}");
        }
    }
    let asked = &run.asked;
    let _ = writeln!(
        out,
        "{}: {} clients, {} topic{}, {}/s of {} B for {} s ({})",
        asked.transport,
        count(asked.clients.into()),
        asked.topics,
        if asked.topics == 1 { "" } else { "s" },
        asked.rate_per_s,
        asked.payload_bytes,
        asked.duration_s,
        asked.arrival
    );
}

fn row(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "  {name:<12} {text}");
}

fn percentiles(p: &Percentiles) -> String {
    if p.count == 0 {
        return NOT_MEASURED.into();
    }
    let at = time_ns;
    format!(
        "p50 {}  p90 {}  p99 {}  p99.9 {}  max {}  (n = {})",
        at(p.p50_ns),
        at(p.p90_ns),
        at(p.p99_ns),
        at(p.p999_ns),
        at(p.max_ns),
        count(p.count)
    )
}

fn bytes(run: &Run) -> String {
    let bytes = &run.measured.bytes;
    let Some(total) = bytes.per_delivery() else { return NOT_MEASURED.into() };
    let each = |bytes_: u64| ratio(bytes_ as f64 / bytes.deliveries as f64);
    let layers = |layers: &Layers| {
        let tcp_ip = layers.tcp_ip.map_or_else(|| NOT_MEASURED.to_owned(), each);
        format!("payload {} + framing {} + TCP/IP {tcp_ip}", each(layers.payload), each(layers.framing))
    };
    let overhead =
        bytes.overhead_factor().map_or_else(|| NOT_MEASURED.to_owned(), |factor| format!("{}x", ratio(factor)));
    format!(
        "{} per delivery, overhead {overhead}; received {}; sent {}",
        size(total.round()),
        layers(&bytes.received),
        layers(&bytes.sent)
    )
}

fn connections(run: &Run) -> String {
    let c = &run.measured.connections;
    let errors: Vec<String> = c.errors.iter().map(|(kind, n)| format!("{kind} {}", count(*n))).collect();
    let errors = if errors.is_empty() { "none".to_owned() } else { errors.join(", ") };
    format!(
        "live {}/{} at the start, {} at the end; opened {}, failed {}, reconnected {}; errors: {errors}",
        count(c.live_at_start),
        count(c.asked),
        count(c.live_at_end),
        count(c.opened),
        count(c.failed),
        count(c.reconnected)
    )
}

fn server(run: &Run) -> String {
    let Some(server) = &run.measured.server else {
        return format!("{NOT_MEASURED}: it has no /stats of the feed's kind");
    };
    let by_process = server.cpu_by_process_s.map_or_else(String::new, |s| format!(", by /proc {s:.2} s"));
    format!(
        "CPU {} per delivery ({:.2} s{by_process}; idle {}); RSS {} per connection ({} idle), {} in all{}",
        server.cpu_us_per_delivery.map_or_else(|| NOT_MEASURED.into(), time_us),
        server.cpu_s,
        share(server.idle_cpu_share),
        size(server.rss_per_connection_bytes),
        size(server.rss_per_idle_connection_bytes),
        size(server.rss_end_bytes as f64),
        pinned(&server.cpus)
    )
}

fn generator(run: &Run) -> String {
    let g = &run.measured.generator;
    format!(
        "CPU {} per delivery ({} of its cores); RSS {} per client, {} in all; loop lag p99 {} max {}; {} worker{}{}",
        g.cpu_us_per_delivery.map_or_else(|| NOT_MEASURED.into(), time_us),
        share(g.cpu_share),
        size(g.rss_per_client_bytes),
        size(g.rss_end_bytes as f64),
        time_ns(g.loop_lag.p99_ns),
        time_ns(g.loop_lag.max_ns),
        g.workers,
        if g.workers == 1 { "" } else { "s" },
        pinned(&g.cpus)
    )
}

fn pinned(cpus: &[usize]) -> String {
    if cpus.is_empty() {
        return "; not pinned".into();
    }
    let cpus: Vec<String> = cpus.iter().map(ToString::to_string).collect();
    format!("; pinned to core {}", cpus.join(", "))
}
