//! A feed as most texts on axum build it: `tokio::sync::broadcast`, axum's own WebSocket and SSE, defaults everywhere.

mod publish;
mod sse;
mod topics;
mod ws;

use std::io;

use anyhow::Context;
use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use topics::Topics;

fn app() -> Router {
    Router::new()
        .route("/topics/{topic}", post(publish::publish))
        .route("/topics/{topic}/sse", get(sse::subscribe))
        .route("/topics/{topic}/ws", get(ws::subscribe))
        .with_state(Topics::default())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "0".into());
    let port: u16 = port.parse().with_context(|| format!("PORT is `{port}`: expected a port, or 0 for a free one"))?;
    let listener =
        TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("cannot listen on port {port}"))?;
    // Before anybody is told where it listens: who has read that may ask it to end at once.
    let signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
    println!("listening on http://{}", listener.local_addr()?);
    // Streams never end by themselves, so a graceful shutdown would wait for them: the process ends, and they with it.
    tokio::select! {
        served = async { axum::serve(listener, app()).await } => served.context("cannot serve"),
        () = stopped(signals) => Ok(()),
    }
}

/// Returns on SIGTERM, on Ctrl-c, and when standard input ends: whoever started this is gone then.
async fn stopped([mut terminate, mut interrupt]: [Signal; 2]) {
    let (ended, input_ended) = oneshot::channel();
    // A thread of its own: the runtime would wait at its end for one of tokio's that reads still.
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = ended.send(());
    });
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = input_ended => {}
    }
}
