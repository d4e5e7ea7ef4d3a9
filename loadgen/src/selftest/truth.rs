//! What the stub server did, in its own words: what the generator's measurement is held against.

use results::Percentiles;
use serde::{Deserialize, Serialize};

/// Where the stub tells it.
pub const TRUTH_PATH: &str = "/truth";

/// The body of `GET /truth`. Counts of notifications are those of the window; bytes and connections are those of
/// subscribers, over the stub's whole life.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Notifications accepted.
    pub published: u64,
    /// Different notifications written, per subscriber.
    pub delivered: u64,
    /// Left out on purpose, per subscriber.
    pub dropped: u64,
    /// Written to subscribers of other topics, whether or not they are of the window.
    pub misdelivered: u64,
    /// Publications refused inside an answer 200.
    pub refused: u64,
    /// Publishing requests that came before the one before them was answered, on connections that are worked off one after another.
    pub pipelined: u64,
    /// Publishing connections closed on purpose, over the stub's whole life.
    pub closed: u64,
    /// Answers to event streams that were ended, over the stub's whole life.
    pub answers_ended: u64,
    /// Written a second time on purpose.
    pub repeated: u64,
    /// Written after one that was published later, on purpose.
    pub swapped: u64,
    /// Connections cut in the middle of a notification on purpose.
    pub cut: u64,
    /// Comments and pings written in between.
    pub chatter: u64,
    /// Writes that held several notifications.
    pub crowded: u64,
    /// Writes that were split in several packets.
    pub split: u64,
    /// How many lengths of notifications, with all that is written before and around them, were split after every byte.
    pub split_everywhere: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections open now.
    pub open: u64,
    /// Stream bytes read.
    pub bytes_read: u64,
    /// Stream bytes written.
    pub bytes_written: u64,
    /// From the intended publishing instant until the last byte was handed to the system, per delivery.
    pub latency: Percentiles,
    /// From the accepted connection until the end of the first answer was handed to the system.
    pub connect: Percentiles,
    /// From a publishing request, or from when it is begun where they are worked off one after another, until its answer was handed to
    /// the system.
    pub publish_time: Percentiles,
}
