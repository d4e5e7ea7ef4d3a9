//! One notification feed, served over short polling, long polling, Server-Sent Events, WebSocket and Socket.IO.
//!
//! Walk it in this order: `accept` -> `connection` and `direct` -> `app` -> `guards` -> `publish` -> `brokers` -> `hub` and `window` ->
//! `transports` and `session`.

mod accept;
mod again;
mod answer;
mod app;
mod brokers;
mod clock;
mod config;
mod connection;
mod demo;
mod detour;
mod direct;
mod fanout;
mod guards;
mod hub;
#[doc(hidden)]
pub mod measured_window;
mod metrics;
mod outbox;
mod outlet;
mod page;
mod process;
mod publish;
mod refusal;
mod replies;
mod request;
mod rest;
mod session;
mod socket;
mod stats;
mod subscription;
mod takeover;
mod transports;
mod window;

use std::sync::Arc;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::sync::watch;
use tokio::time::timeout;

pub use crate::accept::{Listening, listen};
use crate::app::{App, app};
pub use crate::brokers::Choice as BrokerChoice;
pub use crate::config::Config;
use crate::connection::Lobby;
use crate::stats::Stats;

/// What hyper may keep of a request or an answer, bytes: the heads of this contract are a fraction of it.
const HTTP_BUFFER: usize = 16 << 10;

/// Serves until `shutdown`, then says goodbye to every reader and waits for them, at most `config.drain`.
pub async fn run(listening: Listening, config: Config, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let Listening { listener, connections_max, hub, broker } = listening;
    let inside = accept::Inside::new(connections_max);
    let stats = Arc::new(Stats::new());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(config.head_timeout).max_buf_size(HTTP_BUFFER);
    let workers = tokio::runtime::Handle::current().metrics().num_workers();
    let (drain, rate) = (config.drain, config.demo);
    let (idle, write_timeout) = (config.idle_timeout, config.write_timeout);
    let (close, closing) = watch::channel(false);
    let app_state =
        Arc::new(App { config, hub: hub.clone(), broker, stats: stats.clone(), workers, closing: closing.clone() });
    let demo = rate.map(|rate| tokio::spawn(demo::publish(app_state.clone(), rate)));
    let lobby = Arc::new(Lobby { http, router: app(app_state), closing, idle, write_timeout });

    accept::accept(listener, lobby, stats, inside.clone(), shutdown).await?;

    if let Some(demo) = demo {
        demo.abort();
    }
    hub.close();
    close.send_replace(true);
    if timeout(drain, inside.emptied()).await.is_err() {
        tracing::warn!(left = inside.count(), "connections were still open after --drain");
    }
    Ok(())
}
