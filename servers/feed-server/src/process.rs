//! What the server says about itself: `/stats` for a generator, `/metrics` for Prometheus, `/healthz` and `/readyz` for a balancer.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::Json;
use axum::extract::State;
use feed::ServerStats;
use http::header::CONTENT_TYPE;
use rustix::process::{Resource, getrlimit};

use crate::app::App;
use crate::clock;
use crate::metrics::{self, Beside};
use crate::refusal::Refusal;
use crate::stats::Kind;

/// `GET /stats`.
pub(crate) async fn stats(State(app): State<Arc<App>>) -> Json<ServerStats> {
    Json(collect(&app))
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> ([(http::HeaderName, &'static str); 1], String) {
    let beside = Beside {
        ignored: app.stats.ignored(Kind::Ws),
        is_draining: app.closing.has_begun(),
        open_fds: fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64),
        max_fds: getrlimit(Resource::Nofile).current,
        started_s: clock::unix_us() as f64 / 1e6 - (clock::now() - app.stats.started).as_secs_f64(),
    };
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::write(&collect(&app), &beside))
}

/// `GET /healthz`: who answers, is healthy, whatever the broker does.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: whether publishing works now, and why not.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Refusal> {
    Ok(app.broker.ready().await.map(|()| "ready\n")?)
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
        repeated: app.stats.repeated.load(Relaxed),
        refused: app.stats.refused.load(Relaxed),
        refusals: app.stats.refusals.by_name(),
        broker: app.broker.stats(),
        connections: Kind::ALL.into_iter().map(|kind| (kind.name().to_owned(), app.stats.connections(kind))).collect(),
    }
}

/// CPU seconds, user and system of all threads, and resident bytes of this process; zero bytes where there is no /proc.
///
/// The clock tells nanoseconds; /proc would tell hundredths of a second, a tenth of what a small run costs.
fn process() -> (f64, u64) {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let pages: u64 = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split(' ').nth(1)?.parse().ok())
        .unwrap_or_default();
    (cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9, pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_takes_time() {
        let (cpu_s, rss_bytes) = process();
        assert!(rss_bytes > 1 << 20 && cpu_s > 0.0);
    }
}
