//! What each error of Redis means here: what the publisher is told, and whether the connections are made anew.
//!
//! | Redis says | what it is | publisher is answered | connections |
//! |---|---|---|---|
//! | `READONLY` | a replica: it was demoted, or never was the primary | 503, retry after 1 s: nothing was done | dropped; the address is asked for anew |
//! | `MASTERDOWN` | a replica that lost its primary | 503, 1 s: nothing was done | dropped, likewise |
//! | `LOADING` | it reads its data: restarted, or a replica that copies its primary | 503, 1 s: nothing was done | dropped, likewise |
//! | `OOM` | `maxmemory` is reached | 503, 5 s: nothing was done | kept |
//! | `MISCONF` | it cannot write its snapshot or log | 503, 5 s: nothing was done | kept |
//! | `NOREPLICAS` | fewer good replicas than `min-replicas-to-write` | 503, 5 s: nothing was done | kept |
//! | `BUSY` | somebody's script does not end | 503, 1 s: nothing was done | kept |
//! | another error, before a script began (`NOPERM`, `MOVED`, `CLUSTERDOWN`, ...) | not what this broker is for | 503, 1 s: nothing was done | kept |
//! | another error, from within a script | it may have written before it failed | 503, 1 s: it may be done or not | kept |
//! | nothing in time | it hangs | 503, 1 s: it may be done or not | kept, until the pulse finds the same |
//! | the connection ended | it is gone | 503, 1 s: it may be done or not | dropped |
//!
//! Redis raises the first seven before a script's first write, never after it, so that they mean what they say. No command is
//! sent twice from here: what may be done or not is left to the publisher, whose idempotency key makes a repeat safe. Where the
//! connections are kept though nothing can be written, the pulse asks whether the address has another primary by now.

use redis::RedisError;

use crate::brokers::Failure;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// `READONLY`.
    Replica,
    /// `MASTERDOWN`.
    Orphan,
    /// `LOADING`.
    Loading,
    /// `OOM`.
    Full,
    /// `MISCONF`.
    CannotSave,
    /// `NOREPLICAS`.
    FewReplicas,
    /// `BUSY`.
    Busy,
    /// Another error, before anything was done.
    Refused,
    /// Another error, and something may have been done.
    Halfway,
    /// No answer in time.
    Silent,
    /// The connection ended.
    Lost,
}

impl Rule {
    /// The row of an error.
    pub(super) fn of(error: &RedisError) -> Self {
        if error.is_timeout() {
            return Self::Silent;
        }
        let Some(code) = error.code() else {
            return if error.is_io_error() || error.is_connection_dropped() { Self::Lost } else { Self::Halfway };
        };
        Self::said(code, error.detail().unwrap_or_default())
    }

    /// The row of what Redis answered.
    fn said(code: &str, detail: &str) -> Self {
        // Before version 7, Redis wraps what a script's command was answered: `ERR Error running script (...): ... -OOM command not
        // allowed ...`.
        let wrapped = detail.split(' ').find_map(|word| word.strip_prefix('-')).map(|code| code.trim_end_matches(':'));
        let is_within_script = detail.contains("@user_script") || detail.contains("script: ");
        match (code, wrapped) {
            ("READONLY", _) | ("ERR", Some("READONLY")) => Self::Replica,
            ("MASTERDOWN", _) | ("ERR", Some("MASTERDOWN")) => Self::Orphan,
            ("LOADING", _) | ("ERR", Some("LOADING")) => Self::Loading,
            ("OOM", _) | ("ERR", Some("OOM")) => Self::Full,
            ("MISCONF", _) | ("ERR", Some("MISCONF")) => Self::CannotSave,
            ("NOREPLICAS", _) | ("ERR", Some("NOREPLICAS")) => Self::FewReplicas,
            ("BUSY", _) => Self::Busy,
            _ if is_within_script => Self::Halfway,
            _ => Self::Refused,
        }
    }

    /// What a publisher is told.
    pub(super) fn failure(self) -> Failure {
        match self {
            Self::Replica | Self::Orphan => Failure::Replica,
            Self::Loading => Failure::Loading,
            Self::Full => Failure::Full,
            Self::CannotSave => Failure::CannotSave,
            Self::FewReplicas => Failure::FewReplicas,
            Self::Busy => Failure::Busy,
            Self::Refused => Failure::Refused,
            Self::Halfway | Self::Silent | Self::Lost => Failure::Unconfirmed,
        }
    }

