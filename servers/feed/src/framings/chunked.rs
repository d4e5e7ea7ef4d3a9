//! HTTP/1.1 chunked transfer coding (RFC 9112, section 7.1): what lets an answer go on without a length.

use std::io::Write;
use std::ops::Range;

/// The last chunk, without trailers.
pub const END: &[u8] = b"0\r\n\r\n";
/// Longest chunk-size line that a reader accepts, leading zeros and extensions included, bytes. A longer one is an error by this name.
const MAX_SIZE_LINE: u16 = 256;
/// Longest trailer section that a reader passes over, bytes: as much as a head may have. A longer one is an error by this name.
const MAX_TRAILERS: u32 = 64 * 1024;

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

/// Where the body stands in a chunk that [`write()`] made; nothing of an empty one.
pub fn body(chunk: &[u8]) -> Range<usize> {
    let start = memchr::memchr(b'\n', chunk).map_or(0, |at| at + 1);
    start..chunk.len().saturating_sub(b"\r\n".len()).max(start)
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
    /// `len` bytes of the line so far; `extension` is true behind the digits.
    Size {
        value: u64,
        len: u16,
        extension: bool,
    },
    SizeEnd {
        value: u64,
    },
    Body {
        left: u64,
    },
    BodyCr,
    BodyLf,
    /// `len` bytes of all trailers so far; `is_empty` at the start of a line.
    Trailer {
        len: u32,
        is_empty: bool,
    },
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { value: 0, len: 0, extension: false }
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
            (Self::Size { len: MAX_SIZE_LINE, .. }, byte) if byte != b'\r' => {
                Err(ChunkError("a chunk-size line of more than 256 bytes"))
            }
            (Self::Size { value, len, extension: false }, digit) if digit.is_ascii_hexdigit() => {
                // Leading zeros mean nothing (RFC 9112, section 7.1: 1*HEXDIG).
                if value >> 60 != 0 {
                    return Err(ChunkError("a chunk size of more than 16 digits"));
                }
                let digit = u64::from((digit as char).to_digit(16).expect("it is a hex digit"));
                Ok(Self::Size { value: value << 4 | digit, len: len + 1, extension: false })
            }
            (Self::Size { len: 0, .. }, _) => Err(ChunkError("a chunk without a size")),
            (Self::Size { value, .. }, b'\r') => Ok(Self::SizeEnd { value }),
            (Self::Size { value, len, extension }, byte) => {
                let starts_extension = matches!(byte, b';' | b' ' | b'\t');
                if !extension && !starts_extension {
                    Err(ChunkError("a chunk size that is no hexadecimal number"))
                } else {
                    Ok(Self::Size { value, len: len + 1, extension: true })
                }
            }
            (Self::SizeEnd { value: 0 }, b'\n') => Ok(Self::Trailer { len: 0, is_empty: true }),
            (Self::SizeEnd { value }, b'\n') => Ok(Self::Body { left: value }),
            (Self::BodyCr, b'\r') => Ok(Self::BodyLf),
            (Self::BodyLf, b'\n') => Ok(Self::default()),
            (Self::Trailer { len: MAX_TRAILERS, .. }, _) => Err(ChunkError("trailers of more than 65536 bytes")),
            (Self::Trailer { len, is_empty }, b'\r') => Ok(Self::Trailer { len: len + 1, is_empty }),
            (Self::Trailer { is_empty: true, .. }, b'\n') => Ok(Self::Done),
            (Self::Trailer { len, .. }, byte) => Ok(Self::Trailer { len: len + 1, is_empty: byte == b'\n' }),
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
    fn leading_zeros_and_upper_case_are_read_and_each_bound_is_named() {
        let read = |size: &str| read_in_pieces(format!("{size}\r\n0123456789\r\n0\r\n\r\n").as_bytes(), 1);
        assert_eq!(read("00000000000000000000000A").unwrap().0, b"0123456789");
        assert_eq!(read("A ;name=\"a; quoted value\"; other").unwrap().0, b"0123456789");
        let refused = |size: &str| read(size).unwrap_err().to_string();
        assert_eq!(
            refused("10000000000000000"),
            "malformed chunked body: a chunk size of more than 16 digits (RFC 9112 7.1)"
        );
        let line = "malformed chunked body: a chunk-size line of more than 256 bytes (RFC 9112 7.1)";
        assert_eq!([refused(&"0".repeat(257)), refused(&format!("a;{}", "x".repeat(256)))], [line, line]);
        let trailers = |len: usize| read_in_pieces(format!("0\r\nA: {}\r\n\r\n", "x".repeat(len)).as_bytes(), 3);
        assert!(trailers(60_000).unwrap().2);
        assert_eq!(
            trailers(70_000).unwrap_err().to_string(),
            "malformed chunked body: trailers of more than 65536 bytes (RFC 9112 7.1)"
        );
    }

    #[test]
    fn an_empty_body_does_not_end_the_stream() {
        assert!(write(b"").is_empty());
    }

    #[test]
    fn a_body_is_found_in_its_chunk() {
        for text in [&b""[..], b"x", b"\r\n", b"a\nb\r\n", &[b'\n'; 300]] {
            let chunk = write(text);
            assert_eq!(&chunk[body(&chunk)], text);
        }
    }
}
