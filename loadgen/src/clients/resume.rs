//! Where a client was when its transport was lost, and so where the next one goes on.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use feed::Cursor;

use crate::target::{Remember, text_of, value_at};
use crate::wire::Connection;
use crate::wire::http::Head;

/// What a client has been told that its next request repeats.
#[derive(Debug, Clone, Default)]
pub struct Resume {
    /// Its place in the feed's log, where the server tells one.
    pub cursor: Option<Cursor>,
    /// What else the target has it remember, by place.
    pub remembered: Vec<Option<String>>,
    /// True when it was told that it has no place any more, whatever was said before.
    pub starts_over: bool,
    /// How long it was told to wait before it connects again, where the server says so (`retry` of an event stream).
    pub retry: Option<Duration>,
    /// Where the answer before has ended in an orderly way: the connection that carries the next request.
    pub after_end: Option<AfterEnd>,
}

/// An orderly end, and the connection that the server keeps after it, if it does. Whoever asks next takes that.
#[derive(Debug, Clone, Default)]
pub struct AfterEnd(Rc<RefCell<Option<Connection>>>);

impl AfterEnd {
    /// With the connection that is kept.
    pub fn new(kept: Option<Connection>) -> Self {
        Self(Rc::new(RefCell::new(kept)))
    }

    /// The connection, once.
    pub fn take(&self) -> Option<Connection> {
        self.0.borrow_mut().take()
    }
}

impl Resume {
    /// True when there is nothing to go on from.
    pub fn is_empty(&self) -> bool {
        self.cursor.is_none() && self.remembered.iter().all(Option::is_none)
    }

    /// This, or `other` where it says nothing.
    pub fn or(self, other: Self) -> Self {
        let retry = self.retry.or(other.retry);
        let place = if self.is_empty() && !self.starts_over { other } else { self };
        Self { retry, after_end: None, ..place }
    }

    /// Takes from an answer what `sources` name. What an answer does not say stays as it was.
    pub(super) fn learn(&mut self, sources: &[Remember], head: &mut Head, body: &[u8]) {
        if sources.is_empty() {
            return;
        }
        self.remembered.resize(sources.len(), None);
        let mut fields = head.wanted.drain(..);
        for (value, source) in self.remembered.iter_mut().zip(sources) {
            let said = match source {
                Remember::Header(_) => fields.next().flatten(),
                Remember::Json(pointer) => value_at(body, pointer).and_then(text_of),
                Remember::EventId => None,
            };
            if said.is_some() {
                *value = said;
            }
        }
    }
}
