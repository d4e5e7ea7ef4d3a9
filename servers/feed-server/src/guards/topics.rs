//! The bound on topics, on what they are called, and on who may read them and publish on them.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use feed::{After, TopicName};
use http::request::Parts;

use super::grants::{Lease, Pass};
use super::token;
use crate::app::App;
use crate::hub::Log;
use crate::refusal::Refusal;

/// The topic in a request's path, checked; what may be done with it depends on what was shown with the request.
pub(crate) struct Topic {
    name: TopicName,
    pass: Option<Pass>,
}

impl Topic {
    /// A topic for who has shown `pass`.
    pub(crate) fn new(name: TopicName, pass: Option<Pass>) -> Self {
        Self { name, pass }
    }

    /// Its log, if it may be read and there may be another one, for a reader who starts `after` something.
    pub(crate) async fn log(&self, app: &App, after: After) -> Result<Arc<Log>, Refusal> {
        if let Some(pass) = self.pass(app)? {
            pass.read(&self.name)?;
        }
        Ok(app.broker.follow(&self.name, after).await?)
    }

    /// Its name, if it may be published on.
    pub(crate) fn to_publish_on(&self, app: &App) -> Result<&TopicName, Refusal> {
        if let Some(pass) = self.pass(app)? {
            pass.write(&self.name)?;
        }
        Ok(&self.name)
    }

    /// The same, for a request that does nothing else.
    pub(crate) fn into_publishable(self, app: &App) -> Result<TopicName, Refusal> {
        self.to_publish_on(app)?;
        Ok(self.name)
    }

    /// How long it may be read.
    pub(crate) fn lease(&self) -> Lease {
        Lease::of(self.pass.as_ref())
    }

    /// What was shown, which is something where there are keys.
    fn pass(&self, app: &App) -> Result<Option<&Pass>, Refusal> {
        match (&app.keys, &self.pass) {
            (Some(_), None) => Err(token::missing()),
            (_, pass) => Ok(pass.as_ref()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Topic {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection: PathRejection| Refusal::bad_request(rejection.body_text()))?;
        let name = name.parse().map_err(|error: feed::TopicError| Refusal::bad_request(error.to_string()))?;
        Ok(Self::new(name, parts.extensions.get().cloned()))
    }
}
