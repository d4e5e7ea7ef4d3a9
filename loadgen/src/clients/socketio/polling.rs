//! A session over HTTP: a GET that is held for hearing, and POSTs for speaking, each on a connection of its own, as in browsers.

use std::time::Duration;

use feed::framings::engine_io::{self, Packet};

use super::super::{ClientError, Site};
use super::conversation::Conversation;
use super::gets::Gets;
use super::posts::Posts;
use super::rendezvous::Rendezvous;
use crate::recording::Account;

/// Longest wait, when leaving, for the answers that are on their way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Both halves of a session.
#[derive(Debug)]
pub(super) struct Polling {
    gets: Gets,
    posts: Posts,
}

impl Polling {
    /// Opens a session.
    pub(super) async fn open(
        site: &Site,
        client: u32,
        rendezvous: &Rendezvous,
        account: &mut Account,
        conversation: &mut Conversation,
    ) -> Result<Self, ClientError> {
        let (gets, sid) = Gets::open(site, client, rendezvous, account, conversation).await?;
        let dialer = site.dialer.clone();
        Ok(Self { gets, posts: Posts::new(client, rendezvous, &sid, dialer, account.shared_recorder()) })
    }

    /// Hears whatever comes next, and says meanwhile what there is to say.
    pub(super) async fn receive(
        &mut self,
        site: &Site,
        account: &mut Account,
        conversation: &mut Conversation,
    ) -> Result<(), ClientError> {
        self.posts.take(conversation.outbox());
        tokio::select! {
            biased;
            heard = self.gets.advance(site, account, conversation) => heard,
            said = self.posts.advance() => said,
        }
    }

    /// Says what there is to say, and returns when the server has taken it in.
    pub(super) async fn flush(&mut self, conversation: &mut Conversation) -> Result<(), ClientError> {
        self.posts.take(conversation.outbox());
        while !self.posts.is_quiet() {
            self.posts.advance().await?;
        }
        Ok(())
    }

    /// Hears what the GET that is held brings, and asks no more.
    pub(super) async fn finish(
        &mut self,
        account: &mut Account,
        conversation: &mut Conversation,
    ) -> Result<(), ClientError> {
        self.flush(conversation).await?;
        self.gets.finish(account, conversation).await
    }

    /// Ends both connections, which carry nothing any more.
    pub(super) async fn leave(self) {
        tokio::join!(self.gets.leave(), self.posts.leave());
    }

    /// Says goodbye and ends the session, whose last answers are waited for.
    pub(super) async fn close(mut self, mut conversation: Conversation) {
        conversation.outbox().push(engine_io::write(&Packet::Close));
        let farewell = async {
            // A session that the server no longer knows has nothing to be waited for.
            if self.flush(&mut conversation).await.is_ok() {
                self.gets.discard_answer().await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, farewell).await;
        self.leave().await;
    }
}
