//! What the server says about itself: `/stats` for a generator, `/metrics` for Prometheus, `/healthz` for a balancer.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::Json;
use axum::extract::State;
use feed::ServerStats;
use http::header::CONTENT_TYPE;

use crate::app::App;
use crate::clock;
use crate::metrics;
use crate::stats::Kind;

/// `GET /stats`.
pub(crate) async fn stats(State(app): State<Arc<App>>) -> Json<ServerStats> {
    Json(collect(&app))
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> ([(http::HeaderName, &'static str); 1], String) {
    let ignored = app.stats.ignored(Kind::Ws);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::write(&collect(&app), ignored))
}

/// `GET /healthz`: who answers, is healthy.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

fn collect(app: &App) -> ServerStats {
    let (cpu_s, rss_bytes) = process();
    ServerStats {
        server: concat!("feed-server ", env!("CARGO_PKG_VERSION")).to_owned(),
        pid: std::process::id(),
        uptime_s: (clock::now() - app.stats.started).as_secs_f64(),
        workers: app.workers as u32,
        allocator: "system".to_owned(),
        cpu_s,
        rss_bytes,
        topics: app.hub.topics() as u64,
        published: app.stats.published.load(Relaxed),
        refused: app.stats.refused.load(Relaxed),
        connections: Kind::ALL.into_iter().map(|kind| (kind.name().to_owned(), app.stats.connections(kind))).collect(),
    }
}

/// CPU seconds and resident bytes of this process, from /proc; zeros where there is none.
fn process() -> (f64, u64) {
    let cpu = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_ticks(&stat)).unwrap_or_default();
    let pages: u64 = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split(' ').nth(1)?.parse().ok())
        .unwrap_or_default();
    (cpu as f64 / rustix::param::clock_ticks_per_second() as f64, pages * rustix::param::page_size() as u64)
}

/// User and system time: fields 14 and 15 of `proc(5)` stat, counted after the name, which may hold spaces.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_name_with_spaces() {
        assert_eq!(cpu_ticks("42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14"), Some(11 + 12));
    }

    #[test]
    fn this_process_has_memory() {
        assert!(process().1 > 1 << 20);
    }
}
