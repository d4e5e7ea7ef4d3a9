//! One connection's life: requests through hyper, until an answer takes the socket over; then, if it gives it back, again.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tower_service::Service as _;

use crate::refusal::Refusal;
use crate::socket::Socket;
use crate::stats::Meter;
use crate::takeover::{Deliver, Takeover};

/// What every connection needs.
#[derive(Debug)]
pub(crate) struct Lobby {
    pub(crate) http: http1::Builder,
    pub(crate) router: Router,
    pub(crate) closing: watch::Receiver<bool>,
}

/// Serves `socket` until it is closed.
///
/// Each phase is boxed and dropped when it ends: a connection that streams holds nothing of hyper, and its task is as small
/// as the stream needs.
pub(crate) async fn serve(mut socket: Socket, lobby: Arc<Lobby>) {
    while let Some((taken, deliver)) = Box::pin(answer(socket, &lobby)).await {
        match deliver(taken).await {
            Some(back) => socket = back,
            None => return,
        }
    }
}

/// Answers requests through hyper; returns when the connection ends, or with the answer that wants the socket.
async fn answer(socket: Socket, lobby: &Lobby) -> Option<(Socket, Deliver)> {
    let meter = socket.meter().clone();
    let slot = Slot::default();
    let front = Front { router: lobby.router.clone(), meter: meter.clone(), slot: slot.clone() };
    let mut http = Box::pin(lobby.http.serve_connection(TokioIo::new(socket), front));
    let mut closing = lobby.closing.clone();
    let mut closed = pin!(async move { closing.wait_for(|closing| *closing).await.map(drop) });
    let mut told = false;
    let taken = poll_fn(|cx| {
        if !told && closed.as_mut().poll(cx).is_ready() {
            told = true;
            http.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(ended) = http.as_mut().poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
            return Poll::Ready(false);
        }
        // Hyper may only be taken apart when all earlier answers have left its buffer. It flushes after it has called the
        // service, and passes the flush on to the socket only then.
        if slot.is_set() && meter.is_flushed() { Poll::Ready(true) } else { Poll::Pending }
    })
    .await;
    if !taken {
        return None;
    }
    let parts = Pin::into_inner(http).into_parts();
    let mut socket = parts.io.into_inner();
    socket.unread(&parts.read_buf);
    Some((socket, slot.take()?))
}

/// Where the service leaves an answer that wants the socket.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Option<Deliver>>>);

impl Slot {
    fn set(&self, deliver: Option<Deliver>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = deliver;
    }

    fn is_set(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn take(&self) -> Option<Deliver> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The router, as hyper calls it.
struct Front {
    router: Router,
    meter: Arc<Meter>,
    slot: Slot,
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let (mut router, meter, slot) = (self.router.clone(), self.meter.clone(), self.slot.clone());
        let bodiless = request.body().is_end_stream();
        request.extensions_mut().insert(meter.clone());
        Box::pin(async move {
            let mut response = router.call(request.map(Body::new)).await?;
            let Some(takeover) = response.extensions_mut().remove::<Takeover>() else { return Ok(response) };
            if !bodiless {
                // Its bytes would be taken for the next request.
                return Ok(Refusal::bad_request("a request to subscribe has no body").into_response());
            }
            meter.set_flushed(false);
            slot.set(takeover.into_deliver());
            pending().await
        })
    }
}
