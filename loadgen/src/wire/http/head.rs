//! The head of a response (RFC 9112, sections 4 and 5): status line and fields, as leniently as a user agent must read them.

use std::borrow::Cow;
use std::fmt;
use std::mem::MaybeUninit;
use std::time::Duration;

use super::{Body, HttpError, fields};
pub use crate::read_limits::{MAX_FIELDS, MAX_HEAD};

/// Longest first line that is quoted, bytes: a page without line breaks is not carried along. Whoever shows it cuts it further,
/// once there is no secret in it, which no cut must divide.
const LONGEST_LINE: usize = 4 * 1024;
/// Longest name of a coding that is told, bytes.
const LONGEST_CODING: usize = 40;

/// The head of an answer, as far as a client of a feed looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// `ETag`: its opaque tag, quotes and `W/` removed.
    pub etag: Option<String>,
    /// `Sec-WebSocket-Accept`.
    pub websocket_accept: Option<String>,
    /// `Sec-WebSocket-Extensions`, unless it is empty.
    pub websocket_extensions: Option<String>,
    /// `Sec-WebSocket-Protocol`, unless it is empty.
    pub websocket_protocol: Option<String>,
    /// `Content-Type` without parameters, in lower case.
    pub content_type: Option<String>,
    /// `Retry-After`: how long to wait from when the answer was sent, or, where it has no `Date`, from now.
    pub retry_after: Option<Duration>,
    /// `Location` of an answer that is no success.
    pub location: Option<String>,
    /// True when the connection may carry another request once the body is read (RFC 9112, section 9.3).
    pub keeps_alive: bool,
    /// How the body is delimited.
    pub body: Body,
    /// What the content is coded with besides chunks; nobody asked for it, and nothing here decodes it.
    pub coding: Option<Coding>,
    /// Values of the fields that were asked for by name, as they came; the last one where there are several.
    pub wanted: Vec<Option<String>>,
}

impl Head {
    /// Fails where the content is coded, so that nobody looks for text in it.
    pub fn ensure_plain(&self) -> Result<(), HttpError> {
        self.coding.as_ref().map_or(Ok(()), |coding| Err(HttpError::Coded(coding.clone())))
    }
}

/// True of names that change nothing: `identity`, and what recipes for event streams give so that no proxy compresses, or take for a character
/// set. None is registered as a coding, and browsers read such answers as they are.
fn is_no_coding(name: &str) -> bool {
    ["identity", "none", "utf-8", "utf8", "binary"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A coding that was not asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// The field that names it.
    pub field: &'static str,
    /// Its name, or several in the order in which they were applied.
    pub name: String,
}

impl Coding {
    /// Adds what one more element of `field` names to what was `known`.
    fn add(known: &mut Option<Self>, field: &'static str, element: &str) {
        let coding = known.get_or_insert_with(|| Self { field, name: String::new() });
        let separator = if coding.name.is_empty() { "" } else { ", " };
        if coding.name.len() + element.len() < LONGEST_CODING {
            coding.name = format!("{}{separator}{}", coding.name, element.to_ascii_lowercase());
        } else if !coding.name.ends_with("...") {
            coding.name.push_str("...");
        }
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.name)
    }
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
        if passed > MAX_HEAD {
            return Err(HttpError::HeadTooLarge);
        }
        if !matches!(head.status, 100 | 102..=199) {
            return Ok(Some((passed, head)));
        }
    }
    if bytes.len() > MAX_HEAD { Err(HttpError::HeadTooLarge) } else { Ok(None) }
}

/// The head of whatever is answered first, and its length.
fn read_next_head(bytes: &[u8], wanted: &[String]) -> Result<Option<(usize, Head)>, HttpError> {
    let bytes = &*as_one_dot_one(bytes);
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    match parsed {
        Ok(httparse::Status::Complete(len)) => Ok(Some((len, digest(&response, wanted)?))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(HttpError::TooManyFields),
        Err(error) => Err(HttpError::NotHttp(format!("{error} in `{}`", first_line(bytes)))),
    }
}

/// A later minor version is read as the one that we know (RFC 9110, section 2.5).
fn as_one_dot_one(bytes: &[u8]) -> Cow<'_, [u8]> {
    const BEFORE: &[u8] = b"HTTP/1.";
    let start = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    match bytes[start..].strip_prefix(BEFORE) {
        Some([b'2'..=b'9', b' ', ..]) => {
            let mut bytes = bytes.to_vec();
            bytes[start + BEFORE.len()] = b'1';
            Cow::Owned(bytes)
        }
        _ => Cow::Borrowed(bytes),
    }
}

