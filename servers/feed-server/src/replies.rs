//! Answers that are ready to be written: head and body of each in one buffer, and all that are ready at once in one write.

use std::io::{ErrorKind, IoSlice};
use std::ops::Range;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{StatusCode, response};
use tokio::io::Interest;
use tokio::time::timeout;

use crate::socket::Socket;
use crate::stats::{Kind, Reason};
use crate::takeover;

/// Bytes that are gathered; what exceeds them is written before the next answer is made, and a larger body is written from where
/// it lies.
const GATHERED_MAX: usize = 16 << 10;

/// Answers in the order of their requests, all of one kind.
#[derive(Debug)]
pub(crate) struct Replies {
    gathered: Vec<u8>,
    /// What follows them: a body that was too large to copy.
    body: Bytes,
    kind: Kind,
}

impl Replies {
    pub(crate) const fn new() -> Self {
        Self { gathered: Vec::new(), body: Bytes::new(), kind: Kind::Other }
    }

    /// True when an answer of `kind` may be [pushed](Self::push) before these are written.
    pub(crate) fn have_room(&self, kind: Kind) -> bool {
        let same = self.kind == kind && self.body.is_empty();
        self.gathered.is_empty() || (same && self.gathered.len() < GATHERED_MAX)
    }

    /// What is left of an answer that was written in part.
    pub(crate) fn rest(kind: Kind, bytes: &[u8]) -> Self {
        Self { gathered: bytes.to_vec(), body: Bytes::new(), kind }
    }

    /// Appends an answer as hyper would write it; `body` is what follows the head, nothing if the request was `HEAD`. The `last` one
    /// says so (RFC 9112, section 9.6). Returns where its date stands among what is [gathered](Self::gathered).
    pub(crate) fn push(&mut self, kind: Kind, mut head: response::Parts, body: &Bytes, last: bool) -> Range<usize> {
        self.kind = kind;
        let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if bodiless {
            // The router says how long every body is, of nothing, too.
            head.headers.remove(CONTENT_LENGTH);
        } else if !head.headers.contains_key(CONTENT_LENGTH) {
            head.headers.insert(CONTENT_LENGTH, body.len().into());
        }
        if last {
            head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.gathered.reserve(512);
        let date = takeover::write_head(&mut self.gathered, head.status, &head.headers);
        match body {
            _ if bodiless => {}
            small if small.len() <= GATHERED_MAX => self.gathered.extend_from_slice(small),
            large => self.body = large.clone(),
        }
        date
    }

    /// What is gathered: all of it, unless the last answer has a body too large to copy.
    pub(crate) fn gathered(&self) -> &[u8] {
        &self.gathered
    }

    /// Writes them all; `None` when the client is gone, or took nothing for `patience`.
    pub(crate) async fn write(&mut self, socket: &Socket, patience: Duration) -> Option<()> {
        let mut gathered = &self.gathered[..];
        while !(gathered.is_empty() && self.body.is_empty()) {
            let both = [IoSlice::new(gathered), IoSlice::new(&self.body)];
            let slices = if self.body.is_empty() { &both[..1] } else { &both[..] };
            match socket.try_write_for(self.kind, slices) {
                Ok(written) => {
                    let of_gathered = written.min(gathered.len());
                    gathered = &gathered[of_gathered..];
                    self.body.advance(written - of_gathered);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let Ok(ready) = timeout(patience, socket.ready(Interest::WRITABLE)).await else {
                        socket.meter().ended(Reason::WriteTimeout);
                        return None;
                    };
                    ready.ok()?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        self.gathered.clear();
        Some(())
    }
}
