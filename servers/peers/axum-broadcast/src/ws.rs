//! WebSocket by axum's `ws` feature, with tungstenite's defaults: a read buffer of 128 KiB a connection, for one.

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::topics::Topics;

/// Subscribes before the handshake is answered, so that nothing published after the answer is missed.
pub async fn subscribe(Path(topic): Path<String>, State(topics): State<Topics>, upgrade: WebSocketUpgrade) -> Response {
    let Some(channel) = topics.channel(&topic) else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let messages = channel.subscribe();
    upgrade.on_upgrade(|socket| deliver(socket, messages))
}

/// Sends what comes until the client goes. What it says is read, for pings and the close, and otherwise ignored.
async fn deliver(mut socket: WebSocket, mut messages: Receiver<String>) {
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => {
                    if socket.send(Message::Text(message.into())).await.is_err() {
                        return;
                    }
                }
                // The naive server goes on as if nothing had been; see the README.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            said = socket.recv() => if !matches!(said, Some(Ok(_))) { return },
        }
    }
}
