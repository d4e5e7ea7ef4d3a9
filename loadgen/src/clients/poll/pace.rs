//! When the next poll may follow, and what comes before it: nothing that arrives without an outstanding request is an answer (RFC 9112, section 9.2).
//!
//! What arrives once the next request is sent cannot be told from its answer: HTTP/1.1 numbers neither. It shows by what follows. A held
//! poll that is answered at once with nothing new may have been answered with what belonged to the one before, and then each answer
//! is followed by another that was not asked for; so the client listens for a while before it asks again, then and after the next answer.

use std::time::{Duration, Instant};

use super::Line;
use crate::clock;
use crate::reconnection::RETRY_AT_ONCE;
use crate::recording::Account;
use crate::wire::Connection;

/// How long a client listens behind an answer, before it asks again on a connection that may be out of step.
const LISTENING: Duration = Duration::from_millis(50);

/// When the next poll may be sent.
#[derive(Debug, Default)]
pub(super) struct Pace {
    asked: Option<Instant>,
    /// An answer without news that comes sooner than this was not held.
    shortest: Duration,
    /// The next poll is not sent before this.
    until: Option<Instant>,
    /// True when the answer that came last may have belonged to the request before.
    is_doubtful: bool,
}

impl Pace {
    /// A poll is sent that the server may hold for as long as `wait`.
    pub(super) fn asks(&mut self, wait: Duration) {
        (self.asked, self.until) = (Some(clock::now()), None);
        self.shortest = RETRY_AT_ONCE.min(wait / 2);
    }

    /// It is answered, with something that the client had not received before if it `brought_news`.
    pub(super) fn is_answered(&mut self, brought_news: bool) {
        let Some(asked) = self.asked.take() else { return };
        let now = clock::now();
        if !brought_news && now.saturating_duration_since(asked) < self.shortest {
            (self.is_doubtful, self.until) = (true, Some(asked + self.shortest));
        } else if brought_news && std::mem::take(&mut self.is_doubtful) {
            self.until = Some(now + LISTENING);
        }
    }

    /// The next answer is certainly that to the next request: it goes out on a new connection.
    pub(super) fn is_in_step(&mut self) {
        self.is_doubtful = false;
    }
}

impl Line {
    /// True when the next request is not to be sent yet: see [`rest`](Self::rest).
    pub(in crate::clients) fn is_to_rest(&self) -> bool {
        self.pace.until.is_some()
    }

    /// Waits until the next request may be sent. Cancelling it loses nothing.
    pub(in crate::clients) async fn rest(&mut self, account: &Account) {
        while let Some(until) = self.pace.until {
            let came = match &mut self.connection {
                Some(connection) => tokio::time::timeout_at(until.into(), connection.take_in()).await.ok(),
                None => Some(Ok(false)),
            };
            match came {
                Some(Ok(true)) => self.drop_unasked(account),
                // That the server has ended the connection is found out by the next request.
                Some(Ok(false) | Err(_)) => clock::sleep_until(until).await,
                None => {}
            }
            if clock::now() >= until {
                self.pace.until = None;
            }
        }
    }

    /// Gives up a connection on which the server has sent what no request is outstanding for; that is counted.
    pub(super) fn drop_unasked(&mut self, account: &Account) {
        let unasked = self.connection.as_mut().and_then(Connection::take_unasked);
        account.recorder().record_unasked(unasked);
        if unasked.is_some() {
            self.give_up();
        }
    }
}
