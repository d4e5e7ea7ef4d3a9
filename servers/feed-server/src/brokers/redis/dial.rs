//! How the connections are made: to the first address at which a primary answers, which is told which run of it is seen.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSubStream};
use redis::{AsyncConnectionConfig, ErrorKind, RedisError, RedisResult};
use tokio::time::timeout;

use super::ANSWER;
use super::lines::Lines;
use super::link::Link;
use super::rules::Rule;
use super::run::{Run, Seen};
use crate::clock;

/// Longest that dialling one connection may take.
const DIAL: Duration = Duration::from_secs(2);
/// Commands that wait to be written at a time; publishers beyond them wait for a place. What waits is written at once.
const PIPELINE: usize = 1024;
/// Channels subscribed to with one command.
const CHANNELS: usize = 1000;

impl Link {
    /// Makes both connections, and listens to every topic that is followed.
    pub(super) async fn dial(&self) -> RedisResult<PubSubStream> {
        let dialled = self.connect().await;
        if let Err(error) = &dialled {
            self.errors.fetch_add(1, Relaxed);
            *self.down.write().unwrap_or_else(PoisonError::into_inner) = Rule::of(error).of_no_publication();
        }
        dialled
    }

    /// Connects to the first of the addresses that is a primary.
    async fn connect(&self) -> RedisResult<PubSubStream> {
        let mut why = RedisError::from((ErrorKind::InvalidClientConfig, "the name has no address"));
        for address in within(DIAL, self.address.resolve()).await? {
            match self.connect_to(address).await {
                Ok((lines, seen, news)) => {
                    // One that hung until now may have been replaced meanwhile, and not know it yet.
                    if let Some(other) = self.elsewhere(address).await {
                        let other = format!("it is at {other} now");
                        return Err(RedisError::from((ErrorKind::Io, "the primary was replaced meanwhile", other)));
                    }
                    *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some(seen);
                    self.set_lines(Some(Arc::new(lines)));
                    return Ok(news);
                }
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// Both connections lead to one address, whatever the name is moved to meanwhile.
    async fn connect_to(&self, address: SocketAddr) -> RedisResult<(Lines, Seen, PubSubStream)> {
        let client = self.address.client(address)?;
        let commands = async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(DIAL))
                .set_response_timeout(Some(ANSWER))
                .set_pipeline_buffer_size(PIPELINE);
            let mut commands = client.get_multiplexed_async_connection_with_config(&config).await?;
            let seen = self.enter(&mut commands).await?;
            for script in [&self.scripts.publish, &self.scripts.read] {
                script.load_async(&mut commands).await?;
            }
            Ok((commands, seen))
        };
        let (commands, seen) = within(DIAL, commands).await?;
        let (mut listening, news) = within(DIAL, client.get_async_pubsub()).await?.split();
        let topics = self.topics();
        let channels: Vec<_> =
            topics.iter().filter(|topic| topic.is_wanted()).map(|topic| topic.channel.as_str()).collect();
        for channels in channels.chunks(CHANNELS) {
            within(ANSWER, listening.subscribe(channels)).await?;
        }
        Ok((Lines::new(address, commands, listening), seen, news))
    }

    /// Tells Redis which run of it this server sees, so that a snapshot which came back is not taken for what was there; fails at a replica.
    async fn enter(&self, commands: &mut MultiplexedConnection) -> RedisResult<Seen> {
        let at = clock::now();
        let run = Run::ask(commands).await?;
        let was_there = self.seen.read().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|seen| {
            // Of the history that it continues, and not of some other.
            seen.history == run.continues && run.ran_at(seen.at)
        });
        let mut enter = self.scripts.enter.key("wirelab:run");
        enter.key("wirelab:life").arg(&run.id).arg(&run.is_logged).arg(&run.history).arg(&run.continues);
        enter.arg(u8::from(was_there));
        enter.invoke_async::<()>(commands).await?;
        Ok(Seen { history: run.history, at })
    }
}

/// The answer, or an error when there is none in time.
pub(super) async fn within<T>(bound: Duration, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = |_| Err(RedisError::from((ErrorKind::Io, "no answer in time", format!("within {} s", bound.as_secs()))));
    timeout(bound, answer).await.unwrap_or_else(late)
}
