//! The retained end of a topic's log: a ring of notifications, each encoded once for every way it travels.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use feed::encodings::json;
use feed::framings::{chunked, sse, websocket};
use feed::{Cursor, Epoch, Notification};
use serde_json::value::RawValue;

use crate::hub::Entered;
use crate::keys::Keys;

/// A notification in every wire form; a form is made when the first reader needs it, and shared by all of them.
#[derive(Debug)]
pub(crate) struct Encoded {
    cursor: Cursor,
    timestamp_us: u64,
    json: Bytes,
    sse: OnceLock<Bytes>,
    frame: OnceLock<Bytes>,
    raw: OnceLock<Box<RawValue>>,
}

impl Encoded {
    pub(crate) fn new(epoch: Epoch, notification: &Notification<'_>) -> Self {
        let cursor = Cursor { epoch, offset: notification.id };
        Self {
            cursor,
            timestamp_us: notification.timestamp_us,
            json: json::encode(notification).into(),
            sse: OnceLock::new(),
            frame: OnceLock::new(),
            raw: OnceLock::new(),
        }
    }

    /// As it stands between the commas of a poll's answer.
    pub(crate) fn json(&self) -> &Bytes {
        &self.json
    }

    /// As an event in its own HTTP chunk.
    pub(crate) fn sse(&self) -> Bytes {
        let encode = || chunked::write(&sse::write(None, Some(self.cursor), None, &self.json)).into();
        self.sse.get_or_init(encode).clone()
    }

    /// As an event by itself, for a stream that its connection's end delimits.
    pub(crate) fn event(&self) -> Bytes {
        let chunk = self.sse();
        let body = chunked::body(&chunk);
        chunk.slice(body)
    }

    /// As a value for who puts it into JSON of their own: Socket.IO.
    pub(crate) fn raw(&self) -> &RawValue {
        let encode = || {
            let text = String::from_utf8(self.json.to_vec()).expect("JSON is UTF-8");
            RawValue::from_string(text).expect("it was encoded as JSON")
        };
        self.raw.get_or_init(encode)
    }

    /// As a text frame.
    pub(crate) fn frame(&self) -> Bytes {
        self.frame.get_or_init(|| websocket::write(websocket::Opcode::Text, &self.json).into()).clone()
    }
}

/// How much one reading takes at most; at least one notification is taken whatever its size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// Notifications.
    pub(crate) count: usize,
    /// Bytes of JSON.
    pub(crate) bytes: usize,
}

/// The ring. Its entries are contiguous: the last has offset `head`, the first `head - len + 1`.
#[derive(Debug)]
pub(crate) struct Window {
    epoch: Epoch,
    head: u64,
    ring: VecDeque<Arc<Encoded>>,
    bytes: usize,
    bound: Limit,
    /// Under which what is retained was published.
    pub(crate) keys: Keys,
}

