//! Server-Sent Events: one request, one answer that goes on.
//!
//! Price: one held connection, and three short lines of text around each notification.

use feed::framings::{chunked, sse};
use feed::{Cursor, StreamMessage, Transport};

use super::site::after;
use super::{Client, ClientError, Site};
use crate::recording::Account;
use crate::wire::Connection;
use crate::wire::http::{self, Body, HttpError};

/// A client like a browser's `EventSource`.
#[derive(Debug)]
pub struct Sse {
    connection: Connection,
    /// Takes the chunks off, if the server uses them.
    chunks: Option<chunked::Reader>,
    events: sse::Reader,
}

impl Client for Sse {
    async fn connect(
        site: &Site,
        client: u32,
        resume: Option<Cursor>,
        account: &mut Account,
    ) -> Result<Self, ClientError> {
        let path = site.path(client, Transport::Sse, &after(resume));
        let request = site.get(&path, "Accept: text/event-stream\r\n");
        let mut connection = site.dialer.dial(client).await?;
        account.recorder().count(|counters| counters.opened += 1);
        connection.write_all(request.as_bytes()).await?;
        let head = connection.read(|bytes, _| http::read_head(bytes)).await?.ok_or(HttpError::Closed)?;
        if head.status != 200 {
            return Err(ClientError::Status(head.status));
        }
        if !head.content_type.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Err(ClientError::Unexpected("event stream"));
        }
        let chunks = (head.body == Body::Chunked).then(chunked::Reader::default);
        let mut this = Self { connection, chunks, events: sse::Reader::default() };
        // The first bytes of the stream are what makes it live.
        this.receive(site, account).await?;
        Ok(this)
    }

    async fn receive(&mut self, _: &Site, account: &mut Account) -> Result<(), ClientError> {
        let Self { connection, chunks, events } = self;
        let received = connection
            .read(|bytes, at| {
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
                Ok::<_, ClientError>(Some((bytes.len(), ())))
            })
            .await?;
        let is_done = chunks.as_ref().is_some_and(chunked::Reader::is_done);
        if received.is_none() || is_done { Err(ClientError::Ended(None)) } else { Ok(()) }
    }

    fn cursor(&self) -> Option<Cursor> {
        std::str::from_utf8(self.events.last_id()).ok()?.parse().ok()
    }

    async fn close(self) {
        self.connection.leave().await;
    }
}

fn enter(event: sse::Event<'_>, at: u64, account: &mut Account) {
    if account.message(event.data, at) > 0 {
        return;
    }
    match serde_json::from_slice(event.data) {
        Ok(StreamMessage::Gap { .. }) => account.gap(),
        Ok(StreamMessage::Subscribed { .. }) => {}
        Err(_) => account.foreign(),
    }
}
