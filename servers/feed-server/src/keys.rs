//! The keys under which the retained notifications of a topic were published, so that a repeat is recognised as one.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::sync::Arc;

use feed::Payload;

/// A key by which a publisher says that two publications are one: visible ASCII characters, of its own choosing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(Arc<str>);

impl Key {
    /// Longest key, characters: a UUID has 36. It bounds what keys cost beside the history.
    pub(crate) const MAX_LEN: usize = 128;

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {max} visible ASCII characters, for example a UUID", max = Key::MAX_LEN)]
pub(crate) struct KeyError;

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let is_key = (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key { Ok(Self(text.into())) } else { Err(KeyError) }
    }
}

/// What was published under a key before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// The same, which has this offset.
    Same(u64),
    /// Something else.
    Other,
}

/// The keys of one topic. They are forgotten with the notifications that were published under them.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: HashMap<Key, Known>,
    /// In the order of their offsets.
    order: VecDeque<(u64, Key)>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    offset: u64,
    digest: u64,
}

impl Keys {
    /// What was published under `key` and is still retained.
    pub(crate) fn find(&self, key: &Key, payload: &Payload) -> Option<Before> {
        let Known { offset, digest } = *self.known.get(key)?;
        Some(if digest == self.digest(payload) { Before::Same(offset) } else { Before::Other })
    }

    /// Remembers that `payload` was published under `key` and got `offset`, the largest so far.
    pub(crate) fn remember(&mut self, key: &Key, payload: &Payload, offset: u64) {
        self.known.insert(key.clone(), Known { offset, digest: self.digest(payload) });
        self.order.push_back((offset, key.clone()));
    }

    /// Forgets the keys of notifications up to and including `offset`.
    pub(crate) fn forget(&mut self, offset: u64) {
        while self.order.front().is_some_and(|(oldest, _)| *oldest <= offset) {
            let (_, key) = self.order.pop_front().expect("it is not empty");
            self.known.remove(&key);
        }
    }

    fn digest(&self, payload: &Payload) -> u64 {
        self.hasher.hash_one((payload.content_type.as_deref(), payload.json.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_known_until_what_it_repeats_is_forgotten() {
        let payload = |json: &str| Payload::from_json(json.as_bytes()).unwrap();
        let (one, two): (Key, Key) = ("one".parse().unwrap(), "two".parse().unwrap());
        let mut keys = Keys::default();
        keys.remember(&one, &payload("1"), 5);
        keys.remember(&two, &payload("1"), 7);
        assert_eq!(keys.find(&one, &payload("1")), Some(Before::Same(5)));
        assert_eq!(keys.find(&one, &payload("2")), Some(Before::Other));
        let text = Payload::from_bytes(b"1", "text/plain");
        assert_eq!(keys.find(&one, &text), Some(Before::Other), "of another type");
        keys.forget(6);
        assert_eq!((keys.find(&one, &payload("1")), keys.find(&two, &payload("1"))), (None, Some(Before::Same(7))));
        assert_eq!((keys.known.len(), keys.order.len()), (1, 1));
    }

    #[test]
    fn a_key_is_short_and_visible() {
        let long = "x".repeat(Key::MAX_LEN + 1);
        for no_key in ["", "a b", "grüß", "\u{7f}", &long] {
            assert_eq!(no_key.parse::<Key>(), Err(KeyError), "{no_key}");
        }
        assert!("8e03978e-40d5-43dd-bc93-6894a57f9324".parse::<Key>().is_ok());
    }
}
