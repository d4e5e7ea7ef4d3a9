//! The answer to a poll: what follows a cursor, and the cursor to ask with next.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use feed::framings::poll;
use feed::{After, BatchHead, Cursor};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::hub::{Batch, Log, Start};
use crate::stats::Meter;
use crate::takeover;
use crate::window::Limit;

/// An answer that is whole and not yet written.
#[derive(Debug)]
pub(crate) struct Answer {
    head: BatchHead,
    notifications: usize,
    body: Bytes,
}

impl Answer {
    /// Reads what follows `after`, up to `max` bytes.
    pub(crate) fn read(log: &Log, after: After, max: usize) -> Self {
        let limit = Limit { count: usize::MAX, bytes: max };
        let mut start = log.start(after);
        // Between the two calls the start may fall out of the window; then there is a gap after all.
        let batch = loop {
            match log.after(start.cursor, limit) {
                Ok(batch) => break batch,
                Err(_) => start = log.start(After::Cursor(start.cursor)),
            }
        };
        Self::new(log, &batch, start)
    }

    /// What was read, for who has seen everything before it.
    pub(crate) fn of(log: &Log, batch: &Batch) -> Self {
        Self::new(log, batch, Start { cursor: batch.cursor, recovered: true })
    }

    fn new(log: &Log, batch: &Batch, start: Start) -> Self {
        let head = BatchHead {
            topic: log.topic().to_owned(),
            epoch: batch.cursor.epoch,
            offset: batch.cursor.offset,
            recovered: start.recovered,
            gap: (!start.recovered).then_some(start.cursor),
            more: batch.more,
        };
        let mut body = poll::write_head(&head);
        let json: usize = batch.entries.iter().map(|entry| entry.json().len() + 1).sum();
        body.reserve_exact(json + poll::END.len());
        for (index, entry) in batch.entries.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(entry.json());
        }
        body.extend_from_slice(poll::END);
        Self { head, notifications: batch.entries.len(), body: body.into() }
    }

    /// True when there is nothing to say yet: no notification and no gap.
    pub(crate) fn is_empty(&self) -> bool {
        self.notifications == 0 && self.head.recovered
    }

    /// The cursor after it.
    pub(crate) fn cursor(&self) -> Cursor {
        self.head.cursor()
    }

    fn is_known(&self, known: Option<Cursor>) -> bool {
        self.head.recovered && known == Some(self.cursor())
    }

    fn head(&self, known: Option<Cursor>) -> (StatusCode, HeaderMap) {
        let mut headers = HeaderMap::with_capacity(5);
        // A cache may keep it but has to ask: what follows a cursor changes with every notification.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let etag = HeaderValue::try_from(format!("\"{}\"", self.cursor())).expect("a cursor is ASCII");
        headers.insert(ETAG, etag);
        if self.is_known(known) {
            return (StatusCode::NOT_MODIFIED, headers);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, self.body.len().into());
        (StatusCode::OK, headers)
    }

    fn count(&self, meter: &Meter, known: Option<Cursor>) {
        meter.answered(if self.is_known(known) { 0 } else { self.notifications });
        if !self.head.recovered {
            meter.gap();
        }
    }

    /// As a response for hyper to write; 304 to a client that `known`s it. A `HEAD` is told nothing: hyper leaves the body out.
    pub(crate) fn response(self, meter: &Meter, known: Option<Cursor>, method: &Method) -> Response {
        match *method {
            Method::HEAD => meter.answered(0),
            _ => self.count(meter, known),
        }
        let (status, headers) = self.head(known);
        let body = if status == StatusCode::NOT_MODIFIED { Bytes::new() } else { self.body };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// As the bytes of a response, for a socket that has left hyper; counted.
    pub(crate) fn bytes(self, meter: &Meter, known: Option<Cursor>, keep_alive: bool) -> Vec<u8> {
        self.count(meter, known);
        self.to_bytes(known, keep_alive)
    }

    /// The same, not counted: it is for many.
    pub(crate) fn to_bytes(&self, known: Option<Cursor>, keep_alive: bool) -> Vec<u8> {
        let (status, mut headers) = self.head(known);
        if !keep_alive {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let mut out = takeover::head(status, &headers);
        if status != StatusCode::NOT_MODIFIED {
            out.extend_from_slice(&self.body);
        }
        out
    }
}
