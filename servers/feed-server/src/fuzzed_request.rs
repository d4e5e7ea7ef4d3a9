//! What `scripts/fuzz` may touch of how requests are read; nothing in the server uses it.

use bytes::Bytes;

use crate::request;

/// Bytes that a head may have.
const HEAD_MAX: usize = 16 << 10;

/// What stands at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// A plain request of `len` bytes, the last `body_len` of them its body.
    Plain {
        /// Bytes of all of it.
        len: usize,
        /// Bytes of its body.
        body_len: usize,
    },
    /// Nothing at all.
    Nothing,
    /// The beginning of a request.
    Part,
    /// What hyper shall read.
    Foreign,
}

/// Looks at the front of `bytes`.
///
/// # Panics
///
/// When bytes that are no plain request were taken off, or a body has no length.
pub fn front(bytes: &[u8]) -> Front {
    use axum::body::HttpBody;
    let mut left = Bytes::copy_from_slice(bytes);
    let front = match request::take(&mut left, HEAD_MAX) {
        request::Front::Plain(request) => {
            let body_len = request.body().size_hint().exact().expect("the body has come whole") as usize;
            return Front::Plain { len: bytes.len() - left.len(), body_len };
        }
        request::Front::Nothing => Front::Nothing,
        request::Front::Part => Front::Part,
        request::Front::Foreign => Front::Foreign,
    };
    assert_eq!(left, bytes, "what is not taken stays");
    front
}
