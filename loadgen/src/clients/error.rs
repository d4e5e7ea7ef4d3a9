//! Why a client's connection came to its end.

use std::io;
use std::time::Duration;

use feed::framings::chunked::ChunkError;
use feed::framings::sse::EventTooLarge;
use feed::framings::websocket::ProtocolError;
use feed::framings::{engine_io, socket_io};

use super::BrokenRule;
use crate::recording::{Account, SUBSCRIPTION_REFUSED};
use crate::target::{Token, failure, reason};
use crate::wire::NotOffered;
use crate::wire::http::{Head, HttpError, WrongStatus};
use crate::wire::websocket::{Farewell, Goodbye};

/// What ended a connection, or kept it from being opened.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The answer could not be read.
    #[error("{0}")]
    Http(#[from] HttpError),
    /// The server answered with a status that carries no notifications.
    #[error("{0}")]
    Status(Box<WrongStatus>),
    /// The answer is of another kind than was asked for.
    #[error("the server's answer is no {0}")]
    Unexpected(&'static str),
    /// The server broke a rule of its protocol.
    #[error("{0}")]
    Protocol(BrokenRule),
    /// The server said what the target file calls a refusal.
    #[error("the server refused the subscription: {0}")]
    Refused(String),
    /// The answer to a stream's request has ended where it should: no error, the client asks again.
    #[error("the answer ended in an orderly way")]
    AnswerEnded {
        /// True when it brought no event and ended as soon as it had begun.
        at_once: bool,
        /// True when it ended within an event, which is discarded then (WHATWG HTML, section 9.2.6).
        within_event: bool,
    },
    /// The server had ended the kept connection before the request on it was answered: no error, the client asks again at once.
    #[error("the server ended the connection that it had kept")]
    KeptConnectionEnded,
    /// The server told an event stream's client not to come back (WHATWG HTML, section 9.2.3).
    #[error(
        "the server answered 204 No Content to the request of an event stream, which tells a client not to come back (WHATWG \
         HTML, section 9.2.3): expected 200 with text/event-stream"
    )]
    ToldToStop,
    /// The server ended the stream, with a WebSocket close code if it gave one.
    #[error("the server ended the stream{}", .0.as_ref().map(|said| format!(" with {said}")).unwrap_or_default())]
    Ended(Option<Farewell>),
    /// A Socket.IO namespace did not let the client in.
    #[error("the server did not let the client into the namespace: {0}")]
    ConnectError(String),
    /// The server threw the client out of its Socket.IO namespace.
    #[error("the server disconnected the client from the namespace")]
    Disconnected,
    /// Not even an Engine.IO ping came for as long as the server had promised one.
    #[error("nothing was heard for {}, the server's ping interval and timeout", humantime::format_duration(*.0))]
    Silent(Duration),
    /// Nothing came in time.
    #[error("no answer in time")]
    Timeout,
}

impl ClientError {
    /// Why an answer with this head and body carries no notifications, where `expected` would.
    pub fn refusal(head: &Head, expected: &'static str, body: &[u8]) -> Self {
        WrongStatus::new(head, expected, body).into()
    }

    /// Passes on that the server has refused the client, if what `account` has heard is a refusal.
    pub fn unless_refused(account: &mut Account) -> Result<(), Self> {
        account.take_refusal().map_or(Ok(()), |said| Err(Self::Refused(said)))
    }

    /// True of an end in good order, after which the client asks again without a word.
    pub fn is_orderly(&self) -> bool {
        matches!(self, Self::AnswerEnded { .. } | Self::KeptConnectionEnded)
    }

    /// True where the server does what a client can make nothing of, however often it asks.
    pub fn is_unsupported(&self) -> bool {
        match self {
            Self::Http(error) => matches!(
                error,
                HttpError::Coded(_) | HttpError::HeadTooLarge | HttpError::TooManyFields | HttpError::TooLarge
            ),
            Self::ToldToStop => true,
            _ => false,
        }
    }

