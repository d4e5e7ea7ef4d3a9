//! One connection, byte by byte: for where a client library would hide what a server does.

use std::io::ErrorKind;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::answer::Answer;
use super::server::{Server, soon};
use super::step::{Held, departs, quoted};
use crate::target::{Line, Target};

/// Header fields in one answer, at most.
const FIELDS: usize = 256;
/// Largest head or frame that a step has use for, bytes.
const LARGEST: usize = 1 << 20;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Line,
    unread: Vec<u8>,
    target: Target,
    /// The field that shows the token, or what the URL says of user and password, as a line; empty without one.
    shown: String,
}

impl Wire {
    /// Connects.
    pub(super) async fn dial(server: &Server) -> Held<Self> {
        let what = format!("a connection to {}", server.target.address);
        let connected = soon(&what, server.target.open()).await?;
        let stream = connected.map_err(|error| departs(what, format!("an error: {error}")))?;
        let target = server.target.clone();
        let bearer = target.secret().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let shown = bearer.unwrap_or_else(|| target.authorization_field());
        Ok(Self { stream, unread: Vec::new(), target, shown })
    }

    /// The head of a request: `request` is its method and path, `fields` are lines that end in CRLF.
    pub(super) fn request(&self, request: &str, fields: &str) -> String {
        let (method, path) = request.split_once(' ').unwrap_or(("GET", request));
        let (path, host) = (self.target.below(path), &self.target.host);
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{}{fields}\r\n", self.shown)
    }

    /// Writes bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Held {
        let what = "a server that takes what it is sent";
        let written = soon(what, self.stream.write_all(bytes)).await?;
        written.map_err(|error| departs(what, format!("an error: {error}")))
    }

    /// Writes `piece` again and again until the server says something or has it `times` over; that it ends the
    /// connection meanwhile is no fault, as long as it says something.
    pub(super) async fn pour(&mut self, piece: &[u8], times: usize) -> Held {
        let (mut reading, mut writing) = tokio::io::split(&mut self.stream);
        let unread = &mut self.unread;
        let pour = async {
            for _ in 0..times {
                if writing.write_all(piece).await.is_err() {
                    break;
                }
            }
        };
        let poured = async {
            tokio::select! {
                biased;
                _ = reading.read_buf(unread) => (),
                () = pour => (),
            }
        };
        soon("a server that takes what it is sent, or says no", poured).await
    }

    /// Reads more; false at the end.
    async fn more(&mut self, what: &str) -> Held<bool> {
        let read = soon(what, self.stream.read_buf(&mut self.unread)).await?;
        match read {
            Ok(bytes) => Ok(bytes > 0),
            // A reset is an end, if not a polite one.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(departs(what, format!("an error: {error}"))),
        }
    }

    /// Reads exactly so many bytes; `None` when the connection ends before the first of them.
    pub(super) async fn exactly(&mut self, bytes: usize, what: &str) -> Held<Option<Vec<u8>>> {
        while self.unread.len() < bytes {
            if !self.more(what).await? {
                return if self.unread.is_empty() {
                    Ok(None)
                } else {
                    Err(departs(what, "the connection ended within it"))
                };
            }
        }
        Ok(Some(self.unread.drain(..bytes).collect()))
    }

    /// Reads until the server ends the connection.
    pub(super) async fn rest(&mut self) -> Held<Vec<u8>> {
        while self.unread.len() < LARGEST && self.more("the end of the connection").await? {}
        Ok(std::mem::take(&mut self.unread))
    }

    /// Reads the answer to `request`.
    pub(super) async fn answer(&mut self, request: &str) -> Held<Answer> {
        let mut answer = self.head(request).await?;
        let is_chunked = answer.list("transfer-encoding").last().is_some_and(|coding| coding == "chunked");
        let is_stream = answer.is_of_type("text/event-stream");
        let mut lengths = answer.list("content-length");
        // The same number may be said again (RFC 9110, section 8.6).
        lengths.dedup();
        let length = match lengths.as_slice() {
            [] => None,
            [length] if length.bytes().all(|byte| byte.is_ascii_digit()) => Some(length.parse::<usize>()),
            _ => return Err(departs("one content-length, in digits", format!("`{}`", lengths.join(", ")))),
        };
        let what = format!("the whole body of the answer to {request}");
        answer.body = match (answer.status, length) {
            (100..=199 | 204 | 304, _) => Vec::new(),
            _ if is_stream => Vec::new(),
            _ if is_chunked => self.chunks(&what).await?,
            (_, Some(Ok(length))) if length <= LARGEST => self.exactly(length, &what).await?.unwrap_or_default(),
            (_, Some(_)) => return Err(departs(what, answer.seen_header("content-length"))),
            (_, None) => self.rest().await?,
        };
        answer.uncoded()
    }

    async fn head(&mut self, request: &str) -> Held<Answer> {
        let what = format!("an answer to {request}");
        let mut passed = 0;
        loop {
            let mut fields = [httparse::EMPTY_HEADER; FIELDS];
            let mut response = httparse::Response::new(&mut fields);
            // Folded fields must be accepted (RFC 9112, section 5.2).
            let parsed = httparse::ParserConfig::default()
                .allow_obsolete_multiline_headers_in_responses(true)
                .allow_spaces_after_header_name_in_responses(true)
                .parse_response(&mut response, &self.unread);
            match parsed {
                Ok(httparse::Status::Complete(end)) => {
                    let status = response.code.unwrap_or_default();
                    let mut headers = HeaderMap::new();
                    for field in response.headers.iter() {
                        if let (Ok(name), Ok(value)) =
                            (field.name.parse::<HeaderName>(), HeaderValue::from_bytes(&unfolded(field.value)))
                        {
                            headers.append(name, value);
                        }
                    }
                    self.unread.drain(..end);
                    // What is said meanwhile (RFC 9110, section 15.2) is no answer yet.
                    if matches!(status, 100 | 102..=199) && passed < LARGEST {
                        passed += end;
                        continue;
                    }
                    return Ok(Answer { request: request.to_owned(), status, headers, body: Vec::new() });
                }
                Ok(httparse::Status::Partial) if self.unread.len() < LARGEST => {}
                _ => return Err(departs(what, quoted(&self.unread))),
            }
            if !self.more(&what).await? {
                return Err(departs(what, "the end of the connection"));
            }
        }
    }

    async fn chunks(&mut self, what: &str) -> Held<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line(what).await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            match usize::from_str_radix(digits, 16) {
                Ok(0) => break,
                Ok(size) if size <= LARGEST => {
                    body.extend(self.exactly(size, what).await?.unwrap_or_default());
                    self.line(what).await?;
                }
                _ => return Err(departs("the size of a chunk in hexadecimal digits", quoted(line.as_bytes()))),
            }
        }
        while !self.line(what).await?.is_empty() {}
        Ok(body)
    }

    async fn line(&mut self, what: &str) -> Held<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.more(what).await? {
                return Err(departs(what, "the end of the connection"));
            }
        }
    }
}

/// A value with each fold as one space.
fn unfolded(value: &[u8]) -> Vec<u8> {
    let lines = value.split(|byte| matches!(byte, b'\r' | b'\n')).map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_value_is_one_line() {
        assert_eq!(unfolded(b"one,\r\n\t two\r\n three"), b"one, two three");
        assert_eq!(unfolded(b"\r\n chunked"), b"chunked");
        assert_eq!(unfolded(b"plain"), b"plain");
    }
}
