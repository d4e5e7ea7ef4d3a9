//! The little of HTTP/1.1 (RFC 9110, RFC 9112) that a simulated client needs: reading responses, to the byte.
//!
//! `docs/response-syntax.md` says rule by rule what is accepted; each row of it is a test in `syntax.rs`.

mod answer;
mod body;
mod fields;
mod head;
#[cfg(test)]
mod syntax;
mod wrong_status;

pub use answer::{read_answer, read_whole, take_answer};
pub use body::{Body, BodyReader, MAX_BODY};
pub use head::{Coding, Head, MAX_FIELDS, MAX_HEAD, read_head, read_head_with};
pub use wrong_status::{WrongStatus, first_words};

use std::io;

use feed::framings::chunked::ChunkError;

/// What can go wrong while reading an answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer does not speak HTTP/1.1.
    #[error("not an HTTP/1.1 answer: {0}")]
    NotHttp(String),
    /// The head is larger than any that is read.
    #[error("an answer with a head of more than {MAX_HEAD} bytes, which is the most that loadgen reads")]
    HeadTooLarge,
    /// The head has more fields than any that is read.
    #[error("an answer with more than {MAX_FIELDS} header fields, which is the most that loadgen reads")]
    TooManyFields,
    /// The peer's body is malformed.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// The body is larger than any that is read whole.
    #[error("an answer with a body of more than {MAX_BODY} bytes, which is the most that loadgen reads")]
    TooLarge,
    /// The content is coded, which nobody asked for (RFC 9110, section 8.4; RFC 9112, section 7).
    #[error(
        "the answer is coded ({0}): loadgen did not ask for that and does not decode it; switch compression off in the server or \
         the proxy before it, or give the target the header Accept-Encoding = \"identity\""
    )]
    Coded(Coding),
    /// The stream ended before the answer did.
    #[error("the connection ended in the middle of an answer")]
    Truncated,
    /// Over TLS, the stream ended without the alert that tells an end from a cut, and the answer with it (RFC 9112, section 9.8).
    #[error(
        "the connection ended without a close_notify alert, so an answer that ends with it may be cut off (RFC 9112 9.8)"
    )]
    NotClosed,
    /// The connection was closed where an answer should have begun.
    #[error("the connection was closed instead of an answer")]
    Closed,
}
