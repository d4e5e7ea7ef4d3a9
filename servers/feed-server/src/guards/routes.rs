//! Requests for what is not there.

use http::{Method, StatusCode, Uri};

use crate::refusal::Refusal;

/// 404.
pub(crate) async fn not_found(uri: Uri) -> Refusal {
    let error = format!(
        "nothing lives at {}: expected /topics/{{topic}} or /topics/{{topic}}/{{short-poll|long-poll|sse|ws}}, /socket.io/, \
         /stats, /metrics, /healthz or /",
        uri.path()
    );
    Refusal::new(StatusCode::NOT_FOUND, error)
}

/// 405; the router adds `Allow`.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Refusal {
    let error = format!("{method} is not for {}: expected a method that the Allow header names", uri.path());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error)
}
