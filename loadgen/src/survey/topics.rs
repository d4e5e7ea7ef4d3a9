//! Whether a server keeps topics apart: a client of one topic listens while something is published on another.

use std::sync::Arc;

use super::listener::Listener;
use super::{CURIOSITY, PATIENCE, plan};
use crate::clients::Client;
use crate::plan::Plan;
use crate::publisher::Channels;
use crate::target::Target;

/// What became of a notification where two topics were subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topics {
    /// It came to its own topic's client alone.
    Apart,
    /// It came to the other topic's client.
    Mixed,
    /// The target has one topic for all, or its notification did not come back.
    NotTried,
}

/// Tries two topics, where the target tells them apart.
pub(super) async fn topics<C: Client>(alone: &Plan, target: &Target) -> anyhow::Result<Topics> {
    let has_token = target.secret().is_some();
    if target.file.ready(alone.transport, 2, has_token).is_err() {
        return Ok(Topics::NotTried);
    }
    let plan = Arc::new(plan(alone.transport, 2, alone.socketio)?);
    // Clients take topics in turn, and the first topic is the one that is published on.
    let (mut own, mut other) = (Listener::new(&plan, target, 0), Listener::new(&plan, target, 1));
    let (one, two) = match (own.connect::<C>(PATIENCE).await, other.connect::<C>(PATIENCE).await) {
        (Ok((one, _)), Ok((two, _))) => (one, two),
        (one, two) => {
            for (client, _) in [one, two].into_iter().flatten() {
                client.close().await;
            }
            return Ok(Topics::NotTried);
        }
    };
    let (mut one, mut two) = (one, two);
    let channels = Channels::open(&plan, target, Arc::default(), Arc::default(), PATIENCE)
        .await
        .map_err(|error| target.told(&error))?;
    let (_, (), misdelivered) = tokio::join!(
        channels.publish_one(&plan, 0, PATIENCE),
        own.hear(&mut one, 1, PATIENCE),
        other.misdelivered(&mut two, CURIOSITY)
    );
    one.close().await;
    two.close().await;
    channels.await_answers().await;
    Ok(match (misdelivered, own.heard()) {
        (1.., _) => Topics::Mixed,
        (0, 0) => Topics::NotTried,
        (0, 1..) => Topics::Apart,
    })
}
