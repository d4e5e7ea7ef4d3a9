//! The way in for every request: past the guards, then to the routes; what was refused is counted on the way out.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request};
use tower_service::Service as _;

use crate::app::{App, admit};
use crate::guards::count::Guard;
use crate::guards::origin::Cors;
use crate::refusal::Refusal;

/// Guards and routes, however a request was read.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    app: Arc<App>,
    routes: Router,
}

impl Entrance {
    pub(crate) fn new(app: Arc<App>, routes: Router) -> Self {
        Self { app, routes }
    }

    /// Answers a request, which has the [`Meter`](crate::stats::Meter) of its connection as an extension.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response {
        let origin = self.app.origins.admit(&request);
        let mut response = match origin {
            Ok(None) => self.pass(request).await,
            Ok(Some(cors)) => self.pass_foreign(request, cors).await,
            Err(refusal) => self.refuse(&request, refusal),
        };
        let status = response.status();
        if (status.is_client_error() || status.is_server_error())
            && let Some(guard) = response.extensions_mut().remove::<Guard>()
        {
            self.app.stats.refusals.add(guard);
        }
        response
    }

    /// For a page of another origin: every answer says that it may read it.
    async fn pass_foreign(&self, mut request: Request<Body>, cors: Cors) -> Response {
        let mut response = match Cors::preflight(&request) {
            Some(response) => response,
            None => {
                // Who takes the socket over writes a head of its own.
                request.extensions_mut().insert(cors.clone());
                // Boxed, for it is seldom.
                Box::pin(self.pass(request)).await
            }
        };
        cors.dress(response.headers_mut());
        response
    }

    async fn pass(&self, mut request: Request<Body>) -> Response {
        let admitted = admit(&self.app, &mut request);
        match admitted {
            Ok(()) => match self.routes.clone().call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(refusal) => self.refuse(&request, refusal),
        }
    }

    /// Answers what comes to no handler, which would have counted a publication that is refused.
    fn refuse(&self, request: &Request<Body>, refusal: Refusal) -> Response {
        if request.method() == Method::POST && request.uri().path().starts_with("/topics/") {
            self.app.stats.refused.fetch_add(1, Relaxed);
        }
        refusal.into_response()
    }
}
