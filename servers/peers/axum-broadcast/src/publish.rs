//! Publishing: the body of a POST goes to everybody who is subscribed at this moment.

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::topics::Topics;

/// Answers 201 once the channel has it, whether or not anybody listens; 503 when there are too many topics.
pub async fn publish(Path(topic): Path<String>, State(topics): State<Topics>, body: String) -> StatusCode {
    let Some(channel) = topics.channel(&topic) else { return StatusCode::SERVICE_UNAVAILABLE };
    // An error says that nobody listens, which is not the publisher's business.
    let _ = channel.send(body);
    StatusCode::CREATED
}
