//! One file per transport: `connect` -> `receive` -> `close`, as a client of that kind does it.
//!
//! Retrying, recording and stopping are the same for all and live once, in `subscriber.rs`.

mod broken_rule;
mod error;
mod long_poll;
mod lost;
mod poll;
mod resume;
mod short_poll;
mod site;
mod socketio;
mod sse;
mod turns;
mod ws;

pub use broken_rule::BrokenRule;
pub use error::ClientError;
pub use long_poll::LongPoll;
pub use resume::{AfterEnd, Resume};
pub use short_poll::ShortPoll;
pub use site::Site;
pub use socketio::SocketIo;
pub use sse::Sse;
pub use turns::{Questions, Turns};
pub use ws::Ws;

use std::pin::Pin;
use std::rc::Rc;

use crate::reading_room::Room;
use crate::recording::Account;
use crate::wire::Connection;

/// Ready when clients are to leave.
pub type Stopped<'a> = Pin<&'a mut (dyn Future<Output = ()> + 'a)>;

/// What a client listens with.
#[derive(Debug)]
pub struct Listener<'a> {
    /// Where it connected to.
    pub site: &'a Rc<Site>,
    /// Where its player's streams are read.
    pub room: &'a Room,
    /// What it hears is entered here.
    pub account: Box<Account>,
}

/// A client that listens no longer, its account, and why its transport was lost; `None` when it was not.
pub type Left<C> = (Box<C>, Box<Account>, Option<ClientError>);

/// A simulated client of one transport.
///
/// Clients live on one thread with all that they share, so their futures need not be `Send`.
#[allow(async_fn_in_trait)]
pub trait Client: Sized {
    /// Connects `client` and returns when its transport is live: 101, first SSE event, first poll answer, or what else the
    /// target calls so.
    ///
    /// Goes on from `resume`, where the server lets it.
    async fn connect(site: &Site, client: u32, resume: Resume, account: &mut Account) -> Result<Self, ClientError>;

    /// Waits for whatever comes next and enters it. Cancelling the future loses nothing that was received.
    async fn receive(&mut self, site: &Site, account: &mut Account) -> Result<(), ClientError>;

    /// Receives until the transport is lost, and says why; `None` when `stopped` before. Streams and held polls do it in the
    /// reading room.
    async fn listen(self: Box<Self>, listener: Listener<'_>, stopped: Stopped<'_>) -> Left<Self> {
        listen_alone(self, listener, stopped).await
    }

    /// Where this client is, as far as the server said so.
    fn resume(&self) -> Resume;

    /// Leaves as a client of this transport does.
    async fn close(self);

    /// Hands out the connection that the server keeps after an [orderly end](ClientError::is_orderly); one that it does not keep, or that no
    /// request can follow on, is left.
    async fn into_kept(self) -> Option<Connection> {
        self.close().await;
        None
    }
}

/// Receives in the client's own task until the transport is lost.
async fn listen_alone<C: Client>(mut client: Box<C>, listener: Listener<'_>, mut stopped: Stopped<'_>) -> Left<C> {
    let Listener { site, mut account, .. } = listener;
    loop {
        // The client is asked first: what has arrived is entered before the end is noticed.
        tokio::select! {
            biased;
            received = client.receive(site, &mut account) => if let Err(error) = received {
                return (client, account, Some(error));
            },
            () = &mut stopped => return (client, account, None),
        }
    }
}
