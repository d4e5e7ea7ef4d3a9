//! The Prometheus text format, version 0.0.4: the numbers of `/stats` under conventional names and in base units.

use std::fmt::{Display, Write};

use feed::{ConnectionStats, ServerStats};

/// What `/stats` does not say.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// WebSocket messages of clients that were ignored by rule.
    pub(crate) ignored: u64,
    /// True while connections are sent away because the server stops.
    pub(crate) is_draining: bool,
    /// Files that are open, and that may be; `None` where nobody tells.
    pub(crate) open_fds: Option<u64>,
    pub(crate) max_fds: Option<u64>,
    /// When the server started, seconds since the Unix epoch.
    pub(crate) started_s: f64,
}

/// Writes every metric.
pub(crate) fn write(stats: &ServerStats, beside: &Beside) -> String {
    let mut out = String::with_capacity(8 << 10);
    let mut single = |name, kind, help, value: &dyn Display| {
        header(&mut out, name, kind, help);
        let _ = writeln!(out, "{name} {value}");
    };
    single("process_cpu_seconds_total", "counter", "User and system CPU time.", &stats.cpu_s);
    single("process_resident_memory_bytes", "gauge", "Resident memory.", &stats.rss_bytes);
    single("process_start_time_seconds", "gauge", "When the server started, since the Unix epoch.", &beside.started_s);
    if let Some(open) = &beside.open_fds {
        single("process_open_fds", "gauge", "Open file descriptors.", open);
    }
    if let Some(max) = &beside.max_fds {
        single("process_max_fds", "gauge", "File descriptors that may be open.", max);
    }
    single("feed_draining", "gauge", "1 while the server stops.", &u8::from(beside.is_draining));
    single("feed_uptime_seconds", "gauge", "Time since the server started.", &stats.uptime_s);
    single("feed_workers", "gauge", "Threads that serve connections.", &stats.workers);
    single("feed_topics", "gauge", "Topics that have a log.", &stats.topics);
    single("feed_published_total", "counter", "Notifications accepted.", &stats.published);
    single("feed_publish_repeated_total", "counter", "Publishing requests that repeated one.", &stats.repeated);
    single("feed_publish_refused_total", "counter", "Publishing requests refused.", &stats.refused);
    single("feed_client_messages_ignored_total", "counter", "WebSocket messages ignored by rule.", &beside.ignored);
    let connected = u8::from(stats.broker.connected);
    single("feed_broker_connected", "gauge", "1 while publishing would work.", &connected);
    single(
        "feed_broker_reconnects_total",
        "counter",
        "Connections to the broker made again.",
        &stats.broker.reconnects,
    );
    single("feed_broker_errors_total", "counter", "Requests to the broker that failed.", &stats.broker.errors);

    header(&mut out, "feed_refusals_total", "counter", "Requests and connections that a guard refused.");
    for (guard, count) in &stats.refusals {
        let _ = writeln!(out, "feed_refusals_total{{guard=\"{guard}\"}} {count}");
    }

    let mut family = |name, kind, help, value: fn(&ConnectionStats) -> u64| {
        header(&mut out, name, kind, help);
        for (carried, connections) in &stats.connections {
            let _ = writeln!(out, "{name}{{transport=\"{carried}\"}} {}", value(connections));
        }
    };
    family("feed_connections", "gauge", "Connections open now.", |c| c.open);
    family("feed_connections_opened_total", "counter", "Connections opened.", |c| c.opened);
    family("feed_delivered_total", "counter", "Notifications written to sockets.", |c| c.delivered);
    family("feed_polls_answered_total", "counter", "Polls answered.", |c| c.answered);
    family("feed_polls_empty_total", "counter", "Polls answered with nothing.", |c| c.empty);
    family("feed_gaps_total", "counter", "Gaps told.", |c| c.gaps);
    family("feed_read_bytes_total", "counter", "Stream bytes read.", |c| c.bytes_read);
    family("feed_written_bytes_total", "counter", "Stream bytes written.", |c| c.bytes_written);

    header(&mut out, "feed_ended_total", "counter", "Connections or streams ended by the server.");
    for (carried, connections) in &stats.connections {
        for (reason, count) in &connections.ended {
            let _ = writeln!(out, "feed_ended_total{{transport=\"{carried}\",reason=\"{reason}\"}} {count}");
        }
    }
    out
}

fn header(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_help_and_type() {
        let mut stats = ServerStats::default();
        stats.refusals.insert("origin".to_owned(), 4);
        let ended = [("shutdown".to_owned(), 3)].into();
        stats.connections.insert("ws".to_owned(), ConnectionStats { open: 2, ended, ..Default::default() });
        let text = write(&stats, &Beside::default());
        assert!(text.contains("feed_refusals_total{guard=\"origin\"} 4\n"));
        assert!(text.contains("feed_connections{transport=\"ws\"} 2\n"));
        assert!(text.contains("feed_ended_total{transport=\"ws\",reason=\"shutdown\"} 3\n"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(text.contains(&format!("# HELP {name} ")) && text.contains(&format!("# TYPE {name} ")), "{name}");
        }
    }
}
