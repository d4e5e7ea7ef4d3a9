//! The little of HTTP/1.1 (RFC 9112) that a simulated client needs: reading answers, to the byte.

use std::borrow::Cow;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use feed::framings::chunked::{self, ChunkError};

use super::Connection;

/// Most header fields of an answer.
const MAX_HEADERS: usize = 64;
/// Largest head of an answer, bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Longest first line that is quoted, bytes: a page without line breaks is not carried along. Whoever shows it cuts it further,
/// once there is no secret in it, which no cut must divide.
const LONGEST_LINE: usize = 4 * 1024;
/// Largest body of an answer that is read whole, bytes: a poll brings what was published since the last one, which is less by
/// far, and thousands of clients that each collect a body without end would fill our memory. A larger one is an error.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// What can go wrong while reading an answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer does not speak HTTP/1.1.
    #[error("not an HTTP/1.1 answer: {0}")]
    NotHttp(String),
    /// The peer's body is malformed.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// The body is larger than any that is read whole.
    #[error("an answer with a body of more than {MAX_BODY} bytes")]
    TooLarge,
    /// The stream ended before the answer did.
    #[error("the connection ended in the middle of an answer")]
    Truncated,
    /// The connection was closed where an answer should have begun.
    #[error("the connection was closed instead of an answer")]
    Closed,
}

