//! One file per transport: `connect` -> `receive` -> `close`, as a client of that kind does it.
//!
//! Retrying, recording and stopping are the same for all and live once, in `subscriber.rs`.

mod error;
mod long_poll;
mod poll;
mod resume;
mod short_poll;
mod site;
mod socketio;
mod sse;
mod turns;
mod ws;

pub use error::ClientError;
pub use long_poll::LongPoll;
pub use resume::Resume;
pub use short_poll::ShortPoll;
pub use site::Site;
pub use socketio::SocketIo;
pub use sse::Sse;
pub use turns::Turns;
pub use ws::Ws;

use crate::recording::Account;

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

    /// Where this client is, as far as the server said so.
    fn resume(&self) -> Resume;

    /// Leaves as a client of this transport does.
    async fn close(self);
}
