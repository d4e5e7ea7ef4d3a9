//! The body of a response (RFC 9112, section 6.3): where it ends, read whole or as it comes.

use std::borrow::Cow;

use feed::framings::chunked;

use super::{Head, HttpError};
pub use crate::read_limits::MAX_BODY;

/// How a body is delimited (RFC 9112, section 6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It is this many bytes long.
    Length(usize),
    /// It is chunked.
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

impl Body {
    /// Reads a body so delimited as it comes.
    pub fn reader(&self) -> BodyReader {
        match self {
            Self::Length(left) => BodyReader::Length { left: *left },
            Self::Chunked => BodyReader::Chunked(chunked::Reader::default()),
            Self::UntilClose => BodyReader::UntilClose,
        }
    }
}

/// Reads a body that arrives in pieces, and keeps no byte of it.
#[derive(Debug, Clone)]
pub enum BodyReader {
    /// So many bytes of it are still to come.
    Length {
        /// Bytes.
        left: usize,
    },
    /// It ends with its last chunk and the trailers behind that.
    Chunked(chunked::Reader),
    /// It ends with the connection.
    UntilClose,
}

impl BodyReader {
    /// Calls `content` with each piece of the content in `input`; returns how many bytes of `input` belong to this body: all of them,
    /// unless it [is done](Self::is_done).
    pub fn read(&mut self, input: &[u8], mut content: impl FnMut(&[u8])) -> Result<usize, HttpError> {
        match self {
            Self::Length { left } => {
                let len = input.len().min(*left);
                *left -= len;
                if len > 0 {
                    content(&input[..len]);
                }
                Ok(len)
            }
            Self::Chunked(reader) => Ok(reader.read(input, content)?),
            Self::UntilClose => {
                content(input);
                Ok(input.len())
            }
        }
    }

    /// True when the body has come whole. One that ends with its connection never says so.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Length { left } => *left == 0,
            Self::Chunked(reader) => reader.is_done(),
            Self::UntilClose => false,
        }
    }

    /// Takes note that the connection has ended: [`HttpError::Truncated`] where that cuts the body off (RFC 9112, section 8).
    pub fn end(&self) -> Result<(), HttpError> {
        match self {
            Self::UntilClose => Ok(()),
            Self::Length { .. } | Self::Chunked(_) if self.is_done() => Ok(()),
            Self::Length { .. } | Self::Chunked(_) => Err(HttpError::Truncated),
        }
    }
}

/// A body and the length of what carries it.
pub(super) type Carried<'a> = (Cow<'a, [u8]>, usize);

/// The body at the start of `bytes`; `None` when it has not come whole. One of more than [`MAX_BODY`] is refused as soon as it is
/// known to be.
pub(super) fn whole_body<'a>(head: &Head, bytes: &'a [u8]) -> Result<Option<Carried<'a>>, HttpError> {
    let whole: Option<Carried<'a>> = match head.body {
        Body::Length(len) if len > MAX_BODY => return Err(HttpError::TooLarge),
        Body::Length(len) => bytes.get(..len).map(|body| (Cow::Borrowed(body), len)),
        Body::UntilClose => None,
        Body::Chunked => {
            let mut reader = chunked::Reader::default();
            let mut body = Vec::new();
            let used = reader.read(bytes, |piece| body.extend_from_slice(piece))?;
            reader.is_done().then_some((Cow::Owned(body), used))
        }
    };
    if whole.is_none() && bytes.len() > MAX_BODY {
        return Err(HttpError::TooLarge);
    }
    Ok(whole)
}
