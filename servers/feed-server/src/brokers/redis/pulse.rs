//! Whether the connections are still of use: asked every second, and told by Sentinels.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::ANSWER;
use super::dial::within;
use super::lines::Lines;
use super::link::Link;
use super::run;
use crate::clock;

/// How often both connections are asked whether they still stand: a machine that is gone says nothing.
const PULSE: Duration = Duration::from_secs(1);
/// How often Sentinels are asked where the primary is, though they would tell: what they told may have been missed.
const ASK: Duration = Duration::from_secs(5);

impl Link {
    /// Asks both connections from time to time; returns when one does not answer, or leads to a replica.
    pub(super) async fn feel_pulse(&self, lines: &Lines) -> String {
        let (mut commands, mut listening) = (lines.commands.clone(), lines.listening.clone());
        loop {
            sleep(PULSE).await;
            let asked = clock::now();
            let ask = async {
                run::still_primary(&mut commands).await?;
                listening.ping::<redis::Value>().await
            };
            if let Err(error) = within(ANSWER, ask).await {
                return error.to_string();
            }
            if let Some(seen) = &mut *self.seen.write().unwrap_or_else(PoisonError::into_inner) {
                seen.at = asked;
            }
        }
    }

    /// Waits until the primary is elsewhere; where.
    pub(super) async fn moved(&self, lines: &Lines) -> SocketAddr {
        let Some(sentinels) = self.address.sentinels() else { return self.renamed(lines).await };
        loop {
            let mut switched = std::pin::pin!(sentinels.switched());
            let (mut is_told, mut patience) = (false, PULSE);
            while !is_told {
                is_told = timeout(patience, &mut switched).await.is_ok();
                if let Some(other) = self.elsewhere(lines.address).await {
                    return other;
                }
                patience = ASK;
            }
            // None can be listened to, or it was nothing after all.
            sleep(PULSE).await;
        }
    }

    /// Waits until the name leads elsewhere, which is looked at only while Redis refuses writes: DNS is not to be asked all the time.
    async fn renamed(&self, lines: &Lines) -> SocketAddr {
        loop {
            sleep(PULSE).await;
            if lines.refuses()
                && let Some(other) = self.elsewhere(lines.address).await
            {
                return other;
            }
        }
    }

    /// Where the primary is by now, if that is elsewhere. Who cannot be asked knows of nothing else.
    pub(super) async fn elsewhere(&self, address: SocketAddr) -> Option<SocketAddr> {
        let addresses = within(ANSWER, self.address.resolve()).await.ok()?;
        if addresses.contains(&address) { None } else { addresses.first().copied() }
    }
}
