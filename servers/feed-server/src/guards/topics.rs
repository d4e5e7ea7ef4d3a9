//! The bound on topics, and on what they are called.

use std::sync::Arc;

use feed::TopicName;

use crate::app::App;
use crate::hub::{Log, TooManyTopics};
use crate::refusal::Refusal;

/// The name, if it is one.
pub(crate) fn name(topic: &str) -> Result<TopicName, Refusal> {
    topic.parse().map_err(|error: feed::TopicError| Refusal::bad_request(error.to_string()))
}

/// The log of `topic`, if there may be another one.
pub(crate) async fn log(app: &App, topic: &str) -> Result<Arc<Log>, Refusal> {
    Ok(app.broker.follow(&name(topic)?).await?)
}

impl From<TooManyTopics> for Refusal {
    fn from(TooManyTopics(max): TooManyTopics) -> Self {
        Self::overloaded(format!("{max} topics exist already: use one of them, or raise --topics-max"))
    }
}
