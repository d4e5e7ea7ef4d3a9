//! Which broker is asked for: the value of `--broker`.

use std::fmt;
use std::str::FromStr;

use redis::ConnectionAddr;

/// A broker, not connected yet.
#[derive(Clone)]
pub enum Choice {
    /// This process alone.
    Memory,
    /// The Redis of this client.
    Redis(redis::Client),
}

impl FromStr for Choice {
    type Err = String;

    /// Reads `memory` or `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`. The error does not repeat what was given, which may
    /// hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected `memory`, or redis://[user:password@]host[:port][/database]";
        match text {
            "memory" => Ok(Self::Memory),
            text if text.starts_with("redis://") => match redis::Client::open(text) {
                Ok(client) => Ok(Self::Redis(client)),
                Err(_) => Err(format!("{EXPECTED}; this URL cannot be read")),
            },
            text if text.starts_with("rediss://") => {
                Err(format!("{EXPECTED}; TLS to the broker is not built in: put a TLS tunnel before it"))
            }
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

/// Without user and password.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Redis(client) => match client.get_connection_info().addr() {
                ConnectionAddr::Tcp(host, port) => write!(f, "redis://{host}:{port}"),
                other => write!(f, "redis at {other}"),
            },
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
        for text in ["redis://me:s3cret@:x/", "rediss://me:s3cret@host", "me:s3cret@host"] {
            let error = text.parse::<Choice>().unwrap_err();
            assert!(error.starts_with("expected `memory`, or redis://") && !error.contains("s3cret"), "{error}");
        }
    }
}
