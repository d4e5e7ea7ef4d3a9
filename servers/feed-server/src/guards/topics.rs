//! The bound on topics, and on what they are called.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use feed::{After, TopicName};
use http::request::Parts;

use crate::app::App;
use crate::hub::Log;
use crate::refusal::Refusal;

/// The topic in a request's path, checked.
pub(crate) struct Topic(pub(crate) TopicName);

impl Topic {
    /// Its log, if there may be another one, for a reader who starts `after` something.
    pub(crate) async fn log(&self, app: &App, after: After) -> Result<Arc<Log>, Refusal> {
        Ok(app.broker.follow(&self.0, after).await?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Topic {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection: PathRejection| Refusal::bad_request(rejection.body_text()))?;
        name.parse().map(Self).map_err(|error: feed::TopicError| Refusal::bad_request(error.to_string()))
    }
}
