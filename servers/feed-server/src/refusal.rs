//! Every refusal: a status, and a JSON error that says what was expected.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use crate::app::App;
use crate::guards::count::Guard;
use crate::takeover;

/// Why a request is not carried out.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: Cow<'static, str>,
    header: Option<(HeaderName, HeaderValue)>,
    guard: Option<Guard>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: impl Into<Cow<'static, str>>) -> Self {
        Self { status, error: error.into(), header: None, guard: None }
    }

    /// 400: the request makes no sense to us.
    pub(crate) fn bad_request(error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// 503: a bound is reached; later may work.
    pub(crate) fn overloaded(error: impl Into<Cow<'static, str>>) -> Self {
        Self::unavailable(error, 1)
    }

    /// 503: what is needed is not there; it may be after so many seconds.
    pub(crate) fn unavailable(error: impl Into<Cow<'static, str>>, retry_after_s: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error).with(RETRY_AFTER, retry_after_s.into())
    }

    /// 400: the bytes of a body would be taken for the next request.
    pub(crate) fn subscription_with_a_body() -> Self {
        Self::bad_request("a request to subscribe has no body")
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// Counts as one of `guard`.
    pub(crate) fn by(mut self, guard: Guard) -> Self {
        self.guard = Some(guard);
        self
    }

    /// What was expected, for who is not told over HTTP; counted.
    pub(crate) fn into_counted(self, app: &App) -> String {
        if let Some(guard) = self.guard {
            app.stats.refusals.add(guard);
        }
        self.error.into_owned()
    }

    /// The guard that it counts as one of.
    pub(crate) fn guard(&self) -> Option<Guard> {
        self.guard
    }

    /// The body of the answer.
    fn body(&self) -> String {
        json!({ "error": self.error }).to_string()
    }

    /// As the bytes of a connection's last answer, for who has taken the socket.
    pub(crate) fn last_answer(self) -> Vec<u8> {
        let body = self.body();
        let mut headers: HeaderMap = self.header.into_iter().collect();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, body.len().into());
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let mut answer = takeover::head(self.status, &headers);
        answer.extend_from_slice(body.as_bytes());
        answer
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut response =
            (self.status, headers, self.header.clone().map(|header| [header]), self.body()).into_response();
        if let Some(guard) = self.guard {
            response.extensions_mut().insert(guard);
        }
        response
    }
}
