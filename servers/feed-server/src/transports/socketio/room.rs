//! The bound on what a session was given and has not written: beyond it, readers stay behind in the log.

use tokio::sync::watch;

/// Notifications that are with the library and not yet written: enough to keep a socket busy, a quarter of what the library's
/// buffer holds, so that pings, acknowledgements and farewells always fit beside them.
const COUNT_MAX: usize = 32;

/// How a packet with a notification begins.
pub(super) const NOTIFICATION: &[u8] = br#"42["notification","#;

/// Bytes of the packet that carries `json`.
pub(super) fn packet_len(json: &[u8]) -> usize {
    NOTIFICATION.len() + json.len() + 1
}

/// What is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct UnderWay {
    /// Notifications.
    pub(super) count: usize,
    /// Bytes of their packets.
    pub(super) bytes: usize,
}

/// The room of one session, whatever it is subscribed to.
#[derive(Debug)]
pub(super) struct Room {
    under_way: watch::Sender<UnderWay>,
    bytes_max: usize,
}

impl Room {
    /// Room for [`COUNT_MAX`] packets of `bytes_max` bytes in all; one that is larger goes alone.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { under_way: watch::Sender::default(), bytes_max }
    }

    /// Takes room for a packet of `bytes`, if there is.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let mut taken = false;
        self.under_way.send_if_modified(|way| {
            taken = way.count == 0 || (way.count < COUNT_MAX && way.bytes + bytes <= self.bytes_max);
            if taken {
                way.count += 1;
                way.bytes += bytes;
            }
            // Nobody waits for less room.
            false
        });
        taken
    }

    /// Gives back the room of what was written.
    pub(super) fn give(&self, written: UnderWay) {
        if written.count > 0 {
            self.under_way.send_modify(|way| {
                way.count = way.count.saturating_sub(written.count);
                way.bytes = way.bytes.saturating_sub(written.bytes);
            });
        }
    }

    /// What readers wait on when there is no room.
    pub(super) fn watch(&self) -> watch::Receiver<UnderWay> {
        self.under_way.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_ends_at_either_bound_but_one_packet_always_fits() {
        let room = Room::new(1000);
        assert!(room.take(5000), "one that is larger goes alone");
        assert!(!room.take(1));
        room.give(UnderWay { count: 1, bytes: 5000 });
        assert!(room.take(600) && room.take(400) && !room.take(1));
        room.give(UnderWay { count: 2, bytes: 1000 });
        assert!((0..COUNT_MAX).all(|_| room.take(1)) && !room.take(1));
    }

    #[test]
    fn only_room_that_comes_back_wakes_a_reader() {
        let room = Room::new(1000);
        let watching = room.watch();
        room.take(10);
        assert!(!watching.has_changed().unwrap());
        room.give(UnderWay { count: 1, bytes: 10 });
        assert!(watching.has_changed().unwrap());
    }
}
