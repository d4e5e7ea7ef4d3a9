//! What a reader asks for, whatever the transport: where it wants to start, checked.

use axum::extract::Query;
use feed::{After, Cursor};
use http::header::IF_NONE_MATCH;
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::refusal::Refusal;

/// The parameters that every transport takes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Where to start.
    pub(crate) after: Option<String>,
}

/// Reads the query; a parameter that is unknown here is refused by name.
pub(crate) fn params<P: DeserializeOwned + Default>(uri: &Uri) -> Result<P, Refusal> {
    if uri.query().is_none() {
        return Ok(P::default());
    }
    Query::try_from_uri(uri).map(|Query(params)| params).map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Refusal::bad_request(format!("bad query: {cause}"))
    })
}

/// Reads the `after` parameter.
pub(crate) fn after(param: Option<&str>) -> Result<Option<After>, Refusal> {
    let malformed = |error: feed::CursorError| Refusal::bad_request(format!("{error}, or `earliest`"));
    param.map(|text| text.parse().map_err(malformed)).transpose()
}

/// The cursor that `If-None-Match` holds, if it holds one of ours: an `ETag` that we did not make matches nothing.
pub(crate) fn if_none_match(headers: &HeaderMap) -> Option<Cursor> {
    let value = headers.get(IF_NONE_MATCH)?.to_str().ok()?.trim();
    let value = value.strip_prefix("W/").unwrap_or(value);
    value.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}
