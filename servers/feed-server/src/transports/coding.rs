//! How the answer that is an event stream is delimited (RFC 9112, section 6.3): by the last chunk, or by the end of the connection.

use bytes::Bytes;
use feed::framings::chunked;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Version};

use crate::fanout::Form;
use crate::window::Encoded;

/// The delimiting of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// In chunks, so that a reader can tell an end from a cut.
    Chunked,
    /// As it is, and the connection ends with it: HTTP/1.0 knows no chunks (RFC 9112, section 6.1).
    UntilClose,
}

impl Coding {
    /// What a client takes that asks in this version.
    pub(super) fn of(version: Version) -> Self {
        if version < Version::HTTP_11 { Self::UntilClose } else { Self::Chunked }
    }

    /// Says it in the head of the answer.
    pub(super) fn dress(self, head: &mut HeaderMap) {
        match self {
            Self::Chunked => head.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
            Self::UntilClose => head.insert(CONNECTION, HeaderValue::from_static("close")),
        };
    }

    /// How what is published is brought to a reader who waits.
    pub(super) fn form(self) -> Form {
        match self {
            Self::Chunked => Form::Events,
            Self::UntilClose => Form::BareEvents,
        }
    }

    /// A notification, as it is written.
    pub(super) fn notification(self, entry: &Encoded) -> Bytes {
        match self {
            Self::Chunked => entry.sse(),
            Self::UntilClose => entry.event(),
        }
    }

    /// A piece of the stream, as it is written.
    pub(super) fn piece(self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Chunked => chunked::write(&bytes),
            Self::UntilClose => bytes,
        }
    }

    /// What follows the last piece, beside the end of the connection.
    pub(super) fn end(self) -> Option<&'static [u8]> {
        match self {
            Self::Chunked => Some(chunked::END),
            Self::UntilClose => None,
        }
    }
}
