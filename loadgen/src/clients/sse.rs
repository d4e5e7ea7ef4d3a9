//! Server-Sent Events: one request, and one answer that goes on; where the server ends that, another request.
//!
//! Price: one held connection, and three short lines of text around each notification.

use std::time::Duration;

use feed::StreamMessage;
use feed::framings::sse;

use super::lost::Lost;
use super::{Client, ClientError, Left, Listener, Resume, Site, Stopped};
use crate::clock;
use crate::reading_room::Reading;
use crate::reconnection::RETRY_AT_ONCE;
use crate::recording::Account;
use crate::target::{Live, Remember};
use crate::wire::http::{self, BodyReader, HttpError, WrongStatus};
use crate::wire::{Connection, Unasked};

/// Media type of an event stream.
const EVENT_STREAM: &str = "text/event-stream";
/// How long a server has to refuse a client that comes back after an orderly end, before that client is live again: one that holds its
/// answer until there is an event says nothing for as long as it likes.
const REFUSAL_PATIENCE: Duration = Duration::from_millis(250);
/// How long the server has to end a connection that it said it would end.
const END_PATIENCE: Duration = Duration::from_millis(100);

/// A client like a browser's `EventSource`.
#[derive(Debug)]
pub struct Sse {
    connection: Connection,
    /// True when the connection has carried an answer before.
    is_used: bool,
    /// When the request was sent, ns.
    asked_ns: u64,
    /// The stream behind the head of the answer, once that has come.
    stream: Option<Stream>,
    lost: Lost,
    /// Where the client before this one was.
    before: Resume,
    /// What events are numbered with is a cursor of the feed's.
    has_cursors: bool,
    /// What events are numbered with is remembered, in so many places.
    remembers: usize,
}

/// How an answer that goes on is read.
#[derive(Debug)]
struct Stream {
    body: BodyReader,
    events: sse::Reader,
    has_events: bool,
    /// True when the connection may carry another request after this answer.
    keeps_alive: bool,
}

impl Client for Sse {
    /// After an orderly end the next request goes out on the same connection, if that is kept, and the client is live once it is
    /// sent, as between two polls: a server may hold its answer until the next event.
    async fn connect(site: &Site, client: u32, mut resume: Resume, account: &mut Account) -> Result<Self, ClientError> {
        let after_end = resume.after_end.take();
        let mut kept = after_end.as_ref().and_then(super::AfterEnd::take);
        let request = site.request(client, &resume, site.plan.wait, "");
        loop {
            let unasked = kept.as_mut().and_then(Connection::take_unasked);
            account.recorder().record_unasked(unasked);
            kept = kept.filter(|_| unasked.is_none());
            let is_used = kept.is_some();
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => {
                    let connection = site.dialer.dial(client).await?;
                    account.recorder().count(|counters| counters.opened += 1);
                    connection
                }
            };
            let asked_ns = clock::now_ns();
            let written = connection.write_all(request.as_bytes()).await;
            let remembers = site.remember().iter().filter(|source| **source == Remember::EventId).count();
            let has_cursors = site.speaks_of_cursors;
            let (lost, before) = (Lost::default(), resume.clone());
            let mut this = Self { connection, is_used, asked_ns, stream: None, lost, before, has_cursors, remembers };
            let begun = match written {
                Err(_) if is_used => Err(ClientError::KeptConnectionEnded),
                Err(error) => Err(error.into()),
                Ok(()) => this.go_live(site, after_end.is_some(), account).await,
            };
            match begun {
                Err(ClientError::KeptConnectionEnded) => account.sent_again(),
                begun => return begun.map(|()| this),
            }
        }
    }

    async fn receive(&mut self, _: &Site, account: &mut Account) -> Result<(), ClientError> {
        self.begin(account).await?;
        let Self { connection, stream, asked_ns, .. } = self;
        let stream = stream.as_mut().expect("the stream was just opened");
        let heard = connection
            .read(|bytes, at| Ok::<_, ClientError>(Some((bytes.len(), stream.hear(bytes, at, *asked_ns, account)))))
            .await?;
        heard.unwrap_or_else(|| self.end())
    }

    async fn listen(self: Box<Self>, listener: Listener<'_>, stopped: Stopped<'_>) -> Left<Self> {
        listener.room.listen(self, listener.account, stopped).await
    }

    /// Where this stream has set an id, that is the place, and an empty one is none (WHATWG HTML, section 9.2.3); where it has not, the
    /// place of the stream before stays.
    fn resume(&self) -> Resume {
        let events = self.stream.as_ref().map(|stream| &stream.events);
        let id =
            events.filter(|events| events.has_set_id()).and_then(|events| std::str::from_utf8(events.last_id()).ok());
        let place = id.filter(|id| !id.is_empty());
        let now = Resume {
            cursor: place.filter(|_| self.has_cursors).and_then(|id| id.parse().ok()),
            remembered: place.map_or_else(Vec::new, |id| vec![Some(id.to_owned()); self.remembers]),
            starts_over: id.is_some() && place.is_none(),
            retry: events.and_then(sse::Reader::retry),
            after_end: None,
        };
        now.or(self.before.clone())
    }

    async fn close(self) {
        self.connection.leave().await;
    }

    async fn into_kept(self) -> Option<Connection> {
        if self.stream.as_ref().is_some_and(|stream| stream.keeps_alive) {
            return Some(self.connection);
        }
        self.connection.leave_after_peer(END_PATIENCE).await;
        None
    }
}

