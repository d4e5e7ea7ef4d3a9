//! The bounds on the body of a publication: its size, and the time it takes to come.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::StatusCode;
use hyper::body::Body as _;
use tokio::time::timeout;

use super::count::Guard;
use crate::refusal::Refusal;

/// Reads `body` to its end; refuses more than `max` bytes, which is what `flag` says, before reading if the client said how much it
/// will send.
pub(crate) async fn read(body: Body, max: usize, flag: &str, patience: Duration) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a body of more than {max} bytes: send less, or raise {flag}"),
        )
        .by(Guard::BodyMax)
    };
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let Ok(read) = timeout(patience, to_bytes(body, max)).await else {
        let error = format!("a body that was not whole after {} seconds", patience.as_secs_f64());
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, error));
    };
    read.map_err(|error| {
        let source = std::error::Error::source(&error);
        match source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
            true => too_large(),
            false => Refusal::bad_request("a body that ended before it was whole"),
        }
    })
}
