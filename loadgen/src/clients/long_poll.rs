//! Long polling: ask, be answered when there is something to say, ask again at once.
//!
//! Price: a request and an answer per batch of notifications; what is published while the client asks again waits that long.

use std::io;
use std::rc::Rc;

use super::poll::Line;
use super::{Client, ClientError, Left, Listener, Resume, Site, Stopped, listen_alone};
use crate::plan::Reuse;
use crate::reading_room::{Reading, Wish};
use crate::recording::Account;
use crate::target::Live;
use crate::wire::Connection;

/// A client that always has one poll waiting at the server.
#[derive(Debug)]
pub struct LongPoll {
    line: Line,
}

/// The same in the reading room, where answers are entered as they come and the next question is sent from its seat. What is not
/// usual has it leave for a task of its own: a connection that ends, and what it takes to have another.
struct Seated {
    line: Line,
    site: Rc<Site>,
    /// No other request follows on the connection after the answer that has come.
    hangs_up: bool,
    /// The next answer is to be read in the task.
    reads_alone: bool,
    /// The socket has failed, of which the task is to make what it can.
    has_failed: Option<io::Error>,
}

impl Client for LongPoll {
    /// The first poll does not wait: it brings the cursor, so that nothing published from then on is missed. At a server that
    /// holds the first one, too, the client is live when it is sent.
    async fn connect(site: &Site, client: u32, resume: Resume, account: &mut Account) -> Result<Self, ClientError> {
        let mut line = Line::new(client, resume);
        if site.subscription().live == Live::Request {
            line.send(site, account, site.plan.wait).await?;
        } else {
            line.ask_until_let_in(site, account, site.plan.poll_interval).await?;
        }
        Ok(Self { line })
    }

    async fn receive(&mut self, site: &Site, account: &mut Account) -> Result<(), ClientError> {
        if !self.line.is_asking() {
            self.line.rest(account).await;
            site.turns.turn(account.recorder()).await;
            self.line.send(site, account, site.plan.wait).await?;
        }
        self.line.answer(site, account).await.map(drop)
    }

    async fn listen(self: Box<Self>, listener: Listener<'_>, stopped: Stopped<'_>) -> Left<Self> {
        // Each answer would be followed by a new connection, for which it takes a task; and so does what TLS has taken from the socket and
        // not yet given out, of which the room's queue says nothing, while a part of an answer is kept.
        if listener.site.plan.connection == Reuse::Fresh || listener.site.dialer.is_sealed() {
            return Box::pin(listen_alone(self, listener, stopped)).await;
        }
        let Listener { site, room, account } = listener;
        let (seated, account, lost) = room.listen(Seated::take(self, site), account, stopped).await;
        let mut line = seated.line;
        if lost.is_some() || seated.hangs_up {
            line.give_up();
        }
        (Box::new(Self { line }), account, lost)
    }

    fn resume(&self) -> Resume {
        self.line.resume.clone()
    }

    async fn close(self) {
        self.line.close().await;
    }
}

impl Seated {
    /// Moves a client here. Its box goes with this call: emptied in a future, it would live as long as that.
    fn take(client: Box<LongPoll>, site: &Rc<Site>) -> Box<Self> {
        Box::new(Self {
            line: client.line,
            site: Rc::clone(site),
            hangs_up: false,
            reads_alone: false,
            has_failed: None,
        })
    }
}

impl Reading for Seated {
    async fn begin(&mut self, account: &mut Account) -> Result<(), ClientError> {
        loop {
            if std::mem::take(&mut self.hangs_up) {
                self.line.hang_up().await;
                self.reads_alone = false;
            }
            if let Some(error) = self.has_failed.take() {
                self.reads_alone = false;
                self.line.recover(&self.site, account, error.into()).await?;
            }
            if !self.line.is_asking() {
                self.line.rest(account).await;
                self.site.turns.turn(account.recorder()).await;
                self.line.send(&self.site, account, self.site.plan.wait).await?;
            }
            if !std::mem::take(&mut self.reads_alone) {
                return Ok(());
            }
            // What the socket did not take at once of the question.
            match self.connection().write_all(&[]).await {
                Ok(()) => drop(self.line.answer(&self.site, account).await?),
                Err(error) => self.line.recover(&self.site, account, error.into()).await?,
            }
        }
    }

    fn connection(&mut self) -> &mut Connection {
        self.line.connection()
    }

    fn hear(&mut self, bytes: &[u8], at_ns: u64, account: &mut Account) -> Result<(), ClientError> {
        self.hangs_up |= self.line.hear(bytes, at_ns, &self.site, account)?;
        Ok(())
    }

    fn wish(&self) -> Wish {
        if self.hangs_up || self.reads_alone || self.has_failed.is_some() {
            Wish::ToLeave
        } else if self.line.is_asking() {
            Wish::ToListen
        } else if self.line.is_to_rest() {
            Wish::ToLeave
        } else {
            Wish::ToAsk
        }
    }

    fn ask(&mut self, account: &mut Account) -> Result<(), ClientError> {
        match self.line.say(&self.site, account, self.site.plan.wait) {
            Err(ClientError::Io(error)) => self.fail(error),
            said => said,
        }
    }

    /// Whether that is a loss is found out in the task.
    fn fail(&mut self, error: io::Error) -> Result<(), ClientError> {
        self.has_failed = Some(error);
        Ok(())
    }

    /// What has come so far may be an answer that ends with its connection, which is found out in the task. Who has not asked yet does
    /// so on a new connection.
    fn end(&mut self) -> Result<(), ClientError> {
        if self.line.is_asking() || self.site.plan.ends_server() {
            self.reads_alone = true;
        } else {
            self.hangs_up = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