impl Reading for Sse {
    async fn begin(&mut self, _: &mut Account) -> Result<(), ClientError> {
        self.lost.tell()?;
        if self.stream.is_none() { self.open(Duration::ZERO).await } else { Ok(()) }
    }

    fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    fn hear(&mut self, bytes: &[u8], at_ns: u64, account: &mut Account) -> Result<(), ClientError> {
        let stream = self.stream.as_mut().expect("nobody hears before the stream is open");
        stream.hear(bytes, at_ns, self.asked_ns, account)
    }

    /// Where the connection ends the body, that is its orderly end; any other body is cut off.
    fn end(&mut self) -> Result<(), ClientError> {
        let Some(stream) = &mut self.stream else { return Err(HttpError::Closed.into()) };
        stream.body.end()?;
        self.connection.ensure_closed()?;
        stream.keeps_alive = false;
        Err(stream.ended(clock::now_ns(), self.asked_ns))
    }
}

impl Sse {
    /// Waits for what makes the client live.
    async fn go_live(&mut self, site: &Site, comes_back: bool, account: &mut Account) -> Result<(), ClientError> {
        if comes_back {
            let refused = tokio::time::timeout(REFUSAL_PATIENCE, self.open(Duration::ZERO)).await;
            return refused.map_or(Ok(()), |opened| self.lost.keep(opened, false));
        }
        let live = site.subscription().live;
        if live != Live::Request {
            let opened = self.open(site.patience).await;
            self.lost.keep(opened, false)?;
        }
        if live == Live::Message {
            // The first bytes of the stream are what makes it live, or an event that the target file describes.
            let mut received = self.receive(site, account).await;
            while !account.is_let_in() {
                received?;
                received = self.receive(site, account).await;
            }
            let has_place = self.stream.as_ref().is_some_and(|stream| !stream.events.last_id().is_empty());
            self.lost.keep(received, has_place)?;
        }
        Ok(())
    }

    /// Waits for the head of the answer, and for what a refusal says behind it no longer than `patience`.
    async fn open(&mut self, patience: Duration) -> Result<(), ClientError> {
        let read = self.connection.read(|bytes, _| http::read_head(bytes)).await;
        let is_unanswered = self.connection.rest().is_empty();
        let head = match read {
            Ok(Some(head)) => head,
            Ok(None) | Err(HttpError::Io(_)) if self.is_used && is_unanswered => {
                return Err(ClientError::KeptConnectionEnded);
            }
            Ok(None) if is_unanswered => return Err(HttpError::Closed.into()),
            Ok(None) => return Err(HttpError::Truncated.into()),
            Err(error) => return Err(error.into()),
        };
        match head.status {
            200 => {}
            204 => return Err(ClientError::ToldToStop),
            // The server waited for a request too long, and says so to the next one (RFC 9110, section 15.5.9).
            408 if self.is_used => return Err(ClientError::KeptConnectionEnded),
            _ => {
                let read = WrongStatus::read(&mut self.connection, &head, "200 with text/event-stream", patience);
                return Err(read.await.into());
            }
        }
        if head.content_type.as_deref() != Some(EVENT_STREAM) {
            return Err(ClientError::Unexpected("event stream"));
        }
        head.ensure_plain()?;
        let (body, keeps_alive) = (head.body.reader(), head.keeps_alive);
        let stream =
            self.stream.insert(Stream { body, events: sse::Reader::default(), has_events: false, keeps_alive });
        if stream.body.is_done() { Err(stream.ended(clock::now_ns(), self.asked_ns)) } else { Ok(()) }
    }
}

impl Stream {
    /// Enters the events that end in `bytes`.
    fn hear(&mut self, bytes: &[u8], at: u64, asked_ns: u64, account: &mut Account) -> Result<(), ClientError> {
        let Self { body, events, has_events, .. } = self;
        let mut result = Ok(());
        let used = body.read(bytes, |piece| {
            let read = events.read(piece, |event| {
                *has_events = true;
                enter(event, at, account);
            });
            result = std::mem::replace(&mut result, Ok(())).and(read);
        })?;
        result?;
        ClientError::unless_refused(account)?;
        if !self.body.is_done() {
            return Ok(());
        }
        let unasked = Unasked::of(&bytes[used..]);
        account.recorder().record_unasked(unasked);
        self.keeps_alive &= unasked.is_none();
        Err(self.ended(at, asked_ns))
    }

    /// The orderly end of this answer, of a request that was sent at `asked_ns`.
    fn ended(&self, at_ns: u64, asked_ns: u64) -> ClientError {
        let took = Duration::from_nanos(at_ns.saturating_sub(asked_ns));
        ClientError::AnswerEnded {
            at_once: !self.has_events && took < RETRY_AT_ONCE,
            within_event: self.events.has_unfinished_event(),
        }
    }
}

fn enter(event: sse::Event<'_>, at: u64, account: &mut Account) {
    if account.message(event.data, at) > 0 {
        return;
    }
    match serde_json::from_slice(event.data) {
        Ok(StreamMessage::Gap { .. }) => account.gap(),
        Ok(StreamMessage::Subscribed { .. }) => {}
        Err(_) => account.foreign(event.data),
    }
}
