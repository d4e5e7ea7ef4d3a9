//! What a Redis tells of itself: which process it is, whose data it has, and whether it takes writes.

use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{ErrorKind, RedisError, RedisResult, make_extension_error};
use tokio::time::Instant;

use crate::clock;

/// One answer to `INFO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Of the process: another one after each start.
    pub(super) id: String,
    /// Of the history of its data, which its replicas have as well.
    pub(super) history: String,
    /// Of the history that it continues: the one of its primary before it was promoted, or of the snapshot that it loaded.
    pub(super) continues: String,
    /// `1` when every write is logged (append-only file).
    pub(super) is_logged: String,
    /// How long it runs, rounded down to a second.
    uptime: Duration,
    /// The primary, for a replica.
    primary: Option<String>,
}

impl Run {
    /// Asks a Redis what it is; fails where it is a replica, for it takes no writes.
    pub(super) async fn ask(commands: &mut impl ConnectionLike) -> RedisResult<Self> {
        let info: String = redis::cmd("INFO").query_async(commands).await?;
        let run = Self::read(&info)
            .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "INFO names no run_id")))?;
        match run.primary {
            None => Ok(run),
            Some(primary) => Err(is_replica(&primary)),
        }
    }

    fn read(info: &str) -> Option<Self> {
        let field = |name: &str| field(info, name).map(str::to_owned);
        Some(Self {
            id: field("run_id")?,
            history: field("master_replid").unwrap_or_default(),
            continues: field("master_replid2").unwrap_or_default(),
            is_logged: field("aof_enabled").unwrap_or_else(|| "0".to_owned()),
            uptime: Duration::from_secs(field("uptime_in_seconds").and_then(|text| text.parse().ok()).unwrap_or(0)),
            primary: primary(info),
        })
    }

    /// True when it surely ran at `then`: it did not begin with a snapshot that it loaded since.
    pub(super) fn ran_at(&self, then: Option<Instant>) -> bool {
        then.is_some_and(|then| self.uptime >= clock::now() - then)
    }
}

/// Asks a Redis that took writes whether it still does; fails when it has become a replica.
pub(super) async fn still_primary(commands: &mut impl ConnectionLike) -> RedisResult<()> {
    let info: String = redis::cmd("INFO").arg("replication").query_async(commands).await?;
    primary(&info).map_or(Ok(()), |primary| Err(is_replica(&primary)))
}

/// What it would say to a write.
fn is_replica(primary: &str) -> RedisError {
    make_extension_error("READONLY".to_owned(), Some(format!("this Redis is a replica, its primary is {primary}")))
}

fn primary(info: &str) -> Option<String> {
    let is_replica = field(info, "role") == Some("slave");
    let part = |name| field(info, name).unwrap_or("unknown");
    is_replica.then(|| format!("{}:{}", part("master_host"), part("master_port")))
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &str = "# Server\r\nrun_id:aa\r\nuptime_in_seconds:7\r\naof_enabled:1\r\nrole:master\r\n\
                           master_replid:bb\r\nmaster_replid2:cc\r\n";

    #[test]
    fn what_a_redis_is_is_read_from_its_information() {
        let run = Run::read(PRIMARY).unwrap();
        assert_eq!((&*run.id, &*run.history, &*run.continues, &*run.is_logged), ("aa", "bb", "cc", "1"));
        assert_eq!((run.uptime, run.primary), (Duration::from_secs(7), None));
        let replica = PRIMARY.replace("role:master", "role:slave\r\nmaster_host:h\r\nmaster_port:1");
        assert_eq!(Run::read(&replica).unwrap().primary.as_deref(), Some("h:1"));
        assert_eq!(Run::read("role:master\r\n"), None);
    }

    #[test]
    fn who_may_have_begun_since_did_not_surely_run() {
        let run = Run::read(PRIMARY).unwrap();
        assert!(run.ran_at(Some(clock::now() - Duration::from_millis(6900))));
        assert!(!run.ran_at(Some(clock::now() - Duration::from_millis(7100))));
        assert!(!run.ran_at(None), "nobody knows since when");
    }
}
