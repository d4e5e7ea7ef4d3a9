//! Data on a connection that no request is outstanding on (RFC 9112, section 9.2): it is no answer, and the connection is of no more use.

use super::Connection;

/// The kind under which connections are counted that were closed for it.
pub const UNASKED_DATA: &str = "unasked-data";

/// What a server sent without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// That it waited for a request too long, and closes the connection (RFC 9110, section 15.5.9).
    RequestTimeout,
    /// Anything else.
    Data,
}

impl Unasked {
    /// What `bytes` are that came when no request was outstanding; `None` of empty lines, which may be discarded (RFC 9112, section 2.2).
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.trim_ascii_start();
        let is_timeout = [&b"HTTP/1.1 408"[..], b"HTTP/1.0 408"].iter().any(|line| bytes.starts_with(line));
        match bytes {
            [] => None,
            _ if is_timeout => Some(Self::RequestTimeout),
            _ => Some(Self::Data),
        }
    }
}

impl Connection {
    /// What the server has sent that no request is outstanding for, as far as it has come; empty lines are dropped.
    pub fn take_unasked(&mut self) -> Option<Unasked> {
        // Whether the connection has ended is found out by the next request.
        self.has_ended();
        Unasked::of(&self.take_kept().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_are_nothing_and_a_408_is_a_farewell() {
        assert_eq!(Unasked::of(b"\r\n\n\r\n"), None);
        assert_eq!(Unasked::of(b"\r\nHTTP/1.1 408 Request Timeout\r\n\r\n"), Some(Unasked::RequestTimeout));
        assert_eq!(Unasked::of(b"0\r\n\r\n"), Some(Unasked::Data));
        assert_eq!(Unasked::of(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(Unasked::Data));
    }
}