    /// How long the server told the client to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status(wrong) => wrong.retry_after,
            _ => None,
        }
    }

    /// What the server said itself, where the kind does not say it: the reason of a close frame, of a refusal, of a broken rule, the words of an answer.
    pub fn quote(&self) -> Option<String> {
        match self {
            Self::Ended(Some(said)) => Some(said.reason.clone()).filter(|reason| !reason.is_empty()),
            Self::ConnectError(said) | Self::Refused(said) => Some(said.clone()),
            Self::Protocol(rule) => rule.seen.clone(),
            Self::Http(HttpError::NotHttp(what)) => Some(what.clone()),
            Self::Status(wrong) => wrong.quote(),
            Self::Io(_)
            | Self::Http(_)
            | Self::Unexpected(_)
            | Self::AnswerEnded { .. }
            | Self::KeptConnectionEnded
            | Self::ToldToStop
            | Self::Ended(None)
            | Self::Disconnected
            | Self::Silent(_)
            | Self::Timeout => None,
        }
    }

    /// As it may be shown: on one line, without the secret, and cut off where a server says more than anybody reads.
    pub fn told(&self, token: Option<&Token>) -> String {
        let text = self.to_string();
        if self.quote().is_some() { reason(token, &text) } else { failure(token, &text) }
    }

    /// The kind under which it is counted; of a broken rule, which one. There are few kinds, whatever servers send.
    pub fn kind(&self) -> String {
        match self {
            Self::ConnectError(_) => "connect-error".into(),
            Self::Disconnected => "disconnected".into(),
            Self::Refused(_) => SUBSCRIPTION_REFUSED.into(),
            Self::Silent(_) => "silent".into(),
            Self::Io(e) | Self::Http(HttpError::Io(e)) => io_kind(e),
            Self::Http(HttpError::Closed) => "closed-by-server".into(),
            Self::Http(HttpError::Truncated | HttpError::NotClosed) => "truncated".into(),
            Self::Http(HttpError::Coded(coding)) => format!("coded: {}", coding.name),
            Self::Http(HttpError::NotHttp(_)) => protocol("not an HTTP/1.1 answer (RFC 9112 4)"),
            Self::Http(error) => protocol(&error.to_string()),
            Self::Protocol(rule) => protocol(&rule.name),
            Self::Status(wrong) => format!("status-{}", wrong.status),
            Self::Unexpected(_) => "unexpected-answer".into(),
            Self::AnswerEnded { .. } => "answer-ended".into(),
            Self::KeptConnectionEnded => "kept-connection-ended".into(),
            Self::ToldToStop => "told-to-stop".into(),
            Self::Ended(Some(said)) => format!("ended-{}", said.code),
            Self::Ended(None) => "ended-by-server".into(),
            Self::Timeout => "timeout".into(),
        }
    }
}

fn protocol(rule: &str) -> String {
    format!("protocol: {rule}")
}

fn io_kind(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused".into(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset".into(),
        // What TLS makes of bytes that are not as agreed, and of certificates that are not believed.
        io::ErrorKind::InvalidData => "tls".into(),
        io::ErrorKind::TimedOut => "timeout".into(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => "no-free-port".into(),
        _ if error.raw_os_error() == Some(libc::EMFILE) => "no-free-descriptor".into(),
        kind => format!("{kind:?}").to_lowercase(),
    }
}

impl From<WrongStatus> for ClientError {
    fn from(wrong: WrongStatus) -> Self {
        Self::Status(Box::new(wrong))
    }
}

impl From<ProtocolError> for ClientError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(BrokenRule::named(error.to_string()))
    }
}

impl From<NotOffered> for ClientError {
    fn from(NotOffered { what, chosen }: NotOffered) -> Self {
        Self::Protocol(BrokenRule::named(format!("{what} that was not offered (RFC 6455 4.1)")).seen(chosen))
    }
}

impl From<Goodbye> for ClientError {
    fn from(goodbye: Goodbye) -> Self {
        match goodbye {
            Goodbye::Said(said) => Self::Ended(said),
            Goodbye::Fault(error) => error.into(),
        }
    }
}

impl From<ChunkError> for ClientError {
    fn from(error: ChunkError) -> Self {
        Self::Protocol(BrokenRule::named(error.to_string()))
    }
}

impl From<EventTooLarge> for ClientError {
    fn from(error: EventTooLarge) -> Self {
        Self::Protocol(BrokenRule::named(error.to_string()))
    }
}

impl From<engine_io::PacketError> for ClientError {
    fn from(error: engine_io::PacketError) -> Self {
        Self::Protocol(match error {
            engine_io::PacketError::Unknown(kind) => {
                BrokenRule::named("an Engine.IO packet of an unknown type (Engine.IO protocol 4)").seen(kind)
            }
            error @ (engine_io::PacketError::Empty | engine_io::PacketError::Base64) => {
                BrokenRule::named(format!("{error} (Engine.IO protocol 4)"))
            }
        })
    }
}

impl From<socket_io::PacketError> for ClientError {
    fn from(error: socket_io::PacketError) -> Self {
        let rule = format!("{} in a Socket.IO packet (Socket.IO protocol 5)", error.reason);
        Self::Protocol(BrokenRule::named(rule).seen(error.shown()))
    }
}
