//! The answer to a poll: what follows a cursor, and the cursor to ask with next.

use std::io::Write;

use axum::body::Body;
use axum::response::Response;
use feed::framings::poll;
use feed::{After, BatchHead, Cursor, Epoch};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::guards::origin::Cors;
use crate::hub::{Batch, Log};
use crate::stats::Meter;
use crate::takeover;
use crate::window::Limit;

/// What an answer has to say; it is written out when it has to be said.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    log: &'a Log,
    batch: Batch,
    /// The oldest cursor that can be continued from, if something before it is lost.
    gap: Option<Cursor>,
}

impl<'a> Answer<'a> {
    /// Reads what follows `after`, up to `max` bytes.
    pub(crate) fn read(log: &'a Log, after: After, max: usize) -> Self {
        let limit = Limit { count: usize::MAX, bytes: max };
        let mut start = log.start(after);
        // Between the two calls the start may fall out of the window; then there is a gap after all.
        let batch = loop {
            match log.after(start.cursor, limit) {
                Ok(batch) => break batch,
                Err(_) => start = log.start(After::Cursor(start.cursor)),
            }
        };
        Self { log, batch, gap: (!start.recovered).then_some(start.cursor) }
    }

    /// What was read, for who has seen everything before it.
    pub(crate) fn of(log: &'a Log, batch: Batch) -> Self {
        Self { log, batch, gap: None }
    }

    fn body(&self) -> Vec<u8> {
        let Cursor { epoch, offset } = self.batch.cursor;
        let mut body = poll::write_head(&BatchHead {
            topic: self.log.topic().to_owned(),
            epoch,
            offset,
            recovered: self.gap.is_none(),
            gap: self.gap,
            more: self.batch.more,
        });
        let json: usize = self.batch.entries.iter().map(|entry| entry.json().len() + 1).sum();
        body.reserve_exact(json + poll::END.len());
        for (index, entry) in self.batch.entries.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(entry.json());
        }
        body.extend_from_slice(poll::END);
        body
    }

    /// True when there is nothing to say yet: no notification and no gap.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.entries.is_empty() && self.gap.is_none()
    }

    /// The cursor after it.
    pub(crate) fn cursor(&self) -> Cursor {
        self.batch.cursor
    }

    fn is_known(&self, known: Option<Cursor>) -> bool {
        self.gap.is_none() && known == Some(self.cursor())
    }

    /// Status, header fields and body; 304 without one to a client that `known`s it.
    fn parts(&self, known: Option<Cursor>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut headers = HeaderMap::with_capacity(5);
        // A cache may keep it but has to ask: what follows a cursor changes with every notification.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(ETAG, etag(self.cursor()));
        if self.is_known(known) {
            return (StatusCode::NOT_MODIFIED, headers, Vec::new());
        }
        let body = self.body();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, body.len().into());
        (StatusCode::OK, headers, body)
    }

    fn count(&self, meter: &Meter, known: Option<Cursor>) {
        meter.answered(if self.is_known(known) { 0 } else { self.batch.entries.len() });
        if self.gap.is_some() {
            meter.gap();
        }
    }

    /// As a response of a handler; 304 to a client that `known`s it. A `HEAD` is told nothing: the router leaves the body out.
    pub(crate) fn response(&self, meter: &Meter, known: Option<Cursor>, method: &Method) -> Response {
        match *method {
            Method::HEAD => meter.answered(0),
            _ => self.count(meter, known),
        }
        let (status, headers, body) = self.parts(known);
        let mut response = Response::new(if body.is_empty() { Body::empty() } else { Body::from(body) });
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// As the bytes of a response, for a socket that was taken over; counted.
    pub(crate) fn bytes(&self, meter: &Meter, known: Option<Cursor>, keep_alive: bool, cors: Option<&Cors>) -> Vec<u8> {
        self.count(meter, known);
        self.write(known, keep_alive, cors)
    }

    /// The same, not counted: it is for many.
    pub(crate) fn to_bytes(&self, known: Option<Cursor>, keep_alive: bool) -> Vec<u8> {
        self.write(known, keep_alive, None)
    }

    fn write(&self, known: Option<Cursor>, keep_alive: bool, cors: Option<&Cors>) -> Vec<u8> {
        let (status, mut headers, body) = self.parts(known);
        if !keep_alive {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(cors) = cors {
            cors.dress(&mut headers);
        }
        let mut out = takeover::head(status, &headers);
        out.extend_from_slice(&body);
        out
    }
}

/// A cursor in quotes (RFC 9110, section 8.8.3).
fn etag(cursor: Cursor) -> HeaderValue {
    // Of an epoch, an offset, two quotes and a colon.
    let mut etag = Vec::with_capacity(Epoch::MAX_LEN + 20 + 3);
    etag.push(b'"');
    etag.extend_from_slice(cursor.epoch.as_str().as_bytes());
    let _ = write!(etag, ":{}\"", cursor.offset);
    HeaderValue::from_bytes(&etag).expect("a cursor is ASCII")
}
