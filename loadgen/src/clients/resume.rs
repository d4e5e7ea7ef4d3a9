//! Where a client was when its transport was lost, and so where the next one goes on.

use std::time::Duration;

use feed::Cursor;

use crate::target::{Remember, text_of, value_at};
use crate::wire::http::Head;

/// What a client has been told that its next request repeats.
#[derive(Debug, Clone, Default)]
pub struct Resume {
    /// Its place in the feed's log, where the server tells one.
    pub cursor: Option<Cursor>,
    /// What else the target has it remember, by place.
    pub remembered: Vec<Option<String>>,
    /// How long it was told to wait before it connects again, where the server says so (`retry` of an event stream).
    pub retry: Option<Duration>,
}

impl Resume {
    /// True when there is nothing to go on from.
    pub fn is_empty(&self) -> bool {
        self.cursor.is_none() && self.remembered.iter().all(Option::is_none)
    }

    /// This, or `other` where it says nothing.
    pub fn or(self, other: Self) -> Self {
        let retry = self.retry.or(other.retry);
        let place = if self.is_empty() { other } else { self };
        Self { retry, ..place }
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
            // A line break would end the field that repeats it.
            if let Some(said) = said.filter(|said| !said.contains(char::is_control)) {
                *value = Some(said);
            }
        }
    }
}
