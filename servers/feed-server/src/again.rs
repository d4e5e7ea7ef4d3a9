//! The same question again: a request that differs from the one before in nothing but how far its cursor has come.
//!
//! What routes and guards made of a request's bytes holds for those bytes whenever they come, so a client that asks again need not be
//! led past them. What holds for a time only, guards have asked anew: see `guards/readmission.rs`.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use feed::Cursor;

/// Bytes of a request that are kept to be compared with the next: what browsers send, large cookies aside. A longer one is led through
/// the router each time.
pub(crate) const ASKED_MAX: usize = 2 << 10;

/// Where in a request the cursor stands that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the parameter `after`.
    Query,
    /// In the field `If-None-Match`.
    Field,
}

/// A request that was let in, and where the offset of its cursor stands in it.
pub(crate) struct Asked {
    request: Box<[u8]>,
    cursor: Cursor,
    digits: Range<usize>,
}

impl Asked {
    /// Finds `cursor` in the bytes of a `request`; `None` if it is written in another way than the server writes it, or the request is
    /// too long to be kept, or no bytes of it are known.
    pub(crate) fn find(request: &Bytes, cursor: Cursor, place: Place) -> Option<Self> {
        if request.len() > ASKED_MAX {
            return None;
        }
        let value = match place {
            Place::Query => param(request, b"after=")?,
            Place::Field => tag(request)?,
        };
        let offset = cursor.offset.to_string();
        let is_cursor = |colon: &str| request[value.clone()] == *format!("{}{colon}{offset}", cursor.epoch).as_bytes();
        // RFC 3986, section 2.1: a colon may be encoded, and many clients do.
        if !is_cursor(":") && !(place == Place::Query && (is_cursor("%3A") || is_cursor("%3a"))) {
            return None;
        }
        let digits = value.end - offset.len()..value.end;
        Some(Self { request: request[..].into(), cursor, digits })
    }

    /// The cursor that `bytes` ask with, if they are this request but for its offset, and nothing else.
    pub(crate) fn again(&self, bytes: &[u8]) -> Option<Cursor> {
        let (before, behind) = (&self.request[..self.digits.start], &self.request[self.digits.end..]);
        let digits = bytes.strip_prefix(before)?.strip_suffix(behind)?;
        if digits.is_empty() {
            return None;
        }
        let mut offset = 0_u64;
        for digit in digits {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            offset = offset.checked_mul(10)?.checked_add(digit)?;
        }
        Some(Cursor { offset, ..self.cursor })
    }
}

