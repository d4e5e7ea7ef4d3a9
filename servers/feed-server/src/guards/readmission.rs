//! Whether a request that was let in may come in again: what is asked where it is known to be the same but for its cursor.
//!
//! A client that polls asks the same question over and over, and what it asks next, byte for byte the same but for the cursor, is not
//! led through the router (`again.rs`, `standing.rs`). A guard whose answer depends on those bytes alone has nothing to do for that. One whose answer
//! depends on more, on a clock or a count, is asked here.

use std::fmt;
use std::sync::Arc;

use super::grants::Lease;
use super::requests;
use crate::app::App;
use crate::stats::Meter;

/// What has to hold for the same request to be let in again.
pub(crate) struct Readmission(Box<dyn Fn() -> bool + Send + Sync>);

impl Readmission {
    /// On what guards ask of a poll on the connection of `meter`: that the `lease` of what it showed is not over, and that its address may
    /// ask again.
    pub(crate) fn of(app: &Arc<App>, meter: &Arc<Meter>, lease: Lease) -> Self {
        let (app, meter) = (app.clone(), meter.clone());
        Self::on(move || !lease.is_over() && requests::admit_again(&app.addresses, &meter).is_ok())
    }

    /// On a condition that is asked once for each repetition.
    ///
    /// True lets the request in, and has counted it where requests are counted. False is no refusal yet, and has counted nothing: the
    /// request then goes through the router, where the guards see it as any other, and say what they have to say.
    pub(crate) fn on(condition: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(condition))
    }

    /// Asks.
    pub(crate) fn is_granted(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Readmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Readmission")
    }
}
