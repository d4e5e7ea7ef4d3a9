//! The demo feed: a steady publisher inside the server, for a page to have something to show.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use feed::{Payload, TopicName};
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;

/// Topic of the demo.
const TOPIC: &str = "demo";

/// Publishes `rate` notifications a second until it is dropped.
pub(crate) async fn publish(app: Arc<App>, rate: f64) {
    let topic: TopicName = TOPIC.parse().expect("it is a legal topic name");
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for number in 1_u64.. {
        ticks.tick().await;
        let text = format!(r#"{{"text":"demo {number}"}}"#);
        let payload = Payload::from_json(text.as_bytes()).expect("it is JSON");
        match app.broker.publish(&topic, &payload).await {
            Ok(_) => app.stats.published.fetch_add(1, Relaxed),
            Err(_) => app.stats.refused.fetch_add(1, Relaxed),
        };
    }
}
