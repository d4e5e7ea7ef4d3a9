//! One notification feed, served over short polling, long polling, Server-Sent Events, WebSocket and Socket.IO.
//!
//! Walk it in this order: `accept` -> `connection` and `direct` -> `entrance` and `app` -> `guards` -> `publish` -> `brokers` -> `hub` and `window` ->
//! `transports` and `session`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

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
mod drain;
mod entrance;
mod fanout;
#[doc(hidden)]
pub mod fuzzed_request;
mod guards;
mod http2;
mod hub;
mod keys;
mod last_event_id;
mod line;
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
mod standing;
mod stats;
mod subscription;
mod takeover;
mod tls;
mod transports;
mod window;

use std::sync::Arc;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::time::timeout;

use crate::accept::Door;
pub use crate::accept::{Listening, listen};
use crate::app::{App, app};
pub use crate::brokers::Choice as BrokerChoice;
pub use crate::config::{Config, LogFormat};
use crate::connection::Lobby;
use crate::drain::{Closing, Departures};
use crate::guards::addresses::Addresses;
pub use crate::guards::origin::AllowedOrigin;
use crate::guards::origin::Origins;
use crate::stats::Stats;
pub use crate::tls::TlsArgs;

/// Serves until `shutdown`, then lets nobody in, says goodbye to every reader at an instant of its own, and returns when all have gone:
/// within `config.drain`, whatever they do.
pub async fn run(listening: Listening, config: Config, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let Listening { listener, porter, connections_max, keys, hub, broker } = listening;
    let inside = accept::Inside::new(connections_max);
    let stats = Arc::new(Stats::new());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(config.head_timeout).max_buf_size(config.head_max);
    let workers = tokio::runtime::Handle::current().metrics().num_workers();
    let (drain, rate) = (config.drain, config.demo);
    let (idle, write_timeout, head_max) = (config.idle_timeout, config.write_timeout, config.head_max);
    let http2 = http2::builder(&config);
    let (close, closing) = Closing::channel();
    let addresses = Addresses::new(config.connections_per_address, config.requests());
    let app_state = Arc::new(App {
        origins: Origins::new(&config.allow_origin),
        addresses: addresses.clone(),
        keys,
        config,
        hub: hub.clone(),
        broker,
        stats: stats.clone(),
        workers,
        closing: closing.clone(),
    });
    let demo = rate.map(|rate| tokio::spawn(demo::publish(app_state.clone(), rate)));
    let lobby = Arc::new(Lobby { http, http2, entrance: app(app_state), closing, idle, write_timeout, head_max });

    accept::accept(Door { listener, porter }, lobby, stats, inside.clone(), addresses, shutdown).await?;

    let departures = Departures::within(drain);
    hub.close(departures);
    close.send_replace(Some(departures));
    if timeout(drain, inside.emptied()).await.is_err() {
        tracing::warn!(left = inside.count(), "connections were still open after --drain");
    }
    if let Some(demo) = demo {
        demo.abort();
    }
    Ok(())
}
