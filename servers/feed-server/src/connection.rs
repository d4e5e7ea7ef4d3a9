//! One connection's life: it rests, its requests are answered, an answer takes the socket over, and, if it gives it back, again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;

use crate::drain::Closing;
use crate::entrance::Entrance;
use crate::rest::Rest;
use crate::socket::Socket;
use crate::standing::Standing;
use crate::takeover::Deliver;
use crate::{detour, direct};

/// What every connection needs.
#[derive(Debug)]
pub(crate) struct Lobby {
    pub(crate) http: http1::Builder,
    pub(crate) http2: http2::Builder<TokioExecutor>,
    pub(crate) entrance: Entrance,
    pub(crate) closing: Closing,
    /// How long a connection may idle between requests.
    pub(crate) idle: Duration,
    /// How long a client may take nothing of its answers.
    pub(crate) write_timeout: Duration,
    /// Bytes that a head may have.
    pub(crate) head_max: usize,
}

/// How a phase of HTTP ends, unless the connection does.
pub(crate) enum Left {
    /// An answer wants the socket, and the bytes of its request, where they are known.
    Taken(Socket, Deliver, Bytes),
    /// Everything is answered, nothing more has come yet; the last answer may stand.
    Idle(Socket, Option<Box<Standing>>),
    /// What has come is not plain: hyper shall read it.
    Detour(Socket),
}

/// Serves `socket` until it is closed, and holds its `place` until then.
///
/// Each phase is boxed and dropped when it ends: a connection that streams, or idles between polls, holds nothing of hyper,
/// whose buffers take 16 KiB, and its task is as small as the stream needs.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice, and there are thousands of these")]
pub(crate) fn serve<P: Send>(mut socket: Socket, lobby: Arc<Lobby>, place: P) -> impl Future<Output = ()> + Send {
    async move {
        let mut rest = None;
        let mut standing: Option<Box<Standing>> = None;
        loop {
            let resting =
                rest.get_or_insert_with(|| Rest::new(lobby.idle, lobby.closing.clone(), socket.meter().clone()));
            let Some(arrived) = resting.arrivals(&mut socket).await else { break };
            if let Some(standing) = &mut standing
                && !lobby.closing.is_due(socket.meter())
                && standing.answers(&arrived)
            {
                match standing.tell(&socket, lobby.write_timeout) {
                    None => continue,
                    Some(rest) => match rest.await {
                        Some(()) => continue,
                        None => break,
                    },
                }
            }
            standing = None;
            let back = match Box::pin(answer(socket, arrived, &lobby)).await {
                Some(Left::Idle(idle, stands)) => {
                    standing = stands;
                    Some(idle)
                }
                Some(Left::Detour(back)) => Some(back),
                Some(Left::Taken(taken, deliver, asked)) => {
                    if !deliver.gives_back {
                        rest = None;
                    }
                    deliver.run(taken, asked).await
                }
                None => None,
            };
            match back {
                Some(back) => socket = back,
                None => break,
            }
        }
        drop(place);
    }
}

/// Answers what has arrived, and what else comes while that is done, on whichever road it takes.
async fn answer(socket: Socket, arrived: Bytes, lobby: &Lobby) -> Option<Left> {
    match direct::answer(socket, arrived, lobby).await {
        Some(Left::Detour(socket)) => Box::pin(detour::answer(socket, lobby)).await,
        left => left,
    }
}
