//! Server-Sent Events: one request, one answer that goes on.
//!
//! Price: one held connection, and three short lines of text around each notification.

use feed::StreamMessage;
use feed::framings::{chunked, sse};

use super::lost::Lost;
use super::{Client, ClientError, Left, Listener, Resume, Site, Stopped};
use crate::reading_room::Reading;
use crate::recording::Account;
use crate::target::{Live, Remember};
use crate::wire::Connection;
use crate::wire::http::{self, Body, HttpError};

/// A client like a browser's `EventSource`.
#[derive(Debug)]
pub struct Sse {
    connection: Connection,
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
    /// Takes the chunks off, if the server uses them.
    chunks: Option<chunked::Reader>,
    events: sse::Reader,
}

impl Client for Sse {
    async fn connect(site: &Site, client: u32, resume: Resume, account: &mut Account) -> Result<Self, ClientError> {
        let request = site.request(client, &resume, site.plan.wait, "");
        let mut connection = site.dialer.dial(client).await?;
        account.recorder().count(|counters| counters.opened += 1);
        connection.write_all(request.as_bytes()).await?;
        let remembers = site.remember().iter().filter(|source| **source == Remember::EventId).count();
        let has_cursors = site.speaks_of_cursors;
        let mut this = Self { connection, stream: None, lost: Lost::default(), before: resume, has_cursors, remembers };
        let live = site.subscription().live;
        if live != Live::Request {
            this.open().await?;
        }
        if live == Live::Message {
            // The first bytes of the stream are what makes it live, or an event that the target file describes.
            let mut received = this.receive(site, account).await;
            while !account.is_let_in() {
                received?;
                received = this.receive(site, account).await;
            }
            let has_place = this.stream.as_ref().is_some_and(|stream| !stream.events.last_id().is_empty());
            this.lost.keep(received, has_place)?;
        }
        Ok(this)
    }

    async fn receive(&mut self, _: &Site, account: &mut Account) -> Result<(), ClientError> {
        self.begin(account).await?;
        let Self { connection, stream, .. } = self;
        let stream = stream.as_mut().expect("the stream was just opened");
        let heard = connection
            .read(|bytes, at| Ok::<_, ClientError>(Some((bytes.len(), stream.hear(bytes, at, account)))))
            .await?;
        heard.unwrap_or(Err(ClientError::Ended(None)))
    }

    async fn listen(self: Box<Self>, listener: Listener<'_>, stopped: Stopped<'_>) -> Left<Self> {
        listener.room.listen(self, listener.account, stopped).await
    }

    fn resume(&self) -> Resume {
        let id = self.stream.as_ref().and_then(|stream| std::str::from_utf8(stream.events.last_id()).ok());
        let id = id.filter(|id| !id.is_empty());
        let now = Resume {
            cursor: id.filter(|_| self.has_cursors).and_then(|id| id.parse().ok()),
            remembered: id.map_or_else(Vec::new, |id| vec![Some(id.to_owned()); self.remembers]),
            retry: self.stream.as_ref().and_then(|stream| stream.events.retry()),
        };
        now.or(self.before.clone())
    }

    async fn close(self) {
        self.connection.leave().await;
    }
}

impl Reading for Sse {
    async fn begin(&mut self, _: &mut Account) -> Result<(), ClientError> {
        self.lost.tell()?;
        if self.stream.is_none() { self.open().await } else { Ok(()) }
    }

    fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    fn hear(&mut self, bytes: &[u8], at_ns: u64, account: &mut Account) -> Result<(), ClientError> {
        self.stream.as_mut().expect("nobody hears before the stream is open").hear(bytes, at_ns, account)
    }
}

impl Sse {
    /// Waits for the head of the answer.
    async fn open(&mut self) -> Result<(), ClientError> {
        let head = self.connection.read(|bytes, _| http::read_head(bytes)).await?.ok_or(HttpError::Closed)?;
        if head.status != 200 {
            return Err(ClientError::refusal(&head));
        }
        if !head.content_type.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Err(ClientError::Unexpected("event stream"));
        }
        let chunks = (head.body == Body::Chunked).then(chunked::Reader::default);
        self.stream = Some(Stream { chunks, events: sse::Reader::default() });
        Ok(())
    }
}

impl Stream {
    /// Enters the events that end in `bytes`.
    fn hear(&mut self, bytes: &[u8], at: u64, account: &mut Account) -> Result<(), ClientError> {
        let Self { chunks, events } = self;
        let mut result = Ok(());
        let mut read = |piece: &[u8]| {
            let read = events.read(piece, |event| enter(event, at, account));
            result = std::mem::replace(&mut result, Ok(())).and(read);
        };
        match chunks {
            Some(chunks) => {
                chunks.read(bytes, read)?;
            }
            None => read(bytes),
        }
        result?;
        ClientError::unless_refused(account)?;
        let is_done = chunks.as_ref().is_some_and(chunked::Reader::is_done);
        if is_done { Err(ClientError::Ended(None)) } else { Ok(()) }
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
