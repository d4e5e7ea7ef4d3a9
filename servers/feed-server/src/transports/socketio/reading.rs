//! One subscription: waits for the log, gives the session what fits, moves the cursor.

use std::sync::{Arc, Weak};

use feed::{Cursor, Gap};
use socketioxide::SendError;
use socketioxide::socket::Socket;
use tokio::sync::watch;
use tokio::task::yield_now;

use super::line::Line;
use super::namespace::end;
use super::room::{UnderWay, packet_len};
use crate::hub::Log;
use crate::stats::{Kind, Reason, Stats};
use crate::window::Limit;

/// What is looked at in the log at a time: as much as a session has room for.
const NEXT: Limit = Limit { count: 32, bytes: 256 << 10 };

/// What a subscription reads, for whom.
pub(super) struct Reading {
    pub(super) socket: Weak<Socket>,
    pub(super) line: Arc<Line>,
    pub(super) log: Arc<Log>,
    pub(super) cursor: Cursor,
    pub(super) stats: Arc<Stats>,
}

impl Reading {
    /// Reads until the client goes or falls behind, or its session has its farewell.
    pub(super) async fn deliver(mut self) {
        let mut head = self.log.watch();
        let mut room = self.line.room.watch();
        loop {
            head.mark_unchanged();
            // Seen before room is asked for: what comes back in between wakes us.
            room.mark_unchanged();
            let batch = match self.log.after(self.cursor, NEXT) {
                Ok(batch) => batch,
                // The topic began another history, which is no reader's fault: it goes on there.
                Err(oldest) if oldest.epoch != self.cursor.epoch => {
                    let Some(socket) = self.socket.upgrade() else { return };
                    if let Err(error) = tell_gap(&socket, &self.log, oldest, &self.stats) {
                        tracing::debug!(%error, "a gap could not be told");
                        return end(&socket, &self.stats);
                    }
                    self.cursor = oldest;
                    continue;
                }
                Err(oldest) => return self.fall_behind(oldest),
            };
            let mut full = false;
            for entry in &batch.entries {
                let under_way = UnderWay { count: 1, bytes: packet_len(entry.json()) };
                if !self.line.room.take(under_way.bytes) {
                    full = true;
                    break;
                }
                let Some(socket) = self.socket.upgrade() else { return };
                if let Err(error) = socket.emit("notification", entry.raw()) {
                    // There is always room for what is under way, unless acknowledgements that nobody takes have filled the buffer.
                    tracing::debug!(%error, "a subscription ends");
                    return end(&socket, &self.stats);
                }
                self.cursor.offset += 1;
            }
            match (full, batch.more) {
                (false, true) => yield_now().await,
                (false, false) => {
                    if head.changed().await.is_err() {
                        return;
                    }
                }
                // The head moves as well: a cursor that falls out of the window is told so, though nothing was taken.
                (true, _) => {
                    if either(&mut head, &mut room).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn fall_behind(self, oldest: Cursor) {
        if self.line.ends() {
            self.stats.ended(Kind::SocketIo, Reason::FellBehind);
        }
        let Some(socket) = self.socket.upgrade() else { return };
        if tell_gap(&socket, &self.log, oldest, &self.stats).is_err() || socket.disconnect().is_err() {
            self.line.hang_up();
        }
    }
}

/// Says that something was lost, and counts it; whoever cannot be told has to be ended.
pub(super) fn tell_gap(socket: &Socket, log: &Log, oldest: Cursor, stats: &Stats) -> Result<(), SendError> {
    stats.gap(Kind::SocketIo);
    let gap = Gap { topic: log.topic().to_owned(), oldest };
    socket.emit("gap", &gap)
}

async fn either<A, B>(
    head: &mut watch::Receiver<A>,
    room: &mut watch::Receiver<B>,
) -> Result<(), watch::error::RecvError> {
    tokio::select! {
        changed = head.changed() => changed,
        changed = room.changed() => changed,
    }
}
