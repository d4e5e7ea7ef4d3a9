//! How an answer leaves hyper: a handler that holds or streams takes the socket, and writes pre-encoded bytes itself.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONNECTION, DATE};
use http::{HeaderMap, HeaderValue, StatusCode, Version};

use crate::clock;
use crate::socket::Socket;

/// Takes the socket; gives it back when HTTP goes on after the answer.
pub(crate) struct Deliver {
    run: Run,
    /// True when HTTP goes on soon, as after a held poll: what a connection keeps for that is worth keeping meanwhile.
    pub(crate) gives_back: bool,
}

type Run = Box<dyn FnOnce(Socket, Bytes) -> Pin<Box<dyn Future<Output = Option<Socket>> + Send>> + Send>;

impl Deliver {
    /// `asked` are the bytes of the request, none where they are not known.
    pub(crate) fn run(self, socket: Socket, asked: Bytes) -> Pin<Box<dyn Future<Output = Option<Socket>> + Send>> {
        (self.run)(socket, asked)
    }
}

/// Travels as an extension of a response from the handler to the connection, which takes it out once.
#[derive(Clone)]
pub(crate) struct Takeover(Arc<Mutex<Option<Deliver>>>);

impl Takeover {
    /// A response that is none: once everything before it is written, `deliver` gets the socket and answers.
    pub(crate) fn response<F>(deliver: impl FnOnce(Socket) -> F + Send + 'static) -> Response
    where
        F: Future<Output = Option<Socket>> + Send + 'static,
    {
        Self::take_over(|socket, _| deliver(socket), false)
    }

    /// The same, where the socket is soon given back. `deliver` gets the bytes of the request as well, where they are known.
    pub(crate) fn held<F>(deliver: impl FnOnce(Socket, Bytes) -> F + Send + 'static) -> Response
    where
        F: Future<Output = Option<Socket>> + Send + 'static,
    {
        Self::take_over(deliver, true)
    }

    fn take_over<F>(deliver: impl FnOnce(Socket, Bytes) -> F + Send + 'static, gives_back: bool) -> Response
    where
        F: Future<Output = Option<Socket>> + Send + 'static,
    {
        let deliver = Deliver { run: Box::new(|socket, asked| Box::pin(deliver(socket, asked))), gives_back };
        let mut response = StatusCode::NOT_IMPLEMENTED.into_response();
        response.extensions_mut().insert(Self(Arc::new(Mutex::new(Some(deliver)))));
        response
    }

    pub(crate) fn into_deliver(self) -> Option<Deliver> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Takeover")
    }
}

/// Writes the head of an answer as hyper would have.
pub(crate) fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write_head(&mut out, status, headers);
    out
}

/// Appends the head of an answer: status line, headers, date, blank line. Returns where the date stands.
pub(crate) fn write_head(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) -> Range<usize> {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    let mut header = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    };
    for (name, value) in headers {
        header(name.as_str(), value.as_bytes());
    }
    let date = clock::http_date();
    header(DATE.as_str(), &date);
    let end = out.len() - b"\r\n".len();
    out.extend_from_slice(b"\r\n");
    end - date.len()..end
}

/// True when the client will send another request on this connection (RFC 9112, section 9.3).
pub(crate) fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11 && !headers.get_all(CONNECTION).iter().any(closes)
}

/// True when a value of a `Connection` field says that nothing follows on it.
pub(crate) fn closes(connection: &HeaderValue) -> bool {
    connection.to_str().is_ok_and(|text| text.split(',').any(|token| token.trim().eq_ignore_ascii_case("close")))
}
