//! One notification on its way to the server.

use feed::Postmark;

use crate::plan::Arrive;

/// What is to be published.
#[derive(Debug, Clone, Copy)]
pub(super) struct Publication {
    /// Its topic and number, and when it was due.
    pub arrive: Arrive,
    /// True when it belongs to the measured window.
    pub in_window: bool,
    /// What it carries in its payload.
    pub postmark: Postmark,
}
