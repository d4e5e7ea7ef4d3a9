//! WebSocket: one handshake, then two to four bytes before each notification.
//!
//! Price: one held connection, its pings, and a protocol that proxies must know.

use std::sync::LazyLock;

use feed::framings::websocket::{Opcode, Reader, Role, close, close_payload};
use feed::{Cursor, Epoch, StreamMessage};
use memchr::memmem::Finder;

use super::lost::Lost;
use super::{Client, ClientError, Left, Listener, Resume, Site, Stopped};
use crate::reading_room::Reading;
use crate::recording::Account;
use crate::target::Live;
use crate::wire::http::{self, HttpError, WrongStatus};
use crate::wire::websocket::{CLOSE_PATIENCE, MAX_MESSAGE, frame};
use crate::wire::{Connection, Handshake, SWITCHING, websocket};

/// A WebSocket client that listens.
#[derive(Debug)]
pub struct Ws {
    connection: Connection,
    hearing: Hearing,
    lost: Lost,
}

/// What a client makes of the bytes that it receives.
#[derive(Debug)]
struct Hearing {
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
            return Err(WrongStatus::read(&mut connection, &head, SWITCHING, site.patience).await.into());
        }
        if !handshake.is_accepted(&head) {
            return Err(ClientError::Unexpected("answer to this WebSocket handshake"));
        }
        handshake.ensure_offered(&head)?;
        for message in &subscription.first {
            let text = site.fill(message, client);
            connection.write_all(&frame(Opcode::Text, text.as_bytes())).await?;
        }
        let messages = Reader::new(Role::Client, MAX_MESSAGE);
        let hearing = Hearing { messages, epoch: None, offset: 0, has_heard: false };
        let mut this = Self { connection, hearing, lost: Lost::default() };
        while subscription.live == Live::Message && !(this.hearing.has_heard && account.is_let_in()) {
            let received = this.receive(site, account).await;
            this.lost.keep(received, this.hearing.epoch.is_some())?;
        }
        Ok(this)
    }

    async fn receive(&mut self, _: &Site, account: &mut Account) -> Result<(), ClientError> {
        self.lost.tell()?;
        let Self { connection, hearing, .. } = self;
        let mut replies = Vec::new();
        let heard = connection
            .read(|bytes, at| Ok::<_, ClientError>(Some((bytes.len(), hearing.hear(bytes, at, account, &mut replies)))))
            .await?;
        if !replies.is_empty() {
            connection.write_all(&replies).await?;
        }
        heard.unwrap_or(Err(ClientError::Ended(None)))
    }

    async fn listen(self: Box<Self>, listener: Listener<'_>, stopped: Stopped<'_>) -> Left<Self> {
        listener.room.listen(self, listener.account, stopped).await
    }

    fn resume(&self) -> Resume {
        let cursor = self.hearing.epoch.map(|epoch| Cursor { epoch, offset: self.hearing.offset });
        Resume { cursor, ..Resume::default() }
    }

    async fn close(self) {
        let goodbye = close_payload(close::NORMAL, "");
        // The server answers with a close frame and ends first (RFC 6455, section 7.1.1).
        self.connection.leave_saying(&frame(Opcode::Close, &goodbye), CLOSE_PATIENCE).await;
    }
}

impl Reading for Ws {
    async fn begin(&mut self, _: &mut Account) -> Result<(), ClientError> {
        self.lost.tell()
    }

    fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    fn hear(&mut self, bytes: &[u8], at_ns: u64, account: &mut Account) -> Result<(), ClientError> {
        let mut replies = Vec::new();
        let heard = self.hearing.hear(bytes, at_ns, account, &mut replies);
        if !replies.is_empty() {
            self.connection.say(&replies)?;
        }
        heard
    }
}

impl Hearing {
    /// Enters the messages that end in `bytes`, and appends to `replies` what the protocol has a client answer.
    fn hear(&mut self, bytes: &[u8], at: u64, account: &mut Account, replies: &mut Vec<u8>) -> Result<(), ClientError> {
        let Self { messages, epoch, offset, has_heard } = self;
        let heard = websocket::hear(messages, bytes, replies, |_, message, _| {
            *has_heard = true;
            enter(message, at, account, epoch, offset);
        });
        // Whoever refuses may well say goodbye in the same breath.
        ClientError::unless_refused(account)?;
        Ok(heard?)
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
        Err(_) => account.foreign(message),
    }
}

/// The `id` of one of the feed's notifications, found without decoding the rest.
pub(super) fn notification_id(message: &[u8]) -> Option<u64> {
    const FIELD: &[u8] = br#""id":"#;
    static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(FIELD));
    let digits = &message[FINDER.find(message)? + FIELD.len()..];
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
