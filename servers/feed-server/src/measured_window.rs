//! What `benches/window.rs` may touch of the window; nothing in the server uses it.

use feed::{Cursor, Epoch, Notification};

use crate::window::{Encoded, Limit, Window};

/// A window of one topic, as the hub keeps it.
#[derive(Debug)]
pub struct MeasuredWindow {
    epoch: Epoch,
    window: Window,
}

impl MeasuredWindow {
    /// An empty one that retains `count` notifications.
    pub fn new(count: usize) -> Self {
        let epoch = Epoch::from_number(7);
        Self { epoch, window: Window::new(epoch, Limit { count, bytes: usize::MAX }) }
    }

    /// Encodes and appends what comes after the head.
    pub fn push(&mut self, notification: &Notification<'_>) {
        self.window.push(Encoded::new(self.epoch, notification));
    }

    /// Bytes of the WebSocket frames of what follows `offset`, `count` at most; `None` when some of it is lost.
    pub fn frames_after(&self, offset: u64, count: usize) -> Option<usize> {
        let cursor = Cursor { epoch: self.epoch, offset };
        let entries = self.window.after(cursor, Limit { count, bytes: usize::MAX })?;
        Some(entries.iter().map(|entry| entry.frame().len()).sum())
    }
}
