//! Where the primary is: behind a name, which is resolved for every connection, or where Sentinels say.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use redis::{Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult};
use tokio::net::lookup_host;
use tokio::time::timeout;

/// Longest wait for one Sentinel: there are others.
const SENTINEL: Duration = Duration::from_millis(500);
/// Where Sentinels listen unless told otherwise.
const SENTINEL_PORT: u16 = 26379;

/// A primary that is yet to be found, and what to tell it: user, password, database.
#[derive(Clone)]
pub(crate) struct Address {
    settings: RedisConnectionInfo,
    found: Found,
}

#[derive(Debug, Clone)]
enum Found {
    /// By its name or address.
    Named(String, u16),
    /// By asking these for who is the primary of that name.
    BySentinels(Vec<(String, u16)>, String),
}

impl Address {
    /// Of `redis://[user:password@]host[:port][/database]`.
    pub(crate) fn named(url: &str) -> Option<Self> {
        let info = url.into_connection_info().ok()?;
        let ConnectionAddr::Tcp(host, port) = info.addr().clone() else { return None };
        Some(Self { settings: info.redis_settings().clone(), found: Found::Named(host, port) })
    }

    /// Of `redis-sentinel://[user:password@]host[:port][,host[:port]...]/name[/database]`.
    pub(crate) fn by_sentinels(url: &str) -> Option<Self> {
        let (authority, path) = url.strip_prefix("redis-sentinel://")?.split_once('/')?;
        let (login, hosts) = authority.rsplit_once('@').map_or(("", authority), |(login, hosts)| (login, hosts));
        let (name, database) = path.split_once('/').unwrap_or((path, ""));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if name.is_empty() || !name.chars().all(is_plain) {
            return None;
        }
        let at = if login.is_empty() { "" } else { "@" };
        // The library's own reading of login and database, and of each host.
        let settings = format!("redis://{login}{at}sentinel/{database}").into_connection_info().ok()?;
        let sentinels: Option<Vec<_>> = hosts.split(',').map(sentinel).collect();
        Some(Self {
            settings: settings.redis_settings().clone(),
            found: Found::BySentinels(sentinels?, name.to_owned()),
        })
    }

    /// Every address at which the primary may be, the likeliest first.
    pub(super) async fn resolve(&self) -> RedisResult<Vec<SocketAddr>> {
        match &self.found {
            Found::Named(host, port) => addresses(host, *port).await,
            Found::BySentinels(sentinels, name) => {
                let mut unanswered = Vec::new();
                for (host, port) in sentinels {
                    match timeout(SENTINEL, ask(host, *port, name)).await {
                        Ok(Ok((host, port))) => return addresses(&host, port).await,
                        Ok(Err(error)) => unanswered.push(format!("{host}:{port}: {error}")),
                        Err(_) => unanswered.push(format!("{host}:{port}: no answer in time")),
                    }
                }
                let why = unanswered.join("; ");
                Err(RedisError::from((ErrorKind::Io, "no Sentinel tells where the primary is", why)))
            }
        }
    }

    /// True when it costs no system-wide service anything to ask every second: Sentinels are there for that, DNS is not.
    pub(super) fn is_asked_often(&self) -> bool {
        match self.found {
            Found::Named(..) => false,
            Found::BySentinels(..) => true,
        }
    }

    /// A client of the Redis at one of the addresses.
    pub(super) fn client(&self, address: SocketAddr) -> RedisResult<Client> {
        let address = ConnectionAddr::Tcp(address.ip().to_string(), address.port());
        Client::open(address.into_connection_info()?.set_redis_settings(self.settings.clone()))
    }
}

/// Host and port of a Sentinel.
fn sentinel(text: &str) -> Option<(String, u16)> {
    // Digits behind the last colon, unless that is within the brackets of an IPv6 address.
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok() && !text.ends_with(']'));
    let text = if has_port { text.to_owned() } else { format!("{text}:{SENTINEL_PORT}") };
    match format!("redis://{text}").into_connection_info().ok()?.addr() {
        ConnectionAddr::Tcp(host, port) => Some((host.clone(), *port)),
        _ => None,
    }
}

/// Asks one Sentinel for the primary.
async fn ask(host: &str, port: u16, name: &str) -> RedisResult<(String, u16)> {
    let client = Client::open((host, port))?;
    let mut sentinel = client.get_multiplexed_async_connection().await?;
    let mut ask = redis::cmd("SENTINEL");
    ask.arg("get-master-addr-by-name").arg(name);
    let primary: Option<(String, u16)> = ask.query_async(&mut sentinel).await?;
    primary.ok_or_else(|| {
        RedisError::from((ErrorKind::InvalidClientConfig, "knows no primary of the name", name.to_owned()))
    })
}

async fn addresses(host: &str, port: u16) -> RedisResult<Vec<SocketAddr>> {
    Ok(lookup_host((host, port)).await?.collect())
}

/// Without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Found::Named(host, port) => write!(f, "redis://{host}:{port}"),
            Found::BySentinels(sentinels, name) => {
                let sentinels: Vec<_> = sentinels.iter().map(|(host, port)| format!("{host}:{port}")).collect();
                write!(f, "redis-sentinel://{}/{name}", sentinels.join(","))
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (url, shown) in [
            ("redis-sentinel://a,b:5/main", "redis-sentinel://a:26379,b:5/main"),
            ("redis-sentinel://me:s3cret@a:1/main/2", "redis-sentinel://a:1/main"),
            ("redis-sentinel://[::1]:7,127.0.0.1/my-main.1", "redis-sentinel://::1:7,127.0.0.1:26379/my-main.1"),
        ] {
            assert_eq!(Address::by_sentinels(url).expect(url).to_string(), shown);
        }
        assert_eq!(Address::named("redis://me:s3cret@h:1/2").unwrap().to_string(), "redis://h:1");
    }

    #[test]
    fn user_password_and_database_are_those_of_the_primary() {
        let address = Address::by_sentinels("redis-sentinel://me:s3%40cret@a,b/main/2").unwrap();
        let settings = &address.settings;
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("me"), Some("s3@cret"), 2));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in ["", "a", "a/", "/main", "a,/main", "a:x/main", "a/main/x", "a/ma in", "a/main/1/2", "me@/main"] {
            let url = format!("redis-sentinel://{url}");
            assert!(Address::by_sentinels(&url).is_none(), "{url}: {:?}", Address::by_sentinels(&url));
        }
    }
}
