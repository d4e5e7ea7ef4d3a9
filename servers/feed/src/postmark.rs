//! The token by which the generator recognises its own notifications, whatever wraps them.
//!
//! `wl1:<run 8 hex>:<publisher 4 hex>:<sequence 8 hex>:<intended instant 16 hex, ns>;` is ASCII of fixed width without a
//! character that JSON, SSE or HTTP would escape, so it survives every encoding that keeps text as text.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Length of a postmark, bytes.
pub const POSTMARK_LEN: usize = 44;
const PREFIX: &[u8; 4] = b"wl1:";

/// What a postmark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Postmark {
    /// Which run published it.
    pub run: u32,
    /// Which of the run's publishers; each numbers its own notifications.
    pub publisher: u16,
    /// The publisher's number of this notification, from 0, without holes.
    pub sequence: u32,
    /// When it was meant to be published, nanoseconds on the generator's clock.
    pub intended_ns: u64,
}

impl Postmark {
    /// Writes the token into the first [`POSTMARK_LEN`] bytes of `out`.
    ///
    /// # Panics
    ///
    /// When `out` is shorter.
    pub fn write(&self, out: &mut [u8]) {
        out[..4].copy_from_slice(PREFIX);
        write_hex(&mut out[4..12], u64::from(self.run));
        out[12] = b':';
        write_hex(&mut out[13..17], u64::from(self.publisher));
        out[17] = b':';
        write_hex(&mut out[18..26], u64::from(self.sequence));
        out[26] = b':';
        write_hex(&mut out[27..43], self.intended_ns);
        out[43] = b';';
    }

    /// Reads the token that fills `token`; `None` when it is none.
    pub fn read(token: &[u8]) -> Option<Self> {
        let well_formed = token.len() == POSTMARK_LEN
            && token.starts_with(PREFIX)
            && (token[12], token[17], token[26], token[43]) == (b':', b':', b':', b';');
        if !well_formed {
            return None;
        }
        Some(Self {
            run: read_hex(&token[4..12])? as u32,
            publisher: read_hex(&token[13..17])? as u16,
            sequence: read_hex(&token[18..26])? as u32,
            intended_ns: read_hex(&token[27..43])?,
        })
    }
}

fn write_hex(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn read_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

/// All whole postmarks in `bytes`, in order.
pub fn postmarks(bytes: &[u8]) -> impl Iterator<Item = Postmark> + '_ {
    // Made once: making one costs as much as searching a notification with it.
    static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PREFIX));
    FINDER.find_iter(bytes).filter_map(|at| bytes.get(at..at + POSTMARK_LEN)).filter_map(Postmark::read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postmark(sequence: u32) -> Postmark {
        Postmark { run: 0xdead_beef, publisher: 7, sequence, intended_ns: u64::MAX - u64::from(sequence) }
    }

    fn text(sequences: std::ops::Range<u32>) -> Vec<u8> {
        let mut out = b"wl1 wl1:nothing; ".to_vec();
        for sequence in sequences {
            let mut token = [0; POSTMARK_LEN];
            postmark(sequence).write(&mut token);
            out.extend_from_slice(b"{\"x\":\"");
            out.extend_from_slice(&token);
            out.extend_from_slice(b"\"}");
        }
        out
    }

    #[test]
    fn a_postmark_reads_back_as_it_was_written() {
        let mut token = [0; POSTMARK_LEN];
        postmark(42).write(&mut token);
        assert_eq!(&token, b"wl1:deadbeef:0007:0000002a:ffffffffffffffd5;");
        assert_eq!(Postmark::read(&token), Some(postmark(42)));
        token[20] = b'G';
        assert_eq!(Postmark::read(&token), None);
    }

    #[test]
    fn postmarks_are_found_in_order_among_other_text() {
        let found: Vec<_> = postmarks(&text(0..3)).collect();
        assert_eq!(found, [postmark(0), postmark(1), postmark(2)]);
    }
}
