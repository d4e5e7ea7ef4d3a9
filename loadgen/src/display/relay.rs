//! Progress passed on to the process that leads this one, which shows that of all its workers together.

use super::{Display, Progress};
use crate::gate::{Said, say};

/// Says everything, and leaves it to the leader what to show.
pub(super) struct Relay;

impl Display for Relay {
    fn show(&mut self, progress: &Progress) {
        say(&Said::Progress(progress.clone()));
    }

    fn finish(&mut self) {}
}
