//! WebSocket: one handshake, then two to four bytes before each notification.
//!
//! Price: one held connection, its pings, and a protocol that proxies must know.

use std::time::Duration;

use feed::framings::websocket::{self, Message, Opcode, Reader, Role};
use feed::{Cursor, Epoch, StreamMessage, Transport};
use memchr::memmem;
use rand::RngExt;

use super::site::after;
use super::{Client, ClientError, Site};
use crate::recording::Account;
use crate::wire::Connection;
use crate::wire::http::{self, HttpError};

/// Largest message that is accepted, bytes.
const MAX_MESSAGE: usize = 16 << 20;
/// Longest wait for the server to end the connection after we have sent a close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// A WebSocket client that listens.
#[derive(Debug)]
pub struct Ws {
    connection: Connection,
    messages: Reader,
    epoch: Option<Epoch>,
    offset: u64,
}

impl Client for Ws {
    async fn connect(
        site: &Site,
        client: u32,
        resume: Option<Cursor>,
        account: &mut Account,
    ) -> Result<Self, ClientError> {
        use base64::Engine;
        let nonce: [u8; 16] = rand::rng().random();
        let key = base64::engine::general_purpose::STANDARD.encode(nonce);
        let path = site.path(client, Transport::Ws, &after(resume));
        let fields = format!(
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        );
        let mut connection = site.dialer.dial(client).await?;
        account.recorder().count(|counters| counters.opened += 1);
        connection.write_all(site.get(&path, &fields).as_bytes()).await?;
        let head = connection.read(|bytes, _| http::read_head(bytes)).await?.ok_or(HttpError::Closed)?;
        if head.status != 101 {
            return Err(ClientError::Status(head.status));
        }
        if head.websocket_accept != Some(websocket::accept_key(key.as_bytes())) {
            return Err(ClientError::Unexpected("answer to this WebSocket handshake"));
        }
        Ok(Self { connection, messages: Reader::new(Role::Client, MAX_MESSAGE), epoch: None, offset: 0 })
    }

    async fn receive(&mut self, _: &Site, account: &mut Account) -> Result<(), ClientError> {
        let Self { connection, messages, epoch, offset } = self;
        let mut replies = Vec::new();
        let mut closed = None;
        let received = connection
            .read(|bytes, at| {
                messages.read(bytes, |message| match message {
                    Message::Text(text) => enter(text.as_bytes(), at, account, epoch, offset),
                    Message::Binary(bytes) => enter(bytes, at, account, epoch, offset),
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

    fn cursor(&self) -> Option<Cursor> {
        self.epoch.map(|epoch| Cursor { epoch, offset: self.offset })
    }

    async fn close(mut self) {
        let goodbye = websocket::close_payload(websocket::close::NORMAL, "");
        if self.connection.write_all(&frame(Opcode::Close, &goodbye)).await.is_ok() {
            // The server answers with a close frame and ends first (RFC 6455, section 7.1.1).
            self.connection.leave_after_peer(CLOSE_PATIENCE).await;
        }
    }
}

/// A client's frame. The mask protects proxies from chosen bytes (RFC 6455, section 10.3), so it is drawn anew each time.
fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    websocket::write_masked(opcode, payload, rand::rng().random())
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
fn notification_id(message: &[u8]) -> Option<u64> {
    const FIELD: &[u8] = br#""id":"#;
    let digits = &message[memmem::find(message, FIELD)? + FIELD.len()..];
    let len = digits.iter().position(|b| !b.is_ascii_digit())?;
    std::str::from_utf8(&digits[..len]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::recording::{Recorder, Windows};
    use crate::shard::Shard;

    #[test]
    fn who_is_told_of_lost_history_comes_back_with_a_cursor_of_the_new_epoch() {
        let recorder = Rc::new(Recorder::new(Rc::default()));
        let windows = Rc::new(Windows { sequences: std::iter::once(0..1).collect(), topics: 1 });
        let mut account = Account::new(1, 0, Shard::WHOLE, windows, recorder);
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