impl fmt::Debug for Asked {
    /// Without the request, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}

/// Where the value of the query's first parameter stands whose name is `name`, an equals sign included.
fn param(request: &[u8], name: &[u8]) -> Option<Range<usize>> {
    // The target ends with the second space of the line, a query with it or a fragment.
    let target = request.iter().position(|byte| *byte == b' ')? + 1;
    let end = target + request[target..].iter().position(|byte| matches!(byte, b' ' | b'#' | b'\n'))?;
    let mut at = target + request[target..end].iter().position(|byte| *byte == b'?')? + 1;
    for param in request[at..end].split(|byte| *byte == b'&') {
        if param.starts_with(name) {
            return Some(at + name.len()..at + param.len());
        }
        at += param.len() + 1;
    }
    None
}

/// Where the text of the first `If-None-Match` stands, without its quotes and what says that it is weak (RFC 9110, section 8.8.3).
fn tag(request: &[u8]) -> Option<Range<usize>> {
    let mut at = 0;
    for line in request.split(|byte| *byte == b'\n') {
        let name = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        if line[..name].eq_ignore_ascii_case(b"if-none-match") {
            let value = line[name + 1..].trim_ascii();
            let value = value.strip_prefix(b"W/").unwrap_or(value);
            let tag = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
            let start = at + name + 1 + line[name + 1..].iter().position(|byte| *byte == b'"')? + 1;
            return Some(start..start + tag.len());
        }
        at += line.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURSOR: &str = "k3f9:42";

    fn asked(request: &str, place: Place) -> Option<Asked> {
        Asked::find(&Bytes::copy_from_slice(request.as_bytes()), CURSOR.parse().unwrap(), place)
    }

    fn by_query(cursor: &str) -> String {
        format!("GET /topics/news/long-poll?wait=25&after={cursor}&x=1 HTTP/1.1\r\nHost: x\r\nA: after=k3f9:42\r\n\r\n")
    }

    fn by_field(tag: &str) -> String {
        format!(
            "GET /topics/news/long-poll HTTP/1.1\r\nHost: x\r\nif-None-match: {tag} \r\nIf-None-Match: \"k3f9:42\"\r\n\r\n"
        )
    }

    #[test]
    fn the_same_question_with_another_offset_is_the_same_again() {
        for colon in [":", "%3A", "%3a"] {
            let asked = asked(&by_query(&format!("k3f9{colon}42")), Place::Query).unwrap();
            for offset in [0, 7, 42, 43, 100, u64::MAX] {
                let again = asked.again(by_query(&format!("k3f9{colon}{offset}")).as_bytes());
                assert_eq!(again, Some(Cursor { offset, ..CURSOR.parse().unwrap() }));
            }
        }
        for [before, behind] in [["\"", "\""], ["W/\"", "\""], [" \"", "\" "]] {
            let with = |cursor: &str| by_field(&format!("{before}{cursor}{behind}"));
            let asked = asked(&with(CURSOR), Place::Field).unwrap();
            assert_eq!(asked.again(with("k3f9:43").as_bytes()), Some("k3f9:43".parse().unwrap()));
        }
    }

    #[test]
    fn a_question_that_differs_in_anything_else_is_another_one() {
        let asked = asked(&by_query(CURSOR), Place::Query).unwrap();
        let next = by_query("k3f9:43");
        assert!(asked.again(next.as_bytes()).is_some());
        for at in 0..next.len() {
            let mut other = next.clone().into_bytes();
            other[at] ^= 1;
            let again = asked.again(&other).map(|cursor| cursor.to_string());
            assert!(again.is_none() || ["k3f9:53", "k3f9:42"].contains(&&*again.unwrap()), "byte {at}");
            assert_eq!(asked.again(&next.as_bytes()[..at]), None, "the first {at} bytes");
        }
        for cursor in ["k3f9:", "k3f9:-1", "k3f9:4 3", "k3f9:18446744073709551616", "k3f8:43", "k3f9:4&after=k3f9:4"] {
            assert_eq!(asked.again(by_query(cursor).as_bytes()), None, "{cursor}");
        }
        assert_eq!(asked.again(next.repeat(2).as_bytes()), None, "two of them");
        assert_eq!(asked.again(format!("{next}G").as_bytes()), None, "and more behind it");
    }

    #[test]
    fn a_cursor_that_is_not_where_it_counts_is_not_found() {
        let get = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        let cases = [
            (Place::Query, get("/l", "")),
            (Place::Query, get("/l?wait=1", "If-None-Match: \"k3f9:42\"\r\n")),
            (Place::Query, get("/l?after=k3f9:42x", "")),
            (Place::Query, get("/l?after=k3f9:042", "")),
            (Place::Query, get("/l?after=k3f9:4%32", "")),
            (Place::Query, get("/l?%61fter=k3f9:42", "")),
            (Place::Query, get("/l?wait=1#?after=k3f9:42", "")),
            (Place::Query, get("/l&after=k3f9:42", "")),
            (Place::Query, get("/l?xafter=k3f9:42", "")),
            (Place::Query, get("/l?after=k3f9:42", &format!("A: {}\r\n", "b".repeat(ASKED_MAX)))),
            (Place::Query, String::new()),
            (Place::Field, get("/l?after=k3f9:42", "")),
            (Place::Field, get("/l", "If-None-Match: k3f9:42\r\n")),
            (Place::Field, get("/l", "If-None-Match: \"k3f9:43\"\r\nIf-None-Match: \"k3f9:42\"\r\n")),
            (Place::Field, get("/l", "If-None-Match: \"k3f9%3A42\"\r\n")),
            (Place::Field, get("/l", "If-None-Match: \"k3f9:42\", \"b\"\r\n")),
            (Place::Field, get("/l", "X-If-None-Match: \"k3f9:42\"\r\n")),
            (Place::Field, String::new()),
        ];
        for (place, request) in cases {
            assert!(asked(&request, place).is_none(), "{place:?} of {request}");
        }
    }
}
