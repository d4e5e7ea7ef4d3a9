//! Everything that the server answers to, and every guard before it, on one screen.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::brokers::Broker;
use crate::config::Config;
use crate::drain::Closing;
use crate::hub::Hub;
use crate::stats::Stats;
use crate::{guards, page, process, publish, transports};

/// What handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) hub: Arc<Hub>,
    pub(crate) broker: Broker,
    pub(crate) stats: Arc<Stats>,
    pub(crate) workers: usize,
    /// Says when the server stops.
    pub(crate) closing: Closing,
}

/// All routes and guards.
pub(crate) fn app(state: Arc<App>) -> Router {
    Router::new()
        .merge(publish::routes())
        .merge(transports::short_poll::routes())
        .merge(transports::long_poll::routes())
        .merge(transports::sse::routes())
        .merge(transports::ws::routes())
        .merge(transports::echo::routes(&state.config))
        .merge(transports::socketio::routes(&state))
        .route("/stats", get(process::stats))
        .route("/metrics", get(process::metrics))
        .route("/healthz", get(process::healthz))
        .route("/readyz", get(process::readyz))
        .route("/", get(page::page))
        .fallback(guards::routes::not_found)
        .method_not_allowed_fallback(guards::routes::method_not_allowed)
        .with_state(state)
}