/// The head of an answer, as far as a client of a feed looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// `ETag`, quotes removed.
    pub etag: Option<String>,
    /// `Sec-WebSocket-Accept`.
    pub websocket_accept: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Retry-After` in seconds; a date, which it may be as well, is not looked at.
    pub retry_after: Option<Duration>,
    /// True when the connection may carry another request.
    pub keeps_alive: bool,
    /// How the body is delimited.
    pub body: Body,
    /// Values of the fields that were asked for by name, as they came.
    pub wanted: Vec<Option<String>>,
}

/// How a body is delimited (RFC 9112, section 6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It is this many bytes long.
    Length(usize),
    /// It is chunked.
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

/// The head of the final answer at the start of `bytes`, and where it ends; `None` when it has not come whole. What a server says meanwhile
/// (RFC 9110, section 15.2), except for a change of protocol, is passed over.
pub fn read_head(bytes: &[u8]) -> Result<Option<(usize, Head)>, HttpError> {
    read_head_with(bytes, &[])
}

/// The same, with the values of the fields named in `wanted`.
pub fn read_head_with(bytes: &[u8], wanted: &[String]) -> Result<Option<(usize, Head)>, HttpError> {
    let mut passed = 0;
    while let Some((len, head)) = read_next_head(&bytes[passed..], wanted)? {
        passed += len;
        if !matches!(head.status, 100 | 102..=199) {
            return Ok(Some((passed, head)));
        }
        if passed > MAX_HEAD {
            return Err(HttpError::NotHttp(format!("{MAX_HEAD} bytes of heads, and no final answer")));
        }
    }
    Ok(None)
}

/// The head of whatever is answered first, and its length.
fn read_next_head(bytes: &[u8], wanted: &[String]) -> Result<Option<(usize, Head)>, HttpError> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    let parsed = parsed.map_err(|e| HttpError::NotHttp(format!("{e} in `{}`", first_line(bytes))))?;
    let httparse::Status::Complete(len) = parsed else {
        if bytes.len() > MAX_HEAD {
            return Err(HttpError::NotHttp(format!("a head of more than {MAX_HEAD} bytes")));
        }
        return Ok(None);
    };
    let status = response.code.expect("a complete head has a status");
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let mut head = Head {
        status,
        etag: None,
        websocket_accept: None,
        content_type: None,
        retry_after: None,
        keeps_alive: response.version == Some(1),
        body: Body::UntilClose,
        wanted: vec![None; wanted.len()],
    };
    let mut length = None;
    for field in response.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let number = std::str::from_utf8(field.value).ok().and_then(|text| text.trim().parse().ok());
            length = Some(number.ok_or_else(|| HttpError::NotHttp("a content-length that is no number".into()))?);
        } else if is("transfer-encoding") && field.value.eq_ignore_ascii_case(b"chunked") {
            head.body = Body::Chunked;
        } else if is("connection") && field.value.eq_ignore_ascii_case(b"close") {
            head.keeps_alive = false;
        } else if is("retry-after") {
            let seconds = std::str::from_utf8(field.value).ok().and_then(|text| text.trim().parse().ok());
            head.retry_after = seconds.map(Duration::from_secs);
        } else if is("etag") {
            head.etag = Some(text(field.value).trim_matches('"').to_owned());
        } else if is("sec-websocket-accept") {
            head.websocket_accept = Some(text(field.value));
        } else if is("content-type") {
            head.content_type = Some(text(field.value));
        }
        for (value, _) in head.wanted.iter_mut().zip(wanted).filter(|(_, name)| is(name)) {
            *value = Some(text(field.value));
        }
    }
    match (status, length) {
        (100..=199 | 204 | 304, _) => head.body = Body::Length(0),
        (_, Some(length)) if head.body != Body::Chunked => head.body = Body::Length(length),
        _ => {}
    }
    head.keeps_alive &= head.body != Body::UntilClose;
    Ok(Some((len, head)))
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|&b| b == b'\r' || b == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(&line[..line.len().min(LONGEST_LINE)]).into_owned()
}

/// The head of the whole answer at the start of `bytes`, and the length of all of it; `None` when it has not come whole.
pub fn read_whole(bytes: &[u8]) -> Result<Option<(usize, Head)>, HttpError> {
    let Some((head_len, head)) = read_head(bytes)? else { return Ok(None) };
    let body = whole_body(&head, &bytes[head_len..])?;
    Ok(body.map(|(_, body_len)| (head_len + body_len, head)))
}

/// Calls `take` with the head, the fields named in `wanted` included, and the body of the answer at the start of `bytes`; returns
/// the answer's length and what `take` made of it, `None` when it has not come whole.
pub fn take_answer<T>(
    bytes: &[u8],
    wanted: &[String],
    take: impl FnOnce(Head, &[u8]) -> T,
) -> Result<Option<(usize, T)>, HttpError> {
    let Some((head_len, head)) = read_head_with(bytes, wanted)? else { return Ok(None) };
    let body = whole_body(&head, &bytes[head_len..])?;
    Ok(body.map(|(body, body_len)| (head_len + body_len, take(head, &body))))
}

/// Reads one whole answer and calls `take` with its head, the fields named in `wanted` included, its body and the instant at
/// which its end was received (ns).
pub async fn read_answer<T>(
    connection: &mut Connection,
    wanted: &[String],
    mut take: impl FnMut(Head, &[u8], u64) -> T,
) -> Result<T, HttpError> {
    let mut until_close = None;
    let answer = connection
        .read(|bytes, at| {
            let Some((head_len, head)) = read_head_with(bytes, wanted)? else { return Ok(None) };
            Ok(match whole_body(&head, &bytes[head_len..])? {
                Some((body, body_len)) => Some((head_len + body_len, take(head, &body, at))),
                None => {
                    until_close = (head.body == Body::UntilClose).then_some((head_len, head, at));
                    None
                }
            })
        })
        .await
        .map_err(|e: HttpError| e)?;
    match (answer, until_close) {
        (Some(taken), _) => Ok(taken),
        (None, Some((head_len, head, at))) => Ok(take(head, &connection.rest()[head_len..], at)),
        (None, None) if connection.rest().is_empty() => Err(HttpError::Closed),
        (None, None) => Err(HttpError::Truncated),
    }
}

/// A body and the length of what carries it.
type Carried<'a> = (Cow<'a, [u8]>, usize);

/// The body at the start of `bytes`; `None` when it has not come whole. One of more than `MAX_BODY` is refused as soon as it is
/// known to be.
fn whole_body<'a>(head: &Head, bytes: &'a [u8]) -> Result<Option<Carried<'a>>, HttpError> {
    let whole: Option<Carried<'a>> = match head.body {
        Body::Length(len) if len > MAX_BODY => return Err(HttpError::TooLarge),
        Body::Length(len) => bytes.get(..len).map(|body| (Cow::Borrowed(body), len)),
        Body::UntilClose => None,
        Body::Chunked => {
            let mut reader = chunked::Reader::default();
            let mut body = Vec::new();
            let used = reader.read(bytes, |piece| body.extend_from_slice(piece))?;
            reader.is_done().then_some((Cow::Owned(body), used))
        }
    };
    if whole.is_none() && bytes.len() > MAX_BODY {
        return Err(HttpError::TooLarge);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_delimited_as_the_rfc_says() {
        let body = |head: &str| read_head(head.as_bytes()).unwrap().unwrap().1.body;
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"), Body::Length(12));
        assert_eq!(body("HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n"), Body::Length(0));
        assert_eq!(body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\n"), Body::Chunked);
        assert_eq!(body("HTTP/1.1 200 OK\r\n\r\n"), Body::UntilClose);
    }

    #[test]
    fn a_wait_in_seconds_is_heard_and_a_date_is_not() {
        let wait = |value: &str| {
            let head = format!("HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n");
            read_head(head.as_bytes()).unwrap().unwrap().1.retry_after
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!([wait("Fri, 31 Dec 1999 23:59:59 GMT"), wait("-1")], [None, None]);
    }

    #[test]
    fn a_body_without_bounds_is_refused_however_it_is_delimited() {
        let most = vec![b'x'; MAX_BODY];
        let of = |head: &str, body: &[u8]| read_whole(&[head.as_bytes(), body].concat());
        let announced = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MAX_BODY + 1);
        assert!(matches!(of(&announced, b""), Err(HttpError::TooLarge)));
        assert!(matches!(of("HTTP/1.1 200 OK\r\n\r\n", &most), Ok(None)), "it may end yet");
        let larger = [&most[..], b"x"].concat();
        assert!(matches!(of("HTTP/1.1 200 OK\r\n\r\n", &larger), Err(HttpError::TooLarge)));
        let chunk = [b"2000000\r\n", &larger[..]].concat();
        let chunked = of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk);
        assert!(matches!(chunked, Err(HttpError::TooLarge)), "{chunked:?}");
    }

    #[test]
    fn what_is_said_meanwhile_is_no_answer() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        let (len, head) = read_head(bytes).unwrap().unwrap();
        assert_eq!((len, head.status), (bytes.len(), 204));
        assert_eq!(read_head(&bytes[..60]).unwrap(), None);
        let switched = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x00";
        let (len, head) = read_head(switched).unwrap().unwrap();
        assert_eq!((len, head.status), (switched.len() - 2, 101));
        let endless = read_head(&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD / 25 + 1));
        assert!(matches!(endless, Err(HttpError::NotHttp(_))), "{endless:?}");
    }

    #[test]
    fn what_is_no_http_is_said_with_its_first_line() {
        let error = read_head(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap_err().to_string();
        assert!(error.contains("SSH-2.0-OpenSSH_9.2"), "{error}");
    }
}
