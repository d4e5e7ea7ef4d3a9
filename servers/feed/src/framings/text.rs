//! Text that arrives in pieces, checked as it comes: what cannot become UTF-8 any more is refused at once.

/// Of what was checked it keeps a character that has not come whole.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Text {
    begun: [u8; 4],
    len: u8,
}

/// Bytes that are not UTF-8 (RFC 3629), whatever follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotUtf8;

impl Text {
    /// Checks the next `piece`.
    pub(super) fn take(&mut self, mut piece: &[u8]) -> Result<(), NotUtf8> {
        while self.len > 0 && !piece.is_empty() {
            self.begun[usize::from(self.len)] = piece[0];
            self.len += 1;
            piece = &piece[1..];
            if begun(&self.begun[..usize::from(self.len)])?.is_empty() {
                self.len = 0;
            }
        }
        if self.len == 0 {
            let rest = begun(piece)?;
            self.begun[..rest.len()].copy_from_slice(rest);
            self.len = rest.len() as u8;
        }
        Ok(())
    }
}

/// The character at the end of `bytes` that has not come whole: up to three bytes of it.
fn begun(bytes: &[u8]) -> Result<&[u8], NotUtf8> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(&[]),
        Err(error) if error.error_len().is_none() => Ok(&bytes[error.valid_up_to()..]),
        Err(_) => Err(NotUtf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_any_pieces_is_judged_like_the_whole() {
        let texts: [&[u8]; 7] = [
            "aä€𝄞z".as_bytes(),
            b"\xc3\x28",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xc0\xaf",
            b"ok\xff",
            b"\xf0\x9d\x84",
        ];
        for text in texts {
            let whole = begun(text).map(<[u8]>::len);
            for size in 1..=text.len() {
                let mut checked = Text::default();
                let taken = text.chunks(size).try_for_each(|piece| checked.take(piece));
                assert_eq!(taken.map(|()| usize::from(checked.len)), whole, "{text:x?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_cannot_become_a_character_is_refused_at_its_first_impossible_byte() {
        for (valid, impossible) in
            [(&b"\xed"[..], 0xa0), (b"\xf4", 0x90), (b"\xe2\x82", b'x'), (b"", 0xc0), (b"", 0xf5)]
        {
            let mut text = Text::default();
            text.take(valid).unwrap();
            assert_eq!(text.take(&[impossible]), Err(NotUtf8), "{valid:x?} {impossible:x}");
        }
    }
}
