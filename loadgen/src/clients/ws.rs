//! WebSocket: one handshake, then two to four bytes before each notification.
//!
//! Price: one held connection, its pings, and a protocol that proxies must know.

use feed::framings::websocket::{self, Message, Opcode, Reader, Role};
use feed::{Cursor, Epoch, StreamMessage};
use memchr::memmem;

use super::{Client, ClientError, Resume, Site};
use crate::recording::Account;
use crate::target::Live;
use crate::wire::http::{self, HttpError};
use crate::wire::websocket::{CLOSE_PATIENCE, MAX_MESSAGE, frame};
use crate::wire::{Connection, Handshake};

/// A WebSocket client that listens.
#[derive(Debug)]
pub struct Ws {
    connection: Connection,
    messages: Reader,
    epoch: Option<Epoch>,
    offset: u64,
    /// True when a text or binary message has come.
    has_heard: bool,
}

impl Client for Ws {
    async fn connect(site: &Site, client: u32, resume: Resume, account: &mut Account) -> Result<Self, ClientError> {
        let subscription = site.subscription();
        let handshake = Handshake::new();
        let fields = handshake.fields(subscription.subprotocol.as_deref());
        let mut connection = site.dialer.dial(client).await?;
        account.recorder().count(|counters| counters.opened += 1);
        connection.write_all(site.request(client, &resume, site.plan.wait, &fields).as_bytes()).await?;
        let head = connection.read(|bytes, _| http::read_head(bytes)).await?.ok_or(HttpError::Closed)?;
        if head.status != 101 {
            return Err(ClientError::Status(head.status));
        }
        if !handshake.is_accepted(&head) {
            return Err(ClientError::Unexpected("answer to this WebSocket handshake"));
        }
        for message in &subscription.first {
            let text = site.fill(message, client);
            connection.write_all(&frame(Opcode::Text, text.as_bytes())).await?;
        }
        let messages = Reader::new(Role::Client, MAX_MESSAGE);
        let mut this = Self { connection, messages, epoch: None, offset: 0, has_heard: false };
        while subscription.live == Live::Message && !this.has_heard {
            this.receive(site, account).await?;
        }
        Ok(this)
    }

    async fn receive(&mut self, _: &Site, account: &mut Account) -> Result<(), ClientError> {
        let Self { connection, messages, epoch, offset, has_heard } = self;
        let mut replies = Vec::new();
        let mut closed = None;
        let received = connection
            .read(|bytes, at| {
                messages.read(bytes, |message| match message {
                    Message::Text(text) => {
                        *has_heard = true;
                        enter(text.as_bytes(), at, account, epoch, offset);
                    }
                    Message::Binary(bytes) => {
                        *has_heard = true;
                        enter(bytes, at, account, epoch, offset);
                    }
                    Message::Ping(payload) => replies.push(frame(Opcode::Pong, payload)),
                    Message::Pong(_) => {}
                    Message::Close(code, _) => {
                        replies.push(frame(Opcode::Close, &code.map(u16::to_be_bytes).unwrap_or_default()));
                        closed = Some(code);
                    }
                })?;
                Ok::<_, ClientError>(Some((bytes.len(), ())))
            })
            .await?;
        for reply in replies {
            connection.write_all(&reply).await?;
        }
        match (received, closed) {
            (Some(()), None) => Ok(()),
            (None, None) => Err(ClientError::Ended(None)),
            (_, Some(code)) => Err(ClientError::Ended(code)),
        }
    }

    fn resume(&self) -> Resume {
        let cursor = self.epoch.map(|epoch| Cursor { epoch, offset: self.offset });
        Resume { cursor, remembered: Vec::new() }
    }

    async fn close(mut self) {
        let goodbye = websocket::close_payload(websocket::close::NORMAL, "");
        if self.connection.write_all(&frame(Opcode::Close, &goodbye)).await.is_ok() {
            // The server answers with a close frame and ends first (RFC 6455, section 7.1.1).
            self.connection.leave_after_peer(CLOSE_PATIENCE).await;
        }
    }
}

fn enter(message: &[u8], at: u64, account: &mut Account, epoch: &mut Option<Epoch>, offset: &mut u64) {
    if account.message(message, at) > 0 {
        if epoch.is_some() {
            *offset = notification_id(message).unwrap_or(*offset);
        }
        return;
    }
    match serde_json::from_slice(message) {
        Ok(StreamMessage::Subscribed { epoch: current, offset: start, .. }) => {
            *epoch = Some(current);
            *offset = start;
        }
        Ok(StreamMessage::Gap { oldest }) => {
            account.gap();
            // Of another epoch when history was lost: the stream goes on from here, and so does whoever comes back.
            (*epoch, *offset) = (Some(oldest.epoch), oldest.offset);
        }
        Err(_) => account.foreign(),
    }
}

/// The `id` of one of the feed's notifications, found without decoding the rest.
pub(super) fn notification_id(message: &[u8]) -> Option<u64> {
    const FIELD: &[u8] = br#""id":"#;
    let digits = &message[memmem::find(message, FIELD)? + FIELD.len()..];
    let len = digits.iter().position(|b| !b.is_ascii_digit())?;
    std::str::from_utf8(&digits[..len]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::recording::Recorder;

    #[test]
    fn who_is_told_of_lost_history_comes_back_with_a_cursor_of_the_new_epoch() {
        let mut account = Account::alone(1, 0..1, Rc::new(Recorder::new(Rc::default())));
        let (mut epoch, mut offset) = (Some("k3f9".parse().unwrap()), 41);
        let gap = br#"{"type":"gap","topic":"news","oldest":"q7:3"}"#;
        enter(gap, 0, &mut account, &mut epoch, &mut offset);
        assert_eq!((epoch, offset), (Some("q7".parse().unwrap()), 3));
        assert_eq!(account.recorder().snapshot(false).counters.gaps, 1);
    }

    #[test]
    fn the_id_of_a_notification_is_found_without_decoding_it() {
        let message = br#"{"type":"notification","topic":"news","id":42,"timestamp":1,"payload":{"id":7}}"#;
        assert_eq!(notification_id(message), Some(42));
        assert_eq!(notification_id(b"{}"), None);
    }
}
