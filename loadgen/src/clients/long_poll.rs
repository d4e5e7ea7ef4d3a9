//! Long polling: ask, be answered when there is something to say, ask again at once.
//!
//! Price: a request and an answer per batch of notifications; what is published while the client asks again waits that long.

use std::time::Duration;

use super::poll::Line;
use super::{Client, ClientError, Resume, Site};
use crate::recording::Account;
use crate::target::Live;

/// A client that always has one poll waiting at the server.
#[derive(Debug)]
pub struct LongPoll {
    line: Line,
}

impl Client for LongPoll {
    /// The first poll does not wait: it brings the cursor, so that nothing published from then on is missed. At a server that
    /// holds the first one, too, the client is live when it is sent.
    async fn connect(site: &Site, client: u32, resume: Resume, account: &mut Account) -> Result<Self, ClientError> {
        let mut line = Line::new(client, resume);
        if site.subscription().live == Live::Request {
            line.send(site, account, site.plan.wait).await?;
        } else {
            line.ask(site, account, Duration::ZERO).await?;
        }
        Ok(Self { line })
    }

    async fn receive(&mut self, site: &Site, account: &mut Account) -> Result<(), ClientError> {
        if !self.line.is_asking() {
            site.turns.turn(account.recorder()).await;
            self.line.send(site, account, site.plan.wait).await?;
        }
        self.line.answer(site, account).await.map(drop)
    }

    fn resume(&self) -> Resume {
        self.line.resume.clone()
    }

    async fn close(self) {
        self.line.close().await;
    }
}
