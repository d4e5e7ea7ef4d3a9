//! HTTP/1.1 chunked transfer coding (RFC 9112, section 7.1): what lets an answer go on without a length.

use std::io::Write;

/// The last chunk, without trailers.
pub const END: &[u8] = b"0\r\n\r\n";
/// Longest chunk-size line that a reader accepts, extensions included, bytes.
const MAX_SIZE_LINE: usize = 256;

/// Wraps `body` into one chunk. An empty body would end the stream, so it becomes no chunk at all.
pub fn write(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 12);
    if !body.is_empty() {
        let _ = write!(out, "{:x}\r\n", body.len());
        out.extend_from_slice(body);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// What is wrong with a chunked body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed chunked body: {0} (RFC 9112 7.1)")]
pub struct ChunkError(&'static str);

/// Reads a chunked body that arrives in pieces, and keeps no byte of it.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { value: u64, digits: u8, extension: u16 },
    SizeEnd { value: u64 },
    Body { left: u64 },
    BodyCr,
    BodyLf,
    Trailer { line: u16 },
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { value: 0, digits: 0, extension: 0 }
    }
}

impl Reader {
    /// True when the last chunk was read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Calls `body` with each piece of the body in `input`; returns how many bytes of `input` belong to this body, all of
    /// them unless it [is done](Self::is_done).
    pub fn read(&mut self, input: &[u8], mut body: impl FnMut(&[u8])) -> Result<usize, ChunkError> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            if let State::Body { left } = self.state {
                let len = usize::try_from(left).map_or(input.len() - at, |left| left.min(input.len() - at));
                body(&input[at..at + len]);
                at += len;
                let left = left - len as u64;
                self.state = if left == 0 { State::BodyCr } else { State::Body { left } };
            } else {
                self.state = self.state.step(input[at])?;
                at += 1;
            }
        }
        Ok(at)
    }
}

impl State {
    fn step(self, byte: u8) -> Result<Self, ChunkError> {
        match (self, byte) {
            (Self::Size { value, digits, extension: 0 }, digit) if digit.is_ascii_hexdigit() => {
                if digits == 16 {
                    return Err(ChunkError("a chunk size of more than 16 digits"));
                }
                let digit = u64::from((digit as char).to_digit(16).expect("it is a hex digit"));
                Ok(Self::Size { value: value << 4 | digit, digits: digits + 1, extension: 0 })
            }
            (Self::Size { digits: 0, .. }, _) => Err(ChunkError("a chunk without a size")),
            (Self::Size { value, .. }, b'\r') => Ok(Self::SizeEnd { value }),
            (Self::Size { value, digits, extension }, byte) => {
                let starts_extension = matches!(byte, b';' | b' ' | b'\t');
                if extension == 0 && !starts_extension {
                    Err(ChunkError("a chunk size that is no hexadecimal number"))
                } else if usize::from(extension) == MAX_SIZE_LINE {
                    Err(ChunkError("a chunk-size line of more than 256 bytes"))
                } else {
                    Ok(Self::Size { value, digits, extension: extension + 1 })
                }
            }
            (Self::SizeEnd { value: 0 }, b'\n') => Ok(Self::Trailer { line: 0 }),
            (Self::SizeEnd { value }, b'\n') => Ok(Self::Body { left: value }),
            (Self::BodyCr, b'\r') => Ok(Self::BodyLf),
            (Self::BodyLf, b'\n') => Ok(Self::default()),
            (Self::Trailer { line }, b'\r') => Ok(Self::Trailer { line }),
            (Self::Trailer { line: 0 }, b'\n') => Ok(Self::Done),
            (Self::Trailer { .. }, b'\n') => Ok(Self::Trailer { line: 0 }),
            (Self::Trailer { line }, _) => Ok(Self::Trailer { line: line.saturating_add(1) }),
            (Self::SizeEnd { .. } | Self::BodyCr | Self::BodyLf, _) => {
                Err(ChunkError("a line that does not end in CRLF"))
            }
            (Self::Body { .. } | Self::Done, _) => unreachable!("`read` handles bodies and ends itself"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in_pieces(input: &[u8], cut: usize) -> Result<(Vec<u8>, usize, bool), ChunkError> {
        let mut reader = Reader::default();
        let mut body = Vec::new();
        let first = reader.read(&input[..cut], |piece| body.extend_from_slice(piece))?;
        let second = reader.read(&input[cut..], |piece| body.extend_from_slice(piece))?;
        Ok((body, first + second, reader.is_done()))
    }

    #[test]
    fn a_body_cut_anywhere_reads_the_same() {
        let mut input = write(b"hello ");
        input.extend(write("wörld, in a chunk whose size has two digits".as_bytes()));
        input.extend_from_slice(b"3;ext=1\r\nend\r\n");
        input.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
        let len = input.len();
        input.extend_from_slice(b"HTTP/1.1 the next answer");
        for cut in 0..=input.len() {
            let (body, used, done) = read_in_pieces(&input, cut).unwrap();
            assert_eq!(body, "hello wörld, in a chunk whose size has two digitsend".as_bytes(), "cut at {cut}");
            assert_eq!((used, done), (len, true), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for input in ["\r\n", "x\r\n", "5\n", "3\r\nabcd", "11112222333344445\r\n", "5x\r\n"] {
            assert!(read_in_pieces(input.as_bytes(), 0).is_err(), "{input:?}");
        }
    }

    #[test]
    fn an_empty_body_does_not_end_the_stream() {
        assert!(write(b"").is_empty());
    }
}
