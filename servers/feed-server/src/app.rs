//! Everything that the server answers to, and every guard before it, on one screen.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;

use crate::brokers::Broker;
use crate::config::Config;
use crate::drain::Closing;
use crate::entrance::Entrance;
use crate::guards::addresses::Addresses;
use crate::guards::keys::Keys;
use crate::guards::origin::Origins;
use crate::hub::Hub;
use crate::refusal::Refusal;
use crate::stats::Stats;
use crate::{guards, page, process, publish, transports};

/// What handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) hub: Arc<Hub>,
    pub(crate) broker: Broker,
    pub(crate) stats: Arc<Stats>,
    pub(crate) origins: Origins,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) keys: Option<Keys>,
    pub(crate) workers: usize,
    /// Says when the server stops.
    pub(crate) closing: Closing,
}

/// What every request goes through before its route, in this order: whose page asks (`guards/origin.rs`), then the guards here.
/// Connections met `guards/connections.rs` and `guards/addresses.rs` at the door; bodies, heads, messages and
/// topics are bounded where they are read.
pub(crate) fn admit(app: &App, request: &mut Request<Body>) -> Result<(), Refusal> {
    guards::requests::admit(&app.addresses, request)?;
    guards::token::admit(app.keys.as_ref(), request)
}

/// All routes, and the way in to them.
pub(crate) fn app(state: Arc<App>) -> Entrance {
    let routes = Router::new()
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
        .with_state(state.clone());
    Entrance::new(state, routes)
}
