//! The bound on the body of a publication.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::StatusCode;
use hyper::body::Body as _;

use crate::refusal::Refusal;

/// Reads `body`; refuses more than `max` bytes, before reading if the client said how much it will send.
pub(crate) async fn read(body: Body, max: usize) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a body of more than {max} bytes: publish less, or raise --body-max"),
        )
    };
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    to_bytes(body, max).await.map_err(|error| {
        let source = std::error::Error::source(&error);
        match source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
            true => too_large(),
            false => Refusal::bad_request("a body that ended before it was whole"),
        }
    })
}