impl Window {
    /// An empty ring that grows as it is used, up to `bound`.
    pub(crate) fn new(epoch: Epoch, bound: Limit) -> Self {
        Self { epoch, head: 0, ring: VecDeque::new(), bytes: 0, bound, keys: Keys::default() }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The cursor after the newest notification.
    pub(crate) fn head(&self) -> Cursor {
        Cursor { epoch: self.epoch, offset: self.head }
    }

    /// The oldest cursor that can be continued from without a loss.
    pub(crate) fn oldest(&self) -> Cursor {
        Cursor { epoch: self.epoch, offset: self.head - self.ring.len() as u64 }
    }

    /// True when everything after `cursor` is retained.
    pub(crate) fn continues(&self, cursor: Cursor) -> bool {
        cursor.epoch == self.epoch && (self.oldest().offset..=self.head).contains(&cursor.offset)
    }

    /// Where a notification with this cursor belongs, that was numbered at this time (microseconds since the Unix epoch).
    pub(crate) fn place(&self, cursor: Cursor, timestamp_us: u64) -> Entered {
        match cursor.offset {
            _ if cursor.epoch != self.epoch => Entered::Apart,
            offset if offset <= self.oldest().offset => Entered::Known,
            offset if offset <= self.head => {
                let retained = &self.ring[(offset - self.oldest().offset - 1) as usize];
                if retained.timestamp_us == timestamp_us { Entered::Known } else { Entered::Contradicts }
            }
            offset if offset == self.head + 1 => Entered::Appended,
            _ => Entered::Apart,
        }
    }

    /// Lets go of everything, and goes on after `cursor`.
    pub(crate) fn adopt(&mut self, cursor: Cursor) {
        *self = Self { head: cursor.offset, ..Self::new(cursor.epoch, self.bound) };
    }

    /// Appends the notification after the head, and lets go of what exceeds the bound; the newest always stays.
    pub(crate) fn push(&mut self, entry: Encoded) {
        debug_assert_eq!(entry.cursor, Cursor { epoch: self.epoch, offset: self.head + 1 });
        self.head += 1;
        self.bytes += entry.json.len();
        self.ring.push_back(Arc::new(entry));
        while self.ring.len() > self.bound.count || (self.bytes > self.bound.bytes && self.ring.len() > 1) {
            let oldest = self.ring.pop_front().expect("it is not empty");
            self.bytes -= oldest.json.len();
        }
        self.keys.forget(self.oldest().offset);
    }

    /// What follows `cursor`, up to `limit`; `None` when some of it is lost.
    pub(crate) fn after(&self, cursor: Cursor, limit: Limit) -> Option<Vec<Arc<Encoded>>> {
        if !self.continues(cursor) {
            return None;
        }
        let seen = (cursor.offset - self.oldest().offset) as usize;
        let mut bytes = 0;
        let fits = |entry: &&Arc<Encoded>| {
            let first = bytes == 0;
            bytes += entry.json.len();
            first || bytes <= limit.bytes
        };
        Some(self.ring.range(seen..).take(limit.count).take_while(fits).cloned().collect())
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use feed::Payload;
    use std::borrow::Cow;

    const ALL: Limit = Limit { count: usize::MAX, bytes: usize::MAX };

    fn window(bound: Limit, published: u64) -> Window {
        let epoch = Epoch::from_number(7);
        let mut window = Window::new(epoch, bound);
        for id in 1..=published {
            let payload = Payload::from_json(b"\"0123456789\"").unwrap().json;
            let topic = "news".into();
            let notification =
                Notification { topic, id, timestamp_us: 1, content_type: None, payload: Cow::Owned(payload) };
            window.push(Encoded::new(epoch, &notification));
        }
        window
    }

    fn offsets(window: &Window, offset: u64, limit: Limit) -> Option<Vec<u64>> {
        let after = window.after(Cursor { epoch: window.epoch(), offset }, limit)?;
        Some(after.iter().map(|entry| entry.cursor.offset).collect())
    }

    #[test]
    fn a_reader_gets_what_follows_its_cursor() {
        let window = window(ALL, 5);
        assert_eq!(offsets(&window, 0, ALL).unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(offsets(&window, 3, ALL).unwrap(), [4, 5]);
        assert_eq!(offsets(&window, 5, ALL).unwrap().len(), 0);
    }

    #[test]
    fn a_reader_outside_the_window_gets_nothing_wrong() {
        let window = window(Limit { count: 3, ..ALL }, 5);
        assert_eq!(window.oldest().offset, 2);
        assert_eq!(offsets(&window, 2, ALL).unwrap(), [3, 4, 5]);
        assert_eq!(offsets(&window, 1, ALL), None);
        assert_eq!(offsets(&window, 6, ALL), None, "a cursor from the future");
        assert!(!window.continues(Cursor { epoch: Epoch::from_number(8), offset: 4 }), "another epoch");
    }

    #[test]
    fn a_window_that_goes_on_elsewhere_takes_no_new_offsets_for_old_ones() {
        let mut window = window(ALL, 5);
        let at = |epoch, offset| Cursor { epoch: Epoch::from_number(epoch), offset };
        let placed = [at(7, 5), at(7, 6), at(7, 7), at(8, 6)].map(|cursor| window.place(cursor, 1));
        assert_eq!(placed, [Entered::Known, Entered::Appended, Entered::Apart, Entered::Apart]);
        window.adopt(at(8, 3));
        assert_eq!((window.head(), window.oldest(), window.bytes), (at(8, 3), at(8, 3), 0));
        assert!(!window.continues(at(7, 3)) && !window.continues(at(8, 2)) && window.continues(at(8, 3)));
    }

    #[test]
    fn another_notification_under_a_retained_offset_contradicts() {
        let window = window(Limit { count: 3, ..ALL }, 5);
        let at = |offset, timestamp_us| window.place(Cursor { epoch: window.epoch(), offset }, timestamp_us);
        let placed = [at(3, 1), at(3, 2), at(5, 2), at(6, 2)];
        assert_eq!(placed, [Entered::Known, Entered::Contradicts, Entered::Contradicts, Entered::Appended]);
        assert_eq!(at(2, 2), Entered::Known, "what is gone cannot be compared");
    }

    #[test]
    fn a_reading_ends_at_its_limit_but_always_moves() {
        let window = window(ALL, 5);
        let size = window.ring[0].json.len();
        assert_eq!(offsets(&window, 0, Limit { count: 2, ..ALL }).unwrap(), [1, 2]);
        assert_eq!(offsets(&window, 0, Limit { bytes: 3 * size, ..ALL }).unwrap(), [1, 2, 3]);
        assert_eq!(offsets(&window, 0, Limit { bytes: 1, ..ALL }).unwrap(), [1]);
    }

    #[test]
    fn retained_bytes_are_bounded_but_the_newest_stays() {
        let size = window(ALL, 1).bytes;
        assert_eq!(window(Limit { bytes: 2 * size, ..ALL }, 9).ring.len(), 2);
        assert_eq!(window(Limit { bytes: 1, ..ALL }, 9).ring.len(), 1);
    }
}
