//! The guard that asks for a token: a JWT (RFC 7519) in `Authorization: Bearer`, or in the query for browsers' EventSource and WebSocket.
//!
//! It takes the token out of the request, so that nothing behind it can show it to anybody. A Socket.IO client may show it later, when it
//! enters the namespace.

use axum::body::Body;
use feed::SOCKET_IO_PATH;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, StatusCode, Uri};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{decode, decode_header};
use serde_json::Value;

use super::count::Guard;
use super::grants::{Claims, Pass};
use super::keys::Keys;
use crate::refusal::Refusal;

/// What is told without a token: that the server is there, and how it does, for those who watch it.
const OPEN: [&str; 5] = ["/", "/healthz", "/readyz", "/stats", "/metrics"];
/// The field of a query that holds a token (RFC 6750, section 2.3).
const FIELD: &str = "access_token";

/// Lets a request in that shows a good token, with a [`Pass`] in its stead; all of them when there are no keys. One of Socket.IO that shows
/// none comes in without a pass: its session is asked by [`enter`].
pub(crate) fn admit(keys: Option<&Keys>, request: &mut Request<Body>) -> Result<(), Refusal> {
    let Some(keys) = keys else { return Ok(()) };
    let token = take(request)?;
    if OPEN.contains(&request.uri().path()) {
        return Ok(());
    }
    let Some(token) = token else {
        return if request.uri().path() == SOCKET_IO_PATH { Ok(()) } else { Err(missing()) };
    };
    let pass = check(keys, &token)?;
    request.extensions_mut().insert(pass);
    Ok(())
}

/// The pass of a Socket.IO client that enters: of the token that its CONNECT packet shows (Socket.IO protocol, revision 5: the payload
/// of CONNECT), or else what was shown at the handshake, `pass`. `None` only when there are no keys.
pub(crate) fn enter(keys: Option<&Keys>, shown: Option<&Value>, pass: Option<&Pass>) -> Result<Option<Pass>, Refusal> {
    let Some(keys) = keys else { return Ok(None) };
    match (shown, pass) {
        (Some(Value::String(token)), _) => check(keys, token).map(Some),
        (None | Some(Value::Null), Some(pass)) => Ok(Some(pass.clone())),
        (None | Some(Value::Null), None) => Err(missing_auth()),
        (Some(_), _) => Err(invalid("expected a string")),
    }
}

/// Takes the token out of the request.
fn take(request: &mut Request<Body>) -> Result<Option<String>, Refusal> {
    let shown = take_from_headers(request.headers_mut());
    let written = take_from_query(request.uri_mut());
    match (shown, written) {
        (Some(token), None) | (None, Some(Ok(token))) => Ok(Some(token)),
        (None, None) => Ok(None),
        _ => Err(refusal(
            StatusCode::BAD_REQUEST,
            r#"Bearer realm="feed", error="invalid_request""#,
            "more than one token: expected one, in Authorization or in access_token",
        )),
    }
}

fn take_from_headers(headers: &mut HeaderMap) -> Option<String> {
    let field = headers.remove(AUTHORIZATION)?;
    let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// `Err` when there are several.
fn take_from_query(uri: &mut Uri) -> Option<Result<String, ()>> {
    let query = uri.query().filter(|query| query.contains(FIELD))?;
    let is_token = |field: &&str| field.split_once('=').is_some_and(|(name, _)| name == FIELD);
    let (tokens, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_token);
    let token = match tokens[..] {
        [] => return None,
        // All characters of a token are written in a query as they are.
        [one] => Ok(one[FIELD.len() + 1..].to_owned()),
        _ => Err(()),
    };
    let kept = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
    let kept = format!("{}{kept}", uri.path());
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(kept).expect("it is what is left of one"));
    *uri = Uri::from_parts(parts).expect("a URI without its query's field is one");
    Some(token)
}

fn check(keys: &Keys, token: &str) -> Result<Pass, Refusal> {
    let header = decode_header(token).map_err(|_| invalid("it is no JWT signed by HS256 or EdDSA"))?;
    if header.crit.is_some() {
        return Err(invalid("it asks for extensions (crit), of which none is known"));
    }
    for key in keys.of(header.alg, header.kid.as_deref()) {
        match decode::<Claims>(token, &key.key, &key.validation) {
            Ok(token) => {
                let pass = Pass::new(token.claims);
                // The library counts in whole seconds, rounded.
                return if pass.lease().is_over() { Err(expired()) } else { Ok(pass) };
            }
            Err(error) => match error.kind() {
                ErrorKind::InvalidSignature => {}
                // What a library says of a claim may repeat it: these are our own words.
                ErrorKind::ExpiredSignature => return Err(expired()),
                ErrorKind::ImmatureSignature => return Err(invalid("it is not valid yet (nbf)")),
                ErrorKind::InvalidAudience => return Err(invalid("it is for somebody else (aud)")),
                ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => {
                    return Err(invalid("it does not say for whom it is (aud)"));
                }
                ErrorKind::MissingRequiredClaim(_) => return Err(invalid("it does not say when it expires (exp)")),
                _ => return Err(invalid("its claims make no sense: read and write are lists of topics, exp a time")),
            },
        }
    }
    Err(invalid("it is not signed by a key of this server"))
}

/// 401 (RFC 6750, section 3): nothing was shown.
pub(crate) fn missing() -> Refusal {
    let error = "expected a token: `Authorization: Bearer TOKEN`, or `access_token=TOKEN` in the query";
    refusal(StatusCode::UNAUTHORIZED, r#"Bearer realm="feed""#, error)
}

/// The same, for a Socket.IO client that enters.
fn missing_auth() -> Refusal {
    let error =
        r#"expected a token: as auth, {"token":"TOKEN"}, or in the handshake as `access_token=TOKEN` in the query"#;
    refusal(StatusCode::UNAUTHORIZED, r#"Bearer realm="feed""#, error)
}

/// 401: what was shown is not good.
fn invalid(why: &str) -> Refusal {
    let error = format!("the token is not good: {why}");
    refusal(StatusCode::UNAUTHORIZED, r#"Bearer realm="feed", error="invalid_token""#, &error)
}

/// 401: what was shown has been good until now.
pub(crate) fn expired() -> Refusal {
    invalid("it has expired")
}

fn refusal(status: StatusCode, challenge: &'static str, error: &str) -> Refusal {
    Refusal::new(status, error.to_owned()).with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge)).by(Guard::Token)
}
