//! Sentinels: asked who the primary is, and listened to for when that changes.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use redis::{Client, ErrorKind, RedisError, RedisResult};
use tokio::time::timeout;

/// Longest wait for one Sentinel: there are others.
const SENTINEL: Duration = Duration::from_millis(500);
/// Where a Sentinel tells that it takes another Redis for the primary.
const SWITCHED: &str = "+switch-master";

/// The Sentinels of one primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentinels {
    /// Host and port of each.
    pub(super) addresses: Vec<(String, u16)>,
    /// What they call the primary.
    pub(super) name: String,
}

impl Sentinels {
    /// Host and port of the primary: as the Sentinel says that knows the newest configuration, for others learn of it seconds later.
    pub(super) async fn primary(&self) -> RedisResult<(String, u16)> {
        let asked = self.addresses.iter().map(async |(host, port)| {
            let answer = timeout(SENTINEL, ask(host, *port, &self.name)).await;
            let why = match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            Err(format!("{host}:{port}: {why}"))
        });
        let answers = join_all(asked).await;
        let newest = answers.iter().flatten().max_by_key(|(configuration, _)| *configuration);
        newest.map(|(_, primary)| primary.clone()).ok_or_else(|| {
            let why: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
            RedisError::from((ErrorKind::Io, "no Sentinel tells where the primary is", why.join("; ")))
        })
    }

    /// Waits until a Sentinel tells that the primary is another one, or until none can be listened to.
    pub(super) async fn switched(&self) {
        let listening = self.addresses.iter().map(|(host, port)| listen(host, *port, &self.name));
        // The first that tells; those that end are waited for no longer.
        let mut listening: FuturesUnordered<_> = listening.collect();
        while let Some(told) = listening.next().await {
            if told.is_ok() {
                return;
            }
        }
    }
}

/// The number of the configuration that a Sentinel knows, and where the primary is by that.
async fn ask(host: &str, port: u16, name: &str) -> RedisResult<(u64, (String, u16))> {
    let mut sentinel = Client::open((host, port))?.get_multiplexed_async_connection().await?;
    let mut questions = redis::pipe();
    questions.cmd("SENTINEL").arg("master").arg(name);
    // While a failover goes on, this tells of the new one before the other does.
    questions.cmd("SENTINEL").arg("get-master-addr-by-name").arg(name);
    let (fields, primary): (HashMap<String, String>, (String, u16)) = questions.query_async(&mut sentinel).await?;
    let configuration = fields.get("config-epoch").and_then(|number| number.parse().ok()).unwrap_or(0);
    Ok((configuration, primary))
}

/// Waits until one Sentinel tells of another primary; fails when it cannot be listened to.
async fn listen(host: &str, port: u16, name: &str) -> RedisResult<()> {
    let unreachable = |_| RedisError::from((ErrorKind::Io, "no answer in time"));
    let client = Client::open((host, port))?;
    let mut sentinel = timeout(SENTINEL, client.get_async_pubsub()).await.map_err(unreachable)??;
    timeout(SENTINEL, sentinel.subscribe(SWITCHED)).await.map_err(unreachable)??;
    let mut told = sentinel.on_message();
    while let Some(message) = told.next().await {
        // `NAME OLD-HOST OLD-PORT NEW-HOST NEW-PORT`
        let text: String = message.get_payload()?;
        if text.split(' ').next() == Some(name) {
            return Ok(());
        }
    }
    Err(RedisError::from((ErrorKind::Io, "the Sentinel is gone")))
}
