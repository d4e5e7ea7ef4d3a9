//! Short polling: ask every so often, be answered at once.
//!
//! Price: a request and an answer per interval and client, news or no news; a notification waits half the interval on average.

use std::time::Duration;

use rand::RngExt;

use super::poll::Line;
use super::{Client, ClientError, Resume, Site};
use crate::clock;
use crate::recording::Account;
use crate::target::Live;

/// A client that asks every `--poll-interval`.
#[derive(Debug)]
pub struct ShortPoll {
    line: Line,
    /// When the next poll is due. Clients start at random points of the interval and keep to their own grid.
    next: std::time::Instant,
}

impl Client for ShortPoll {
    async fn connect(site: &Site, client: u32, resume: Resume, account: &mut Account) -> Result<Self, ClientError> {
        let phase: f64 = site.plan.client_rng(client).random();
        let mut line = Line::new(client, resume);
        if site.subscription().live == Live::Request {
            line.send(site, account, Duration::ZERO).await?;
        } else {
            line.ask_until_let_in(site, account, site.plan.poll_interval).await?;
        }
        Ok(Self { line, next: clock::now() + site.plan.poll_interval.mul_f64(phase) })
    }

    async fn receive(&mut self, site: &Site, account: &mut Account) -> Result<(), ClientError> {
        let mut has_more = if self.line.is_asking() {
            self.line.answer(site, account).await?
        } else {
            clock::sleep_until(self.next).await;
            // Polls that could not be made in time are left out, not made up for.
            let behind = clock::now().saturating_duration_since(self.next);
            let interval = site.plan.poll_interval.max(Duration::from_micros(1));
            let missed = behind.as_nanos() / interval.as_nanos();
            self.next += interval * (u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1);
            self.line.ask(site, account, Duration::ZERO).await?
        };
        while has_more {
            has_more = self.line.ask(site, account, Duration::ZERO).await?;
        }
        Ok(())
    }

    fn resume(&self) -> Resume {
        self.line.resume.clone()
    }

    async fn close(self) {
        self.line.close_after_answer().await;
    }
}
