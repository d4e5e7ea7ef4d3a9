//! Lines of text for logs and pipes: one per phase, and one every few seconds.

use std::time::{Duration, Instant};

use super::{Display, Progress, figures};
use crate::clock;

/// Time between two lines of the same phase.
const INTERVAL: Duration = Duration::from_secs(5);

/// Writes plain lines to standard error.
pub(super) struct Plain {
    title: String,
    phase: String,
    last: Option<Instant>,
}

impl Plain {
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), phase: String::new(), last: None }
    }
}

impl Display for Plain {
    fn show(&mut self, progress: &Progress) {
        let now = clock::now();
        let is_due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL);
        if self.phase == progress.phase && !is_due {
            return;
        }
        progress.phase.as_ref().clone_into(&mut self.phase);
        self.last = Some(now);
        results::errln!("{}: {:8} {}", self.title, progress.phase, figures(progress));
    }

    fn finish(&mut self) {}
}
