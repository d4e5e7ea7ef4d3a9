//! Which broker is asked for: the value of `--broker`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use anyhow::bail;

use super::redis::Address;

const EXPECTED: &str = "bad --broker: expected `memory`, redis://[user:password@]host[:port][/database], \
                        or redis-sentinel://[user:password@]host[:port][,host[:port]...]/name[/database]";

/// A broker as it was asked for. It may hold a password, so neither it nor an error about it shows what was given.
#[derive(Clone)]
pub struct Choice(String);

/// A broker that can be connected to.
#[derive(Debug)]
pub(super) enum Chosen {
    /// This process alone.
    Memory,
    /// The Redis at this address.
    Redis(Address),
}

/// Takes anything: what the command line's parser refuses, it would repeat.
impl FromStr for Choice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl Choice {
    /// What was chosen; an error says what was expected.
    pub(super) fn read(&self) -> anyhow::Result<Chosen> {
        match &*self.0 {
            "memory" => Ok(Chosen::Memory),
            text if text.starts_with("redis://") => chosen(Address::named(text)),
            text if text.starts_with("redis-sentinel://") => chosen(Address::by_sentinels(text)),
            text if text.starts_with("rediss://") => {
                bail!("{EXPECTED}; TLS to the broker is not built in: put a TLS tunnel before it")
            }
            _ => bail!(EXPECTED),
        }
    }
}

fn chosen(address: Option<Address>) -> anyhow::Result<Chosen> {
    match address {
        Some(address) => Ok(Chosen::Redis(address)),
        None => bail!("{EXPECTED}; this URL cannot be read"),
    }
}

/// Without user and password.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.read() {
            Ok(Chosen::Memory) => f.write_str("memory"),
            Ok(Chosen::Redis(address)) => address.fmt(f),
            Err(_) => f.write_str("unknown"),
        }
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let choice: Choice = "redis://me:s3cret@127.0.0.1:6380/2".parse().unwrap();
        assert_eq!(format!("{choice} {choice:?}"), "redis://127.0.0.1:6380 redis://127.0.0.1:6380");
        for text in [
            "redis://me:s3cret@:x/",
            "rediss://me:s3cret@host",
            "me:s3cret@host",
            "redis-sentinel://me:s3cret@host",
            "redis-sentinel://me:s3cret@/main",
        ] {
            let choice: Choice = text.parse().unwrap();
            let error = choice.read().unwrap_err().to_string();
            assert!(error.starts_with("bad --broker: expected `memory`, redis://"), "{error}");
            assert!(!format!("{error} {choice} {choice:?}").contains("s3cret"), "{error}");
        }
    }
}