    /// What a publisher is told when this came of something else than its publication: of dialling, or of a check.
    pub(super) fn of_no_publication(self) -> Failure {
        match self {
            Self::Replica | Self::Orphan | Self::Loading | Self::Full => self.failure(),
            Self::CannotSave | Self::FewReplicas | Self::Busy | Self::Refused => self.failure(),
            Self::Halfway | Self::Silent | Self::Lost => Failure::OutOfReach,
        }
    }

    /// True when the connections are of no use, and the address is asked for anew.
    pub(super) fn reconnects(self) -> bool {
        match self {
            Self::Replica | Self::Orphan | Self::Loading | Self::Lost => true,
            Self::Full | Self::CannotSave | Self::FewReplicas | Self::Busy => false,
            Self::Refused | Self::Halfway | Self::Silent => false,
        }
    }

    /// True when no topic can be published on, rather than this one publication not be made.
    pub(super) fn concerns_all(self) -> bool {
        match self {
            Self::Replica | Self::Orphan | Self::Loading | Self::Lost => true,
            Self::Full | Self::CannotSave | Self::FewReplicas | Self::Busy => true,
            Self::Refused | Self::Halfway | Self::Silent => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use redis::{ErrorKind, RedisError};

    use super::*;

    /// What the client library makes of an error on the wire.
    fn rule(said: &str) -> Rule {
        let value = redis::parse_redis_value(format!("-{said}\r\n").as_bytes()).unwrap();
        Rule::of(&value.extract_error().unwrap_err())
    }

    #[test]
    fn every_error_of_redis_has_its_rule() {
        let at = "script: 9f0e, on @user_script:14.";
        let old = "ERR Error running script (call to f_9f0e): @user_script:14: @user_script: 14:";
        for (said, expected) in [
            ("READONLY You can't write against a read only replica.".to_owned(), Rule::Replica),
            (format!("READONLY You can't write against a read only replica. {at}"), Rule::Replica),
            (format!("{old} -READONLY You can't write against a read only slave."), Rule::Replica),
            (
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.".to_owned(),
                Rule::Orphan,
            ),
            ("LOADING Redis is loading the dataset in memory".to_owned(), Rule::Loading),
            (format!("OOM command not allowed when used memory > 'maxmemory'. {at}"), Rule::Full),
            (format!("{old} -OOM command not allowed when used memory > 'maxmemory'."), Rule::Full),
            ("MISCONF Redis is configured to save RDB snapshots, but it's ...".to_owned(), Rule::CannotSave),
            (format!("{old} -MISCONF Errors writing to the AOF file: No space left on device"), Rule::CannotSave),
            (format!("NOREPLICAS Not enough good replicas to write. {at}"), Rule::FewReplicas),
            ("BUSY Redis is busy running a script.".to_owned(), Rule::Busy),
            ("NOPERM this user has no permissions to run the 'evalsha' command".to_owned(), Rule::Refused),
            ("MOVED 866 127.0.0.1:7001".to_owned(), Rule::Refused),
            ("CLUSTERDOWN Hash slot not served".to_owned(), Rule::Refused),
            ("ERR unknown command 'evalsha'".to_owned(), Rule::Refused),
            (format!("WRONGTYPE Operation against a key holding the wrong kind of value {at}"), Rule::Halfway),
            (format!("{old} WRONGTYPE Operation against a key holding the wrong kind of value"), Rule::Halfway),
        ] {
            assert_eq!(rule(&said), expected, "{said}");
        }
        for (kind, expected) in [
            (std::io::ErrorKind::TimedOut, Rule::Silent),
            (std::io::ErrorKind::ConnectionReset, Rule::Lost),
            (std::io::ErrorKind::BrokenPipe, Rule::Lost),
            (std::io::ErrorKind::UnexpectedEof, Rule::Lost),
        ] {
            assert_eq!(Rule::of(&RedisError::from(std::io::Error::from(kind))), expected, "{kind}");
        }
        let strange = RedisError::from((ErrorKind::UnexpectedReturnType, "not what was asked for"));
        assert_eq!(Rule::of(&strange), Rule::Halfway, "it answered, so it may have done it");
    }

    #[test]
    fn only_what_was_surely_not_done_is_said_not_to_be() {
        for rule in [Rule::Halfway, Rule::Silent, Rule::Lost] {
            assert_eq!(rule.failure(), Failure::Unconfirmed, "{rule:?}");
        }
    }
}
