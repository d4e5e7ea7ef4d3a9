//! A subscriber's place in a log: which history, and how far into it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names one history of a topic; when history is lost, the epoch changes.
///
/// One to sixteen lowercase letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl Epoch {
    /// Longest epoch, bytes.
    pub const MAX_LEN: usize = 16;

    /// An epoch made of the base-36 digits of `number`.
    pub fn from_number(mut number: u64) -> Self {
        const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut bytes = [0; Self::MAX_LEN];
        let mut len = 0;
        while len == 0 || number > 0 {
            bytes[len] = DIGITS[(number % 36) as usize];
            number /= 36;
            len += 1;
        }
        Self { bytes, len: len as u8 }
    }

    /// The epoch as it is written.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("only ASCII letters and digits are let in")
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Epoch {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len());
        if !fits || !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            return Err(CursorError(text.to_owned()));
        }
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { bytes, len: text.len() as u8 })
    }
}

/// `epoch:offset`: everything up to and including `offset` has been seen.
///
/// Offsets are contiguous from 1 within a topic; offset 0 is the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which history.
    pub epoch: Epoch,
    /// How far into it.
    pub offset: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

/// A cursor that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed cursor `{0}`: expected epoch:offset, for example k3f9:42")]
pub struct CursorError(String);

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let malformed = || CursorError(text.to_owned());
        let (epoch, offset) = text.split_once(':').ok_or_else(malformed)?;
        let digits_only = !offset.is_empty() && offset.bytes().all(|b| b.is_ascii_digit());
        if !digits_only {
            return Err(malformed());
        }
        Ok(Self { epoch: epoch.parse().map_err(|_| malformed())?, offset: offset.parse().map_err(|_| malformed())? })
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a subscription starts: the value of the `after` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum After {
    /// From now on (no `after` at all).
    #[default]
    Now,
    /// From the oldest notification that is retained (`after=earliest`).
    Earliest,
    /// After what a cursor has seen.
    Cursor(Cursor),
}

impl FromStr for After {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        match text {
            "earliest" => Ok(Self::Earliest),
            text => text.parse().map(Self::Cursor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        let cursor = Cursor { epoch: "k3f9".parse().unwrap(), offset: 42 };
        assert_eq!(cursor.to_string(), "k3f9:42");
        assert_eq!("k3f9:42".parse(), Ok(cursor));
        assert_eq!("earliest".parse(), Ok(After::Earliest));
    }

    #[test]
    fn what_is_not_a_cursor_is_refused_by_name() {
        for text in
            ["", ":", "k3f9", "k3f9:", ":42", "K3F9:42", "k3f9:-1", "k3f9:+1", "k3f9:4 2", "k:99999999999999999999"]
        {
            let error = text.parse::<Cursor>().unwrap_err().to_string();
            assert_eq!(error, format!("malformed cursor `{text}`: expected epoch:offset, for example k3f9:42"));
        }
        assert!("aaaaaaaaaaaaaaaaa:1".parse::<Cursor>().is_err(), "seventeen characters of epoch");
    }

    #[test]
    fn an_epoch_made_from_any_number_is_a_legal_epoch() {
        for number in [0, 1, 35, 36, u64::MAX] {
            let epoch = Epoch::from_number(number);
            assert_eq!(epoch.as_str().parse(), Ok(epoch));
        }
    }
}
