//! The topics: a broadcast channel each, made when it is first named and kept for as long as the server runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::broadcast;

/// Messages that the slowest reader may be behind; beyond, it loses the oldest. The figure of tokio's own examples.
const CAPACITY: usize = 100;
/// Topics that are kept; a further one is answered with 503.
const TOPICS_MAX: usize = 20_000;

/// What is said on each topic, as it was published.
#[derive(Debug, Clone, Default)]
pub struct Topics(Arc<Mutex<HashMap<String, broadcast::Sender<String>>>>);

impl Topics {
    /// The channel of a topic; `None` when it is a new one and there is no room for it.
    pub fn channel(&self, topic: &str) -> Option<broadcast::Sender<String>> {
        let mut channels = self.0.lock().expect("nobody panics while it is locked");
        if let Some(channel) = channels.get(topic) {
            return Some(channel.clone());
        }
        if channels.len() == TOPICS_MAX {
            return None;
        }
        Some(channels.entry(topic.to_owned()).or_insert_with(|| broadcast::channel(CAPACITY).0).clone())
    }
}
