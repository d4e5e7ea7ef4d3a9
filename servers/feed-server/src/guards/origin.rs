//! The guard against other people's pages: a browser says in `Origin` whose page asks, and that page has to be allowed.
//!
//! Browsers let any page open a WebSocket to any server, and send it simple requests, with this machine's or this network's rights
//! (RFC 6455, section 10.2). Who sends no `Origin` is no page: programs are asked for a token, if for anything.

use std::str::FromStr;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use super::count::Guard;
use crate::refusal::Refusal;

/// What pages of an allowed origin may send beyond what every page may.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
/// The last three are what EventSource polyfills send by themselves: `Cache-Control` (npm's `eventsource`, remy's polyfill), `Pragma` beside
/// it, and `X-Requested-With` (remy's).
const FIELDS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-none-match, last-event-id, cache-control, pragma, x-requested-with",
);
/// What they may read beyond the body.
const EXPOSED: HeaderValue = HeaderValue::from_static("etag, retry-after, www-authenticate");
/// Seconds that a browser may remember the answer to a preflight: a server that is started with another list is believed then.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// A value of `--allow-origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// Pages of every origin.
    Any,
    /// Pages that have none of their own, which call it `null`: of a file, or in a sandbox.
    Null,
    /// Pages of this one (RFC 6454, section 4): scheme, host in lower case, port.
    One(String, String, u16),
}

impl FromStr for AllowedOrigin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "*" => Ok(Self::Any),
            _ => read(text).ok_or(
                "expected an origin as browsers send it, scheme://host or scheme://host:port without a path, for example \
                 https://app.example.com; or `null`, or `*` for any",
            ),
        }
    }
}

/// Reads an origin as RFC 6454, section 6.2 writes it. A scheme whose default port is not known has to name one.
fn read(origin: &str) -> Option<AllowedOrigin> {
    if origin == "null" {
        return Some(AllowedOrigin::Null);
    }
    let (scheme, authority) = origin.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (host, port) = place(authority, &scheme)?;
    Some(AllowedOrigin::One(scheme, host, port))
}

/// Host and port of an authority, the port of `scheme` where it names none.
fn place(authority: &str, scheme: &str) -> Option<(String, u16)> {
    let authority: Authority = authority.parse().ok()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let port = match (authority.port(), scheme) {
        (Some(port), _) => port.as_str().parse().ok()?,
        (None, "http" | "ws") => 80,
        (None, "https" | "wss") => 443,
        (None, _) => return None,
    };
    Some((authority.host().to_ascii_lowercase(), port))
}

/// The origins whose pages may use this server, beside its own.
#[derive(Debug)]
pub(crate) struct Origins {
    allowed: Vec<AllowedOrigin>,
}

impl Origins {
    /// As `--allow-origin` says.
    pub(crate) fn new(allowed: &[AllowedOrigin]) -> Self {
        Self { allowed: allowed.to_vec() }
    }

    /// Lets a request in, with what its answer has to say if it is of another origin's page.
    pub(crate) fn admit(&self, request: &Request<Body>) -> Result<Option<Cors>, Refusal> {
        let Some(origin) = request.headers().get(ORIGIN) else { return Ok(None) };
        let from = origin.to_str().ok().and_then(read);
        if from.as_ref().is_some_and(|from| is_here(from, request)) {
            return Ok(None);
        }
        let any = self.allowed.contains(&AllowedOrigin::Any);
        if !any && from.is_none_or(|from| !self.allowed.contains(&from)) {
            return Err(refusal(origin));
        }
        Ok(Some(Cors(if any { HeaderValue::from_static("*") } else { origin.clone() })))
    }
}

/// True when a page comes from where it asks: what its browser calls the server is where it has the page from.
fn is_here(from: &AllowedOrigin, request: &Request<Body>) -> bool {
    let AllowedOrigin::One(scheme, host, port) = from else { return false };
    let named = match request.headers().get(HOST) {
        Some(named) => named.to_str().ok(),
        None => request.uri().authority().map(Authority::as_str),
    };
    named.and_then(|named| place(named, scheme)).is_some_and(|here| here.0 == *host && here.1 == *port)
}

fn refusal(origin: &HeaderValue) -> Refusal {
    let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
    let error = format!(
        "pages of {origin} may not use this server: expected one of its own, or of an origin that --allow-origin names"
    );
    Refusal::new(StatusCode::FORBIDDEN, error).by(Guard::Origin)
}

/// What an answer says so that a browser shows it to a page of another origin (the Fetch standard, "CORS protocol").
#[derive(Debug, Clone)]
pub(crate) struct Cors(HeaderValue);

impl Cors {
    /// Says it in the head of an answer.
    pub(crate) fn dress(&self, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.append(VARY, HeaderValue::from_static("origin"));
    }

    /// The answer to a browser that asks whether such a page may ask, if that is what it does. It brings no token yet.
    pub(crate) fn preflight(request: &Request<Body>) -> Option<Response> {
        if request.method() != Method::OPTIONS || !request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let headers = [
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, FIELDS),
            (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ];
        Some((StatusCode::NO_CONTENT, headers).into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(allowed: &[&str], origin: &str, host: &str) -> bool {
        let allowed: Vec<AllowedOrigin> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        let request = Request::get("/").header(ORIGIN, origin).header(HOST, host).body(Body::empty()).unwrap();
        Origins::new(&allowed).admit(&request).is_ok()
    }

    #[test]
    fn a_page_is_at_home_where_host_and_port_are_the_servers() {
        for (origin, host) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://Example.COM", "example.com"),
            ("http://example.com", "example.com:80"),
            ("https://example.com", "example.com"),
            ("https://example.com:443", "EXAMPLE.com"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert!(admitted(&[], origin, host), "{origin} at {host}");
        }
        for (origin, host) in [
            ("http://127.0.0.1:8081", "127.0.0.1:8080"),
            ("http://example.com", "example.com:8080"),
            ("https://example.com", "example.com:80"),
            ("http://example.com.evil.test", "example.com"),
            ("http://example.com@evil.test", "evil.test"),
            ("null", "null"),
            ("example.com", "example.com"),
            ("http://", ""),
            ("", ""),
        ] {
            assert!(!admitted(&[], origin, host), "{origin} at {host}");
        }
    }

    #[test]
    fn an_origin_is_allowed_whole_or_not_at_all() {
        assert!(admitted(&["https://app.test"], "https://app.test:443", "h"));
        assert!(admitted(&["http://x.test", "https://app.test:8443"], "https://App.test:8443", "h"));
        for other in ["http://app.test", "https://app.test:8443", "https://sub.app.test", "https://app.test.evil.test"]
        {
            assert!(!admitted(&["https://app.test"], other, "h"), "{other}");
        }
        assert!(admitted(&["null"], "null", "h") && !admitted(&["https://app.test"], "null", "h"));
        for any in ["https://app.test", "null", "what is this"] {
            assert!(admitted(&["*"], any, "h"));
        }
    }

    #[test]
    fn what_is_no_origin_is_not_taken_for_one() {
        for bad in [
            "",
            "app.test",
            "https://app.test/",
            "https://app.test/page",
            "https://",
            "gopher://app.test",
            "https://*.app.test/",
        ] {
            assert!(bad.parse::<AllowedOrigin>().unwrap_err().contains("https://app.example.com"), "{bad}");
        }
    }
}
