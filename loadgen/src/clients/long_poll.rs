//! Long polling: ask, be answered when there is something to say, ask again at once.
//!
//! Price: a request and an answer per batch of notifications; what is published while the client asks again waits that long.

use feed::{Cursor, Transport};

use super::poll::Line;
use super::site::after;
use super::{Client, ClientError, Site};
use crate::plan::Reuse;
use crate::recording::Account;

/// A client that always has one poll waiting at the server.
#[derive(Debug)]
pub struct LongPoll {
    client: u32,
    line: Line,
    cursor: Option<Cursor>,
}

impl Client for LongPoll {
    /// The first poll does not wait: it brings the cursor, so that nothing published from then on is missed.
    async fn connect(
        site: &Site,
        client: u32,
        resume: Option<Cursor>,
        account: &mut Account,
    ) -> Result<Self, ClientError> {
        let mut this = Self { client, line: Line::new(client), cursor: resume };
        this.ask(site, account, 0.0).await?;
        Ok(this)
    }

    async fn receive(&mut self, site: &Site, account: &mut Account) -> Result<(), ClientError> {
        site.turns.turn(account.recorder()).await;
        self.ask(site, account, site.plan.wait.as_secs_f64()).await
    }

    fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    async fn close(self) {
        self.line.close().await;
    }
}

impl LongPoll {
    async fn ask(&mut self, site: &Site, account: &mut Account, wait_s: f64) -> Result<(), ClientError> {
        let mut query = after(self.cursor);
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&format!("wait={wait_s}"));
        let path = site.path(self.client, Transport::LongPoll, &query);
        let fields = if site.plan.connection == Reuse::Fresh { "Connection: close\r\n" } else { "" };
        let answer = self.line.ask(site, account, &site.get(&path, fields)).await?;
        self.cursor = answer.cursor.or(self.cursor);
        Ok(())
    }
}
