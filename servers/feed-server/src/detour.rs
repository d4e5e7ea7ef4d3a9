//! The detour of a request that is not plain: through hyper, which is left again when everything is answered.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::Request;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::TokioIo;

use crate::connection::{Left, Lobby};
use crate::drain::Closing;
use crate::entrance::Entrance;
use crate::guards::count::Guard;
use crate::refusal::Refusal;
use crate::socket::Socket;
use crate::stats::Meter;
use crate::takeover::{Deliver, Takeover};

/// Travels as an extension of a response: the handler has read the body of the request to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WholeBody;

/// Answers requests through hyper, until it has nothing more to do.
pub(crate) async fn answer(socket: Socket, lobby: &Lobby) -> Option<Left> {
    let meter = socket.meter().clone();
    let slot = Slot::default();
    let front = Front {
        entrance: lobby.entrance.clone(),
        closing: lobby.closing.clone(),
        meter: meter.clone(),
        slot: slot.clone(),
    };
    let mut http = Box::pin(lobby.http.serve_connection(TokioIo::new(socket), front));
    let mut closed = pin!(lobby.closing.clone().due(&meter));
    let (mut told, mut is_refused) = (false, false);
    let state = poll_fn(|cx| {
        loop {
            // First of all, what has come is read: hyper ends on the spot if it is told to before it has seen a request.
            if let Poll::Ready(ended) = http.as_mut().poll(cx) {
                if let Err(error) = ended {
                    is_refused = error.is_parse();
                    // Hyper has answered with 431 (RFC 6585, section 5).
                    if error.is_parse_too_large() {
                        meter.refused(Guard::HeadMax);
                    }
                    tracing::debug!(%error, "connection ended");
                }
                return Poll::Ready(None);
            }
            if told || closed.as_mut().poll(cx).is_pending() {
                break;
            }
            told = true;
            http.as_mut().graceful_shutdown();
        }
        // Hyper may only be taken apart when all that it was given to write has left its buffer. It flushes after it has called
        // the service, and passes the flush on to the socket only when that is so.
        match slot.take() {
            State::Busy => Poll::Pending,
            state if meter.is_flushed() => Poll::Ready(Some(state)),
            state => {
                slot.set(state);
                Poll::Pending
            }
        }
    })
    .await;
    let parts = Pin::into_inner(http).into_parts();
    let mut socket = parts.io.into_inner();
    let Some(state) = state else {
        if is_refused || told {
            // What follows what was answered would have the system destroy the answer.
            socket.linger().await;
        }
        return None;
    };
    socket.unread(&parts.read_buf);
    Some(match state {
        State::Taken(deliver) => Left::Taken(socket, deliver, Bytes::new()),
        State::Busy | State::Answered => Left::Idle(socket, None),
    })
}

/// What the service is about.
#[derive(Default)]
enum State {
    /// Nothing has come yet, or it is being answered, or hyper still has to read its body.
    #[default]
    Busy,
    /// A request that was read to its end got its whole answer.
    Answered,
    /// An answer wants the socket.
    Taken(Deliver),
}

/// Where the service leaves its state.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<State>>);

impl Slot {
    fn set(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn take(&self) -> State {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The entrance, as hyper calls it.
struct Front {
    entrance: Entrance,
    closing: Closing,
    meter: Arc<Meter>,
    slot: Slot,
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let (entrance, closing) = (self.entrance.clone(), self.closing.clone());
        let (meter, slot) = (self.meter.clone(), self.slot.clone());
        slot.set(State::Busy);
        let bodiless = request.body().is_end_stream();
        request.extensions_mut().insert(meter.clone());
        Box::pin(async move {
            let mut response = entrance.answer(request.map(Body::new)).await;
            meter.set_flushed(false);
            match response.extensions_mut().remove::<Takeover>().and_then(Takeover::into_deliver) {
                Some(_) if !bodiless => Ok(Refusal::subscription_with_a_body().into_response()),
                Some(deliver) => {
                    slot.set(State::Taken(deliver));
                    pending().await
                }
                None => {
                    if closing.is_due(&meter) {
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    if bodiless || response.extensions().get::<WholeBody>().is_some() {
                        slot.set(State::Answered);
                    }
                    Ok(response)
                }
            }
        })
    }
}
