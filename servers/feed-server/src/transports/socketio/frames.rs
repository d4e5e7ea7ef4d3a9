//! Finds notifications among the WebSocket frames that go out, as their bytes pass in pieces of any size.

use super::room::{NOTIFICATION, UnderWay};

/// First byte of a text frame that is a whole message (RFC 6455, section 5.2).
const WHOLE_TEXT: u8 = 0x81;

/// Where in a frame the next byte stands. Frames of a server are not masked.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; 10],
    head_len: usize,
    /// Bytes of the payload: all, and those that have passed.
    len: usize,
    passed: usize,
    /// How much of the payload's beginning is that of a notification; `None` when it differs.
    alike: Option<usize>,
}

impl Frames {
    /// Looks at the next `bytes` that were written; says which notifications ended in them.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) -> UnderWay {
        let mut ended = UnderWay::default();
        while !bytes.is_empty() {
            if self.in_head() {
                self.head[self.head_len] = bytes[0];
                self.head_len += 1;
                bytes = &bytes[1..];
                if !self.in_head() {
                    self.begin();
                }
            } else {
                let (now, later) = bytes.split_at(bytes.len().min(self.len - self.passed));
                self.compare(now);
                self.passed += now.len();
                bytes = later;
            }
            if !self.in_head() && self.passed == self.len {
                if self.alike == Some(NOTIFICATION.len()) {
                    ended.count += 1;
                    ended.bytes += self.len;
                }
                *self = Self::default();
            }
        }
        ended
    }

    /// True between two frames: what is written next begins another.
    pub(super) fn is_between(&self) -> bool {
        self.head_len == 0
    }

    /// True while the length is not yet known.
    fn in_head(&self) -> bool {
        let needed = match (self.head_len, self.head[1] & 0x7f) {
            (0 | 1, _) => 2,
            (_, 126) => 4,
            (_, 127) => 10,
            _ => 2,
        };
        self.head_len < needed
    }

    fn begin(&mut self) {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        self.len = match self.head[1] & 0x7f {
            126 => number(&self.head[2..4]),
            127 => number(&self.head[2..10]),
            short => usize::from(short),
        };
        self.alike = (self.head[0] == WHOLE_TEXT).then_some(0);
    }

    fn compare(&mut self, bytes: &[u8]) {
        let Some(alike) = self.alike.filter(|alike| *alike < NOTIFICATION.len()) else { return };
        let rest = &NOTIFICATION[alike..];
        let common = rest.len().min(bytes.len());
        self.alike = (rest[..common] == bytes[..common]).then_some(alike + common);
    }
}

#[cfg(test)]
mod tests {
    use feed::framings::websocket::{Opcode, write};

    use super::*;

    #[test]
    fn notifications_are_found_however_the_bytes_are_cut() {
        let notification = |json: &str| [NOTIFICATION, json.as_bytes(), b"]"].concat();
        let (short, long, huge) =
            (notification("{}"), notification(&"x".repeat(300)), notification(&"x".repeat(70_000)));
        let frames = [
            (Opcode::Text, &b"0{\"sid\":1}"[..]),
            (Opcode::Text, &short),
            (Opcode::Binary, &short),
            (Opcode::Text, b"42[\"notif"),
            (Opcode::Ping, b""),
            (Opcode::Text, &long),
            (Opcode::Text, b"430[{}]"),
            (Opcode::Text, &huge),
        ];
        let bytes: Vec<u8> = frames.iter().flat_map(|(opcode, payload)| write(*opcode, payload)).collect();
        let all = UnderWay { count: 3, bytes: short.len() + long.len() + huge.len() };
        for size in [1, 2, 3, 7, 19, 4096, bytes.len()] {
            let mut reader = Frames::default();
            let mut found = UnderWay::default();
            for piece in bytes.chunks(size) {
                let ended = reader.pass(piece);
                found.count += ended.count;
                found.bytes += ended.bytes;
            }
            assert_eq!(found, all, "in pieces of {size}");
        }
        let mut reader = Frames::default();
        let (last, before) = bytes.split_last().unwrap();
        assert_eq!(reader.pass(before).count, 2, "not before its last byte");
        assert_eq!(reader.pass(&[*last]).count, 1);
    }
}
