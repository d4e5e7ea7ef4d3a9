//! Short polling: ask every so often, be answered at once.
//!
//! Price: a request and an answer per interval and client, news or no news; a notification waits half the interval on average.

use std::time::Duration;

use feed::{Cursor, Transport};
use rand::RngExt;

use super::poll::Line;
use super::site::after;
use super::{Client, ClientError, Site};
use crate::clock;
use crate::plan::Reuse;
use crate::recording::Account;

/// A client that asks every `--poll-interval`.
#[derive(Debug)]
pub struct ShortPoll {
    client: u32,
    line: Line,
    cursor: Option<Cursor>,
    /// When the next poll is due. Clients start at random points of the interval and keep to their own grid.
    next: std::time::Instant,
}

impl Client for ShortPoll {
    async fn connect(
        site: &Site,
        client: u32,
        resume: Option<Cursor>,
        account: &mut Account,
    ) -> Result<Self, ClientError> {
        let phase: f64 = site.plan.client_rng(client).random();
        let mut this = Self { client, line: Line::new(client), cursor: resume, next: clock::now() };
        this.ask(site, account).await?;
        this.next = clock::now() + site.plan.poll_interval.mul_f64(phase);
        Ok(this)
    }

    async fn receive(&mut self, site: &Site, account: &mut Account) -> Result<(), ClientError> {
        clock::sleep_until(self.next).await;
        // Polls that could not be made in time are left out, not made up for.
        let behind = clock::now().saturating_duration_since(self.next);
        let interval = site.plan.poll_interval.max(Duration::from_micros(1));
        let missed = behind.as_nanos() / interval.as_nanos();
        self.next += interval * (u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1);
        while self.ask(site, account).await? {}
        Ok(())
    }

    fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    async fn close(self) {
        self.line.close_after_answer().await;
    }
}

impl ShortPoll {
    /// One poll; true when the server has more to say at once.
    async fn ask(&mut self, site: &Site, account: &mut Account) -> Result<bool, ClientError> {
        let path = site.path(self.client, Transport::ShortPoll, &after(self.cursor));
        let mut fields = String::new();
        if let Some(cursor) = self.cursor {
            fields = format!("If-None-Match: \"{cursor}\"\r\n");
        }
        if site.plan.connection == Reuse::Fresh {
            fields.push_str("Connection: close\r\n");
        }
        let answer = self.line.ask(site, account, &site.get(&path, &fields)).await?;
        self.cursor = answer.cursor.or(self.cursor);
        Ok(answer.has_more)
    }
}
