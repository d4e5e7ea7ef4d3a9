//! Whether a request that was let in may come in again: what guards are asked where it is known to be the same but for its cursor.
//!
//! A client of long polling asks the same question over and over, and what it asks next, byte for byte the same but for the cursor, is not
//! led through the router (`again.rs`). A guard whose answer depends on those bytes alone has nothing to do for that. One whose answer
//! depends on more, on a clock or a count, puts a condition into the request's extensions when it lets the request in.

use std::fmt;
use std::sync::Arc;

use http::Extensions;

/// What has to hold for the same request to be let in again.
#[derive(Clone, Default)]
pub(crate) struct Readmission(Vec<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Readmission {
    /// Adds a condition to those of a request.
    ///
    /// It is asked once for each repetition, in the order in which conditions were added, until one is false. True lets the request in,
    /// and counts it where requests are counted. False is no refusal yet: the request then goes through the router, where the guard sees
    /// it as any other, and counts it, and says what it has to say; so who says false has not counted it, and one that counts comes last.
    #[allow(dead_code, reason = "no guard depends on more than a request's bytes yet")]
    pub(crate) fn require(extensions: &mut Extensions, condition: impl Fn() -> bool + Send + Sync + 'static) {
        extensions.get_or_insert_default::<Self>().0.push(Arc::new(condition));
    }

    /// The conditions of a request.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Asks them.
    pub(crate) fn is_granted(&self) -> bool {
        self.0.iter().all(|condition| condition())
    }
}

impl fmt::Debug for Readmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Readmission({} conditions)", self.0.len())
    }
}
