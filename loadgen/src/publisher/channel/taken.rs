//! The sending half of a channel in the hands of one writer: nobody else writes meanwhile.

use tokio::io::AsyncWriteExt;

use super::{Channel, Writing};

/// The sending half while something is written. It goes back when all of that was, unless its connection was lost meanwhile:
/// then a new one is on its way.
pub(super) struct Taken<'a> {
    channel: &'a Channel,
    /// Absent from the first byte to the last.
    writer: Option<Writing>,
    losses: u64,
}

impl<'a> Taken<'a> {
    pub(super) fn new(channel: &'a Channel, writer: Writing) -> Self {
        Self { channel, writer: Some(writer), losses: channel.losses.get() }
    }

    /// Writes it all, down to the socket; false when that failed.
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> bool {
        let Some(mut writer) = self.writer.take() else { return false };
        // TLS reports as written what it has sealed, and waits with the rest for more to be written when the socket is full. In the
        // clear there is nothing to flush.
        let is_written = writer.write_all(bytes).await.is_ok() && writer.flush().await.is_ok();
        if is_written {
            self.writer = Some(writer);
        }
        is_written
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.channel.losses.get() == self.losses {
            *self.channel.writer.borrow_mut() = self.writer.take();
            self.channel.is_writing.set(false);
        }
        self.channel.returned.notify_waiters();
    }
}