/// What the fields of a whole head say together.
fn digest(response: &httparse::Response<'_, '_>, wanted: &[String]) -> Result<Head, HttpError> {
    let status = response.code.expect("a complete head has a status");
    let is_current = response.version == Some(1);
    let mut head = Head {
        status,
        etag: None,
        websocket_accept: None,
        websocket_extensions: None,
        websocket_protocol: None,
        content_type: None,
        retry_after: None,
        location: None,
        keeps_alive: false,
        body: Body::UntilClose,
        coding: None,
        wanted: vec![None; wanted.len()],
    };
    let (mut length, mut transfer) = (Ok(None), Vec::new());
    let (mut closes, mut keeps) = (false, false);
    let (mut retry_after, mut date) = (None, None);
    for field in response.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        let text = || fields::text(field.value);
        if is("content-length") {
            length = length.and_then(|known| fields::content_length(known, &text()));
        } else if is("transfer-encoding") {
            transfer.extend(fields::elements(&text()).map(str::to_ascii_lowercase));
        } else if is("connection") {
            for option in fields::elements(&text()) {
                closes |= option.eq_ignore_ascii_case("close");
                keeps |= option.eq_ignore_ascii_case("keep-alive");
            }
        } else if is("content-encoding") {
            let text = text();
            for coding in fields::elements(&text).filter(|coding| !is_no_coding(coding)) {
                Coding::add(&mut head.coding, "Content-Encoding", coding);
            }
        } else if is("retry-after") {
            retry_after = Some(text());
        } else if is("location") && status >= 300 {
            head.location = Some(text().into_owned());
        } else if is("date") {
            date = Some(text());
        } else if is("etag") {
            head.etag = Some(fields::opaque_tag(&text()).to_owned());
        } else if is("sec-websocket-accept") {
            head.websocket_accept = Some(text().into_owned());
        } else if is("sec-websocket-extensions") {
            head.websocket_extensions = Some(text().into_owned()).filter(|text| !text.is_empty());
        } else if is("sec-websocket-protocol") {
            head.websocket_protocol = Some(text().into_owned()).filter(|text| !text.is_empty());
        } else if is("content-type") {
            head.content_type = Some(fields::essence(&text()));
        }
        for (value, _) in head.wanted.iter_mut().zip(wanted).filter(|(_, name)| is(name)) {
            *value = Some(text().into_owned());
        }
    }
    head.retry_after = retry_after.and_then(|value| fields::retry_after(&value, date.as_deref()));
    // Deprecated, and still said by old servers: it changes nothing.
    transfer.retain(|coding| coding != "identity");
    head.body = match (status, transfer.split_last()) {
        (100..=199 | 204 | 304, _) => Body::Length(0),
        (_, Some((last, _))) if last == "chunked" => Body::Chunked,
        (_, Some(_)) => Body::UntilClose,
        (_, None) => length?.map_or(Body::UntilClose, Body::Length),
    };
    // One `chunked` is taken off; whatever else is in the list stays on the content.
    if head.body == Body::Chunked {
        transfer.pop();
    }
    if head.body != Body::Length(0) {
        transfer.iter().for_each(|coding| Coding::add(&mut head.coding, "Transfer-Encoding", coding));
    }
    let is_delimited = head.body != Body::UntilClose && (is_current || head.body != Body::Chunked);
    head.keeps_alive = !closes && (is_current || keeps) && is_delimited;
    Ok(head)
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|&b| b == b'\r' || b == b'\n').find(|line| !line.is_empty()).unwrap_or_default();
    String::from_utf8_lossy(&line[..line.len().min(LONGEST_LINE)]).into_owned()
}
