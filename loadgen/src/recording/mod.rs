//! What a player writes down while it runs, and the snapshots in which it hands that over.
//!
//! Everything here belongs to one player thread: the hot path takes no lock and shares no cache line. Once a second the
//! conductor collects a [`Snapshot`] from every player and merges them; display and result files read the same ones.

mod account;
mod changes;
mod copies;
mod departures;
mod expected;
mod hearing;
mod inversions;
mod ledger;
mod live;
mod messages;
mod pauses;
mod publish_order;
mod recorder;
mod shape;
mod shared;
mod shelf;
mod snapshot;
mod told;
mod unheard;

pub use account::{Account, InFlight, Window, Windows};
pub use changes::{Moment, merge_moments};
pub use departures::{Departures, Proof};
pub use hearing::{ClientGroup, Received, Share, group};
pub use ledger::{Entry, Ledger};
pub use live::{Live, LiveClients};
pub use pauses::LongestPause;
pub use publish_order::PublishOrder;
pub use recorder::Recorder;
pub use shape::shape;
pub use shared::Shared;
pub use shelf::{Stack, stack};
pub use snapshot::{Counters, Snapshot};
pub use told::{EMPTY_ANSWER, FOREIGN, SUBSCRIPTION_REFUSED, TOLD_PUBLISHERS, Told};
pub use unheard::{count_numbers, unheard};
