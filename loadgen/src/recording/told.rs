//! What servers said in words of their own, the first of each kind, and which of the values that clients were to remember were ever
//! learnt.

use std::collections::BTreeMap;

/// Most kinds of which the first words are kept.
const MOST_QUOTES: usize = 32;
/// Most bytes of a message that are looked at for a quote; what is shown is far shorter, once no secret stands in it.
const LONGEST: usize = 4 * 1024;

/// Kind of the first message that was neither a notification nor the feed's own.
pub const FOREIGN: &str = "foreign";
/// Kind of the first answer to a poll that brought no notification.
pub const EMPTY_ANSWER: &str = "answer";
/// Kind of the first message that refused a subscription, as the target file says, and of the error that it is.
pub const SUBSCRIPTION_REFUSED: &str = "subscription-refused";
/// Kinds of the first messages on publishers' own sockets, a number behind them.
pub const TOLD_PUBLISHERS: &str = "told-publishers-";

/// What was said, of a player or of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The first words of each kind, as they may be shown: on one line, bounded, without secrets.
    pub quotes: BTreeMap<String, String>,
    /// Whether each value that is remembered was learnt by any client, in the order of the target's `remember`.
    pub learnt: Vec<bool>,
}

impl Told {
    /// True when there is room for the first words of this kind.
    pub fn wants(&self, kind: &str) -> bool {
        self.quotes.len() < MOST_QUOTES && !self.quotes.contains_key(kind)
    }

    /// Enters which values a client has learnt.
    pub fn learn(&mut self, remembered: &[Option<String>]) {
        self.take_learnt(remembered.iter().map(Option::is_some));
    }

    /// Adds what another player was told; the first words of a kind stay.
    pub fn merge(&mut self, other: &Self) {
        for (kind, words) in &other.quotes {
            if self.wants(kind) {
                self.quotes.insert(kind.clone(), words.clone());
            }
        }
        self.take_learnt(other.learnt.iter().copied());
    }

    fn take_learnt(&mut self, learnt: impl ExactSizeIterator<Item = bool>) {
        self.learnt.resize(self.learnt.len().max(learnt.len()), false);
        for (mine, theirs) in self.learnt.iter_mut().zip(learnt) {
            *mine |= theirs;
        }
    }
}

/// The beginning of a message, as text.
pub(super) fn beginning(message: &[u8]) -> String {
    String::from_utf8_lossy(&message[..message.len().min(LONGEST)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: &str, words: &str, learnt: &[bool]) -> Told {
        Told { quotes: BTreeMap::from([(kind.to_owned(), words.to_owned())]), learnt: learnt.to_vec() }
    }

    #[test]
    fn the_first_words_of_a_kind_stay_and_what_one_client_learnt_was_learnt() {
        let mut all = told(FOREIGN, "hello", &[false]);
        all.merge(&told(FOREIGN, "good evening", &[false, true]));
        all.merge(&told(SUBSCRIPTION_REFUSED, "no", &[]));
        assert_eq!((all.quotes[FOREIGN].as_str(), all.quotes[SUBSCRIPTION_REFUSED].as_str()), ("hello", "no"));
        assert_eq!(all.learnt, [false, true]);
        all.learn(&[Some("7".to_owned()), None, None]);
        assert_eq!(all.learnt, [true, true, false]);
    }

    #[test]
    fn however_many_kinds_there_are_so_many_are_quoted_and_no_more() {
        let mut all = Told::default();
        for kind in 0..2 * MOST_QUOTES {
            all.merge(&told(&kind.to_string(), "words", &[]));
        }
        assert_eq!(all.quotes.len(), MOST_QUOTES);
        assert!(beginning(&vec![b'x'; 1 << 20]).len() == LONGEST);
    }
}
