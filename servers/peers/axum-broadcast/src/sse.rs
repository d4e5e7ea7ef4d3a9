//! Server-Sent Events by axum's `Event`, which formats every event anew for every reader.

use std::convert::Infallible;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::topics::Topics;

/// A stream of what is published from now on.
pub async fn subscribe(
    Path(topic): Path<String>,
    State(topics): State<Topics>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, StatusCode> {
    let channel = topics.channel(&topic).ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Sse::new(stream::unfold(channel.subscribe(), next)).keep_alive(KeepAlive::default()))
}

/// The next event, passing over what was lost: the naive server goes on as if nothing had been; see the README.
async fn next(mut messages: Receiver<String>) -> Option<(Result<Event, Infallible>, Receiver<String>)> {
    loop {
        match messages.recv().await {
            Ok(message) => return Some((Ok(Event::default().data(message)), messages)),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
