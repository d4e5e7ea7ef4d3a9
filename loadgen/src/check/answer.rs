//! An HTTP answer, and what steps want to know of it.

use reqwest::header::HeaderMap;

use super::message::Object;
use super::step::{Held, departs, ensure, quoted};
use crate::wire::http::first_words;

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

    /// A header field's values as one list: of several fields, or of one (RFC 9110, section 5.3).
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let elements = values.flat_map(|value| value.split(',')).map(|element| element.trim().to_ascii_lowercase());
        elements.filter(|element| !element.is_empty()).collect()
    }

    /// True when the content is of this media type, whatever its case and parameters (RFC 9110, section 8.3.1).
    pub(super) fn is_of_type(&self, media_type: &str) -> bool {
        is_of_type(&self.headers, media_type)
    }

    /// The answer, if its content is not coded, which nobody asked for (RFC 9110, section 8.4).
    pub(super) fn uncoded(self) -> Held<Self> {
        ensure_uncoded(&self.request, &self.headers)?;
        Ok(self)
    }

    /// `GET /x answered 404`, with what the server says of it, if it is no success.
    pub(super) fn seen(&self) -> String {
        seen(&self.request, self.status, &self.headers, &self.body)
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

/// `GET /x answered 404`, with `Location` and the error, or else the first words, of an answer that is no success.
pub(super) fn seen(request: &str, status: u16, headers: &HeaderMap, body: &[u8]) -> String {
    let error = Object::read("", body).and_then(|object| object.string("error")).ok();
    let is_success = (200..300).contains(&status);
    let words = || first_words(body).filter(|_| !is_success && ensure_uncoded(request, headers).is_ok());
    let location = headers.get("location").filter(|_| !is_success).map(|value| quoted(value.as_bytes()));
    let location = location.map(|value| format!("Location: {value}"));
    let said = error.or_else(words).map(|said| quoted(said.as_bytes()));
    let said: Vec<String> = location.into_iter().chain(said).collect();
    match said.is_empty() {
        true => format!("{request} answered {status}"),
        false => format!("{request} answered {status} ({})", said.join("; ")),
    }
}

/// True when the content is of this media type, whatever its case and parameters (RFC 9110, section 8.3.1).
pub(super) fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let said = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
}

/// Holds if the content is not coded: nobody asked for that, so nothing that follows would be understood.
pub(super) fn ensure_uncoded(request: &str, headers: &HeaderMap) -> Held {
    for name in ["content-encoding", "transfer-encoding"] {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let codings = values.flat_map(|value| value.split(',')).map(|coding| coding.trim().to_ascii_lowercase());
        let coded = codings.into_iter().find(|coding| !["", "identity", "chunked"].contains(&coding.as_str()));
        if let Some(coding) = coded {
            let seen = format!("`{name}: {coding}` in the answer to {request}");
            return Err(departs("content that is not coded, which nobody asked for", seen));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::step::Objection;
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { request: "GET /x".to_owned(), status, headers: HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn lists_media_types_and_codings_are_read_as_they_are_meant() {
        let mut answer = answer(200, "");
        assert!(answer.list("connection").is_empty() && !answer.is_of_type("text/event-stream"));
        for (name, value) in [
            ("connection", "Keep-Alive,, Upgrade"),
            ("connection", "close"),
            ("content-type", "Text/Event-Stream ; charset=x"),
            ("transfer-encoding", "Chunked"),
            ("content-encoding", "identity"),
        ] {
            answer.headers.append(name, value.parse().unwrap());
        }
        assert_eq!(answer.list("connection"), ["keep-alive", "upgrade", "close"]);
        assert!(answer.is_of_type("text/event-stream") && !answer.is_of_type("text/event"));
        let mut answer = answer.uncoded().unwrap();
        answer.headers.append("content-encoding", "GZIP".parse().unwrap());
        let Err(Objection::Departs { seen, .. }) = answer.uncoded() else { panic!("it is coded") };
        assert_eq!(seen, "`content-encoding: gzip` in the answer to GET /x");
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
        assert_eq!(seen, "GET /x answered 500 (`oops`)");
    }
}
