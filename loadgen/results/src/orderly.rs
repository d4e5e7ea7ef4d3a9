//! What servers ended in an orderly way, and what clients did then: none of it is an error or a loss.

use serde::{Deserialize, Serialize};

/// Ends in good order, over the whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderlyEnds {
    /// Answers of event streams that ended by their length, their last chunk or their connection; each is followed by another request.
    pub answers: u64,
    /// Requests that were sent again at once on a new connection, because the server had ended the kept one before it answered.
    pub sent_again: u64,
    /// Clients that the server told not to come back: 204 on an event stream (WHATWG HTML, section 9.2.3).
    pub told_to_stop: u64,
    /// The longest that a client stayed away before it asked again, ms: as it was told by `retry` of an event stream (WHATWG HTML, section
    /// 9.2.3) or by `Retry-After` (RFC 9110, section 10.2.3), or as the plan says after an orderly end. 0 in files that are older.
    #[serde(default)]
    pub longest_pause_ms: u64,
    /// How much longer the drain was because of that, ms, at most. 0 in files that are older.
    #[serde(default)]
    pub drain_lengthened_ms: u64,
}
