//! An HTTP answer, and what steps want to know of it.

use reqwest::header::HeaderMap;

use super::message::Object;
use super::step::{Held, departs, ensure, quoted};

/// A whole answer, and what it answers.
#[derive(Debug)]
pub(super) struct Answer {
    /// Method and path.
    pub(super) request: String,
    /// Its status code.
    pub(super) status: u16,
    /// Its header fields.
    pub(super) headers: HeaderMap,
    /// Its body; that of a stream is not waited for, and empty here.
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header field's value, if it is there and readable.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `GET /x answered 404`, with the error that the server gives, if it gives one.
    pub(super) fn seen(&self) -> String {
        let error = Object::read("", &self.body).and_then(|object| object.string("error"));
        match error {
            Ok(error) => format!("{} answered {} ({})", self.request, self.status, quoted(error.as_bytes())),
            Err(_) => format!("{} answered {}", self.request, self.status),
        }
    }

    /// What a header field says, for people to read.
    pub(super) fn seen_header(&self, name: &str) -> String {
        match self.header(name) {
            Some(value) => format!("`{name}: {value}` in the answer to {}", self.request),
            None => format!("no {name} in the answer to {}", self.request),
        }
    }

    /// The answer, if it has this status.
    pub(super) fn with_status(self, status: u16) -> Held<Self> {
        ensure(self.status == status, status.to_string(), self.seen())?;
        Ok(self)
    }

    /// The body as a JSON object.
    pub(super) fn object(&self) -> Held<Object> {
        Object::read(format!("the answer to {}", self.request), &self.body)
    }

    /// Holds if a header field has this value, whatever the case.
    pub(super) fn ensure_header(&self, name: &str, expected: &str) -> Held {
        let is = self.header(name).is_some_and(|value| value.eq_ignore_ascii_case(expected));
        ensure(is, format!("`{name}: {expected}`"), self.seen_header(name))
    }

    /// Holds if no cache may give this answer to others without asking.
    pub(super) fn ensure_uncached(&self) -> Held {
        let value = self.header("cache-control").unwrap_or_default().to_ascii_lowercase();
        let asks = ["no-cache", "no-store", "max-age=0"].iter().any(|directive| value.contains(directive));
        ensure(asks, "a `cache-control` with no-cache or no-store", self.seen_header("cache-control"))
    }

    /// Holds if this is a refusal with this status that says in JSON what was expected.
    pub(super) fn ensure_refusal(&self, status: u16) -> Held {
        let expected = format!("{status} with a JSON body {{\"error\":\"what was expected\"}}");
        ensure(self.status == status, &expected, self.seen())?;
        let error = Object::read("", &self.body).and_then(|object| object.string("error"));
        match error {
            // One word is a name for an error, not help.
            Ok(error) if error.trim().contains(' ') => Ok(()),
            Ok(error) => Err(departs(expected, format!("{} with the error {}", self.seen(), quoted(error.as_bytes())))),
            Err(_) => Err(departs(expected, format!("{} with the body {}", self.seen(), quoted(&self.body)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::Objection;
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { request: "GET /x".to_owned(), status, headers: HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn a_refusal_must_say_in_json_what_was_expected() {
        assert_eq!(answer(400, r#"{"error":"malformed cursor: expected epoch:offset"}"#).ensure_refusal(400), Ok(()));
        for (status, body) in
            [(200, r#"{"error":"all is well"}"#), (404, "<html>"), (400, "{}"), (400, r#"{"error":"bad"}"#)]
        {
            assert!(answer(status, body).ensure_refusal(400).is_err(), "{status} {body}");
        }
        let Err(Objection::Departs { expected, seen }) = answer(500, "oops").ensure_refusal(400) else {
            panic!("500 is no refusal");
        };
        assert!(expected.starts_with("400 with a JSON body"), "{expected}");
        assert_eq!(seen, "GET /x answered 500");
    }
}
