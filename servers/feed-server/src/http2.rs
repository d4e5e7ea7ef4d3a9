//! HTTP/2 (RFC 9113): each of its streams is served as if it were a connection of its own that speaks HTTP/1.1.
//!
//! So every transport but WebSocket is there, with its guards and its counters, from the same few files; a stream costs a pair of
//! sockets, and its bytes are copied once more, which is said where it is measured. WebSocket would need extended CONNECT (RFC 8441), which
//! is not offered, so that browsers open it over HTTP/1.1.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

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
use tokio_rustls::server::TlsStream;

use crate::accept::Inside;
use crate::connection::{Lobby, serve};
use crate::guards::addresses::Visit;
use crate::guards::count::Guard;
use crate::line::Line;
use crate::refusal::Refusal;
use crate::socket::Socket;
use crate::stats::{Meter, Stats};

/// Streams of one connection that are open at a time (RFC 9113, section 5.1.2): a page with more held requests than this is no page.
const STREAMS_MAX: u32 = 128;
/// What belongs to a connection and not to a request, and has no place in HTTP/2 (RFC 9113, section 8.2.2).
const OF_THE_CONNECTION: [HeaderName; 4] = [CONNECTION, TE, TRANSFER_ENCODING, UPGRADE];

/// What the streams of a connection need.
pub(crate) struct Streams {
    pub(crate) lobby: Arc<Lobby>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) inside: Arc<Inside>,
    /// Number of the connection.
    pub(crate) number: u64,
    /// Its place among those of its address: what its streams ask counts together.
    pub(crate) visit: Option<Arc<Visit>>,
}

/// Serves `stream` until it is closed, or the server stops, the connection's instant to leave has come, which is that of all its streams, and
/// everything is answered.
pub(crate) async fn answer(stream: TlsStream<TcpStream>, streams: Streams) {
    let streams = Arc::new(streams);
    let (closing, number) = (streams.lobby.closing.clone(), streams.number as u32);
    let service = service_fn(move |request| {
        let streams = streams.clone();
        async move { Ok::<_, Infallible>(streams.forward(request).await.unwrap_or_else(IntoResponse::into_response)) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = closing.due_whatever_it_carries(number) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "HTTP/2 connection ended");
    }
}

impl Streams {
    /// Has an inner connection answer `request`.
    async fn forward(&self, request: Request<Incoming>) -> Result<Response, Refusal> {
        let Some(place) = self.inside.enter() else {
            self.stats.refusals.add(Guard::ConnectionsMax);
            return Err(Refusal::overloaded("too many streams and connections are open already: come back later"));
        };
        let broken = |_| Refusal::overloaded("there is no room for another stream: come back later");
        let (ours, theirs) = UnixStream::pair().map_err(broken)?;
        let meter = Meter::new(self.stats.clone(), self.number).of_visit(self.visit.clone());
        let socket = Socket::new(Line::Inner(theirs), Arc::new(meter));
        let lobby = self.lobby.clone();
        tokio::spawn(serve(socket, lobby, place));
        let gone = |_| Refusal::overloaded("the server stops");
        let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.map_err(gone)?;
        tokio::spawn(connection);
        let mut response = sender.send_request(inner(request)).await.map_err(gone)?;
        *response.version_mut() = Version::HTTP_2;
        strip(response.headers_mut());
        Ok(response.map(Body::new))
    }
}

/// The same request as HTTP/1.1 has it: its last, so that the inner connection ends with the answer.
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
