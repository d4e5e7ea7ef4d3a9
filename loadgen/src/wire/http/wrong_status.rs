//! An answer with another status than was asked for, and what the server says about it.

use std::fmt;
use std::time::Duration;

use super::{Head, HttpError};
use crate::wire::Connection;

/// Most bytes of a body that are looked at for the server's words. Whoever shows them cuts them further, once there is no secret in them, which
/// no cut must divide.
const LOOKED_AT: usize = 4 * 1024;

/// An answer whose status is not the one that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongStatus {
    /// Its status.
    pub status: u16,
    /// What would have been right.
    expected: &'static str,
    /// `Location` (RFC 9110, section 10.2.2), which is not followed.
    location: Option<String>,
    /// `Retry-After` (RFC 9110, section 10.2.3).
    pub retry_after: Option<Duration>,
    /// The line of its body that says something.
    said: Option<String>,
}

impl WrongStatus {
    /// What an answer with this head and `body`, or the beginning of it, is, where `expected` was.
    pub fn new(head: &Head, expected: &'static str, body: &[u8]) -> Self {
        Self {
            status: head.status,
            expected,
            location: head.location.clone(),
            retry_after: head.retry_after,
            said: head.coding.is_none().then(|| first_words(body)).flatten(),
        }
    }

    /// The same of an answer whose head was just read from `connection`; its body is waited for no longer than `patience`.
    pub async fn read(connection: &mut Connection, head: &Head, expected: &'static str, patience: Duration) -> Self {
        let (mut body, mut reader) = (Vec::new(), head.body.reader());
        let reading = async {
            while !reader.is_done() && body.len() < LOOKED_AT {
                let take = |bytes: &[u8], _| -> Result<Option<(usize, ())>, HttpError> {
                    Ok(Some((reader.read(bytes, |piece| body.extend_from_slice(piece))?, ())))
                };
                if !matches!(connection.read(take).await, Ok(Some(()))) {
                    break;
                }
            }
        };
        // What has come already is read in any case.
        let _ = tokio::time::timeout(patience, reading).await;
        Self::new(head, expected, &body)
    }

    /// What the server says itself, if it says anything.
    pub fn quote(&self) -> Option<String> {
        match (&self.location, &self.said) {
            (Some(location), Some(said)) => Some(format!("Location: {location}; {said}")),
            (Some(location), None) => Some(format!("Location: {location}")),
            (None, said) => said.clone(),
        }
    }
}

impl fmt::Display for WrongStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}, not {}", self.status, self.expected)?;
        if let Some(wait) = self.retry_after {
            write!(f, ", and not before {}", humantime::format_duration(wait))?;
        }
        match self.quote() {
            Some(said) => write!(f, " (`{said}`)"),
            None => Ok(()),
        }
    }
}

/// What a body says that is to be read by people: the title of a page, or the first line with a letter or digit in it.
pub fn first_words(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]);
    let title = || {
        let lower = text.to_ascii_lowercase();
        let start = lower.find("<title>")? + "<title>".len();
        let end = lower[start..].find("</title>")?;
        Some(text[start..start + end].trim().to_owned()).filter(|title| !title.is_empty())
    };
    let line = || text.lines().map(str::trim).find(|line| line.contains(char::is_alphanumeric)).map(str::to_owned);
    title().or_else(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_body_are_its_first_line_or_the_title_of_a_page() {
        let nginx = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center>";
        assert_eq!(first_words(nginx).as_deref(), Some("502 Bad Gateway"));
        assert_eq!(first_words(b"\n{\"error\":\"no\"}\nmore").as_deref(), Some("{\"error\":\"no\"}"));
        assert_eq!(first_words(b"{\n  \"error\": \"no\"\n}").as_deref(), Some("\"error\": \"no\""));
        assert_eq!(first_words(b"\r\n"), None);
        assert_eq!(first_words(&[b'x'; 9999]).map(|words| words.len()), Some(LOOKED_AT));
    }
}
