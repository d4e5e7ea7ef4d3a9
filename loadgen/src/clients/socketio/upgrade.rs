//! Moving a session from polling to WebSocket: try the WebSocket beside the polls, let the held poll go, then change over.

use std::pin::pin;
use std::time::Duration;

use super::super::{ClientError, Site};
use super::conversation::Conversation;
use super::polling::Polling;
use super::rendezvous::Rendezvous;
use super::socket::Socket;
use crate::recording::Account;

/// Longest wait for the WebSocket to open and answer its probe; then the session stays where it is.
const PROBE_PATIENCE: Duration = Duration::from_secs(3);

/// The kinds of error under which a session that stays with polling is counted.
const NOT_OFFERED: &str = "upgrade-not-offered";
const REFUSED: &str = "upgrade-refused";
const TOO_LATE: &str = "upgrade-timeout";

/// A WebSocket that carries the session from now on; or, where the server does not want that, under what it is counted.
pub(super) async fn upgrade(
    polling: &mut Polling,
    site: &Site,
    client: u32,
    rendezvous: &Rendezvous,
    account: &mut Account,
    conversation: &mut Conversation,
) -> Result<Result<Socket, &'static str>, ClientError> {
    let handshake = conversation.handshake().filter(|handshake| handshake.upgrades.iter().any(|to| to == "websocket"));
    let Some(sid) = handshake.map(|handshake| handshake.sid.clone()) else { return Ok(Err(NOT_OFFERED)) };
    let opened = tokio::time::timeout(PROBE_PATIENCE, Socket::open(site, client, rendezvous, Some(&sid), account));
    let mut socket = match opened.await {
        Ok(Ok(socket)) => socket,
        Ok(Err(ClientError::Io(error))) => return Err(error.into()),
        Ok(Err(_)) => return Ok(Err(REFUSED)),
        Err(_) => return Ok(Err(TOO_LATE)),
    };
    // The server lets the held poll go when it has seen the probe; what comes until then is heard as ever.
    let probed = {
        let mut probe = pin!(tokio::time::timeout(PROBE_PATIENCE, socket.probe()));
        loop {
            tokio::select! {
                biased;
                probed = &mut probe => break probed,
                heard = polling.receive(site, account, conversation) => heard?,
            }
        }
    };
    match probed {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Ok(Err(REFUSED)),
        Err(_) => return Ok(Err(TOO_LATE)),
    }
    polling.finish(account, conversation).await?;
    socket.take_over().await?;
    Ok(Ok(socket))
}
