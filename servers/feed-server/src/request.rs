//! A plain request: one that has come whole and asks nothing of HTTP but an answer, read without hyper.

use std::mem::MaybeUninit;

use axum::body::Body;
use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use crate::takeover::closes;

/// Header fields of a plain request: what browsers send is half of it. A request with more is hyper's, which takes 100.
const FIELDS_MAX: usize = 32;

/// What stands at the front of the bytes that have come.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once; a box would be one allocation more a request"
)]
pub(crate) enum Front {
    /// A plain request, taken off.
    Plain(Request<Body>),
    /// Nothing at all.
    Nothing,
    /// Nothing but the beginning of a request.
    Part,
    /// What is hyper's to judge: too large a head, another version, a body without a length, an expectation, the last request, no request at all.
    Foreign,
}

/// Takes a plain request, with a head of at most `head_max` bytes, off the front of `bytes`; leaves them alone if there is none.
///
/// Read by the parser that hyper uses, with its rules; a body is delimited as RFC 9112, section 6.3 says.
pub(crate) fn take(bytes: &mut Bytes, head_max: usize) -> Front {
    if bytes.is_empty() {
        return Front::Nothing;
    }
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut []);
    let len = match head.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(len)) if len <= head_max => len,
        Ok(httparse::Status::Complete(_)) => return Front::Foreign,
        Ok(httparse::Status::Partial) => return Front::Part,
        Err(_) => return Front::Foreign,
    };
    let Some(read) = read(&head, bytes) else { return Front::Foreign };
    let whole = len.saturating_add(read.body_len);
    if whole > bytes.len() {
        return Front::Part;
    }
    let Read { method, uri, headers, body_len } = read;
    let body = if body_len == 0 { Body::empty() } else { Body::from(bytes.slice(len..whole)) };
    bytes.advance(whole);
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Front::Plain(request)
}

/// A head that is plain, and how many bytes of body follow it.
struct Read {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body_len: usize,
}

fn read(head: &httparse::Request<'_, '_>, bytes: &Bytes) -> Option<Read> {
    let method = Method::from_bytes(head.method?.as_bytes()).ok()?;
    let path = head.path?;
    // The forms of a target that go to proxies have their own rules (RFC 9112, section 3.2).
    if head.version? != 1 || !path.starts_with('/') {
        return None;
    }
    let uri = Uri::from_maybe_shared(bytes.slice_ref(path.as_bytes())).ok()?;
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    let mut body_len = None;
    for field in &*head.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value)).ok()?;
        match name {
            TRANSFER_ENCODING | EXPECT => return None,
            CONNECTION if closes(&value) => return None,
            CONTENT_LENGTH if body_len.is_some() => return None,
            CONTENT_LENGTH => body_len = Some(length(field.value)?),
            _ => {}
        }
        headers.append(name, value);
    }
    Some(Read { method, uri, headers, body_len: body_len.unwrap_or(0) })
}

/// Digits and nothing else, as RFC 9110, section 8.6 has them; no sign, which `parse` would take.
fn length(value: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(text: &str) -> (Front, usize) {
        let mut bytes = Bytes::copy_from_slice(text.as_bytes());
        let front = take(&mut bytes, 8192);
        (front, bytes.len())
    }

    #[test]
    fn a_plain_request_is_taken_off_with_its_body_and_no_more() {
        let (front, left) =
            front("POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Y: 1\r\nx-y: 2\r\nContent-Length: 3\r\n\r\n123GET");
        let Front::Plain(request) = front else { panic!("{front:?}") };
        assert_eq!((request.method(), request.uri().path(), request.uri().query()), (&Method::POST, "/a", Some("b=c")));
        assert_eq!(request.headers().get_all("x-y").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(axum::body::HttpBody::size_hint(request.body()).exact(), Some(3));
        assert_eq!(left, 3);
    }

    #[test]
    fn what_has_not_come_whole_is_left_alone() {
        for text in ["G", "GET / HTTP/1.1\r\n", "\r\n", "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n12"] {
            let (front, left) = front(text);
            assert!(matches!(front, Front::Part) && left == text.len(), "{text}: {front:?}");
        }
    }

    #[test]
    fn what_asks_for_more_than_an_answer_is_hypers() {
        let field = |field: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n0\r\n\r\n");
        let cases = [
            field("Transfer-Encoding: chunked"),
            field("Expect: 100-continue"),
            field("Connection: keep-alive, Close"),
            field("Connection: keep-alive\r\nConnection: close"),
            field("Content-Length: 1\r\nContent-Length: 1"),
            field("Content-Length: +1"),
            field("Content-Length: 0x1"),
            field("Content-Length:"),
            field("Content-Length: 99999999999999999999"),
            field(&"a: b\r\n".repeat(FIELDS_MAX)),
            field(&format!("a: {}", "b".repeat(8192))),
            field(" folded"),
            "GET / HTTP/1.0\r\n\r\n".to_owned(),
            "GET http://x/ HTTP/1.1\r\n\r\n".to_owned(),
            "OPTIONS * HTTP/1.1\r\n\r\n".to_owned(),
            "CONNECT x:1 HTTP/1.1\r\n\r\n".to_owned(),
            "\0".to_owned(),
        ];
        for text in cases {
            let (front, left) = front(&text);
            assert!(matches!(front, Front::Foreign) && left == text.len(), "{text}: {front:?}");
        }
    }
}
