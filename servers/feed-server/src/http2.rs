//! HTTP/2 (RFC 9113): each of its streams is served as if it were a connection of its own that speaks HTTP/1.1.
//!
//! So every transport but WebSocket is there, with its guards and its counters, from the same few files; a stream costs a pair of
//! sockets, and its bytes are copied once more, which is said where it is measured. WebSocket would need extended CONNECT (RFC 8441), which
//! is not offered, so that browsers open it over HTTP/1.1.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::accept::{Inside, Place};
use crate::config::Config;
use crate::connection::{Lobby, serve};
use crate::guards::addresses::{Addresses, Visit};
use crate::guards::connections;
use crate::line::Line;
use crate::refusal::Refusal;
use crate::socket::Socket;
use crate::stats::{Meter, Stats};

/// Streams of one connection that are open at a time (RFC 9113, section 5.1.2): a page with more held requests than this is no page.
const STREAMS_MAX: u32 = 128;
/// How long a client whose last stream has ended may take to go once it is told to.
const FAREWELL: Duration = Duration::from_secs(2);
/// What belongs to a connection and not to a request, and has no place in HTTP/2 (RFC 9113, section 8.2.2).
const OF_THE_CONNECTION: [HeaderName; 4] = [CONNECTION, TE, TRANSFER_ENCODING, UPGRADE];

/// How HTTP/2 is spoken. Who vanished is found as over a WebSocket, by pings; what a stream may have unsent is what a connection may.
pub(crate) fn builder(config: &Config) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(config.head_max as u32)
        .max_send_buf_size(config.send_buffer as usize)
        .keep_alive_interval(config.ping_interval)
        .keep_alive_timeout(config.pong_timeout);
    builder
}

/// What the streams of a connection need.
pub(crate) struct Streams {
    pub(crate) lobby: Arc<Lobby>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) inside: Arc<Inside>,
    pub(crate) addresses: Arc<Addresses>,
    /// Number of the connection, and whose it is.
    pub(crate) number: u64,
    pub(crate) peer: SocketAddr,
    /// How many are open.
    pub(crate) open: watch::Sender<usize>,
}

/// A stream among those that are open, for as long as this is kept.
struct Open(Arc<Streams>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

/// Serves `stream` until it is closed, or has idled too long, or the server stops and the connection's instant to leave has come, which is
/// that of all its streams; then until everything is answered.
pub(crate) async fn answer(stream: TlsStream<TcpStream>, streams: Streams) {
    let streams = Arc::new(streams);
    let (closing, number) = (streams.lobby.closing.clone(), streams.number as u32);
    let forwarding = streams.clone();
    let service = service_fn(move |request| {
        let forwarded = forwarding.clone().forward(request);
        async move { Ok::<_, Infallible>(forwarded.await.unwrap_or_else(IntoResponse::into_response)) }
    });
    let mut connection = pin!(streams.lobby.http2.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = closing.due_whatever_it_carries(number) => None,
        () = streams.idled(streams.lobby.idle) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = streams.idled(FAREWELL) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "HTTP/2 connection ended");
    }
}

impl Streams {
    /// Has an inner connection answer `request`.
    async fn forward(self: Arc<Self>, request: Request<Incoming>) -> Result<Response, Refusal> {
        let (places, visit) = self.enter().inspect_err(|refusal| {
            if let Some(guard) = refusal.guard() {
                self.stats.refusals.add(guard);
            }
        })?;
        let broken = |_| Refusal::overloaded("there is no room for another stream: come back later");
        let (ours, theirs) = UnixStream::pair().map_err(broken)?;
        let meter = Meter::new(self.stats.clone(), self.number).of_visit(visit).of_peer(self.peer).of_stream();
        let socket = Socket::new(Line::Inner(Box::new(theirs)), Arc::new(meter));
        self.open.send_modify(|open| *open += 1);
        let open = Open(self.clone());
        tokio::spawn(serve(socket, self.lobby.clone(), (places, open)));
        let gone = |_| Refusal::overloaded("the server stops");
        let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.map_err(gone)?;
        tokio::spawn(connection);
        let mut response = sender.send_request(inner(request)).await.map_err(gone)?;
        *response.version_mut() = Version::HTTP_2;
        strip(response.headers_mut());
        Ok(response.map(Body::new))
    }

    /// A stream holds what a connection holds, and counts among those of its address. Among all connections it counts twice, for it takes two
    /// file descriptors, of which there have to be enough.
    fn enter(&self) -> Result<([Place; 2], Option<Arc<Visit>>), Refusal> {
        let visit = self.addresses.enter(self.peer.ip())?;
        let place = || self.inside.enter().ok_or_else(|| connections::refusal(self.inside.max()));
        Ok(([place()?, place()?], visit))
    }

    /// Waits until no stream was open for so long.
    async fn idled(&self, long: Duration) {
        let mut open = self.open.subscribe();
        // The sender is ours: it cannot be gone.
        while open.wait_for(|open| *open == 0).await.is_ok() {
            if timeout(long, open.changed()).await.is_err() {
                return;
            }
        }
    }
}

/// The same request as HTTP/1.1 has it. Nothing follows it: the inner connection ends with the answer, because its other end is let go.
fn inner(request: Request<Incoming>) -> Request<Incoming> {
    let (mut head, body) = request.into_parts();
    let host = head.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    head.uri = Uri::from(path);
    head.version = Version::HTTP_11;
    strip(&mut head.headers);
    if let Some(host) = host {
        head.headers.insert(HOST, host);
    }
    Request::from_parts(head, body)
}

fn strip(headers: &mut HeaderMap) {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
}
