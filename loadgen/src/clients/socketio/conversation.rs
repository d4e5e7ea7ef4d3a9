//! What is said on a Socket.IO session, whatever carries it: packets in, deliveries and answers out.

use std::borrow::Cow;
use std::time::Duration;

use feed::framings::engine_io::{self, Handshake, PROBE};
use feed::framings::socket_io::{self, Kind, Packet};
use feed::{Cursor, Epoch, StreamMessage};
use serde::Deserialize;

use super::super::ws::notification_id;
use super::super::{BrokenRule, ClientError};
use super::rendezvous::{Rendezvous, SUBSCRIPTION};
use crate::clock;
use crate::recording::Account;
use crate::wire::{NO_SID, is_of_protocol_5};

/// Largest event with its attachments that is kept together, bytes: no notification comes near it.
const MAX_EVENT: usize = 16 << 20;

/// One client's side of a session.
#[derive(Debug)]
pub(super) struct Conversation {
    namespace: String,
    handshake: Option<Handshake>,
    has_joined: bool,
    is_acknowledged: bool,
    is_live: bool,
    /// Engine.IO packets that wait to be sent, as text.
    outbox: Vec<Vec<u8>>,
    /// An event whose attachments have not all come.
    unfinished: Option<Box<Unfinished>>,
    epoch: Option<Epoch>,
    offset: u64,
    /// Notifications heard.
    found: u64,
    /// When something was last heard, ns.
    heard_ns: u64,
}

/// An event and those of its attachments that have come, one after the other.
#[derive(Debug)]
struct Unfinished {
    kind: Kind,
    bytes: Vec<u8>,
    missing: usize,
}

/// What the feed answers to a subscription.
#[derive(Debug, Deserialize)]
struct Subscribed {
    epoch: Epoch,
    offset: u64,
}

impl Conversation {
    /// A conversation in which nothing was said.
    pub(super) fn new(rendezvous: &Rendezvous) -> Self {
        Self {
            namespace: rendezvous.namespace.clone(),
            handshake: None,
            has_joined: false,
            is_acknowledged: false,
            is_live: false,
            outbox: Vec::new(),
            unfinished: None,
            epoch: None,
            offset: 0,
            found: 0,
            heard_ns: clock::now_ns(),
        }
    }

    /// Says a Socket.IO packet: it waits in the outbox until the carrier takes it.
    pub(super) fn say(&mut self, packet: &[u8]) {
        self.outbox.push(engine_io::write(&engine_io::Packet::Text(packet)));
    }

    /// The packet with which a client leaves its namespace.
    pub(super) fn goodbye(&self) -> Vec<u8> {
        socket_io::write(&Packet::new(Kind::Disconnect, &self.namespace, b""))
    }

    /// What waits to be sent: Engine.IO packets as text.
    pub(super) fn outbox(&mut self) -> &mut Vec<Vec<u8>> {
        &mut self.outbox
    }

    /// What the server said first, if it has.
    pub(super) fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// The silence after which the server is taken for lost; forever, before it has said.
    pub(super) fn longest_silence(&self) -> Duration {
        self.handshake.as_ref().map_or(Duration::MAX, Handshake::longest_silence)
    }

    /// True once the namespace has let this client in.
    pub(super) fn has_joined(&self) -> bool {
        self.has_joined
    }

    /// True when nothing more has to come for what was said first.
    pub(super) fn is_subscribed(&self, rendezvous: &Rendezvous) -> bool {
        self.is_acknowledged || !rendezvous.wants_acknowledgement()
    }

    /// The client is live from now on.
    pub(super) fn go_live(&mut self) {
        self.is_live = true;
    }

    /// True once the client is live.
    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Where this client is in the log, if the server said so.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.epoch.map(|epoch| Cursor { epoch, offset: self.offset })
    }

    /// Notifications heard so far.
    pub(super) fn found(&self) -> u64 {
        self.found
    }

    /// When something was last heard, ns.
    pub(super) fn heard_ns(&self) -> u64 {
        self.heard_ns
    }

    /// Takes in one Engine.IO packet that was received at `at` (ns).
    pub(super) fn hear(
        &mut self,
        packet: engine_io::Packet<'_>,
        at: u64,
        account: &mut Account,
    ) -> Result<(), ClientError> {
        use engine_io::Packet;
        self.heard_ns = at;
        match packet {
            Packet::Text(text) => self.packet(&socket_io::read(text)?, at, account),
            Packet::Binary(bytes) => self.attachment(&bytes, at, account),
            Packet::Ping(payload) => {
                self.outbox.push(engine_io::write(&Packet::Pong(payload)));
                Ok(())
            }
            Packet::Open(json) => {
                let handshake =
                    serde_json::from_slice(json).map_err(|_| ClientError::Unexpected("Engine.IO handshake"))?;
                self.handshake = Some(handshake);
                Ok(())
            }
            Packet::Close => Err(ClientError::Ended(None)),
            Packet::Noop | Packet::Pong(PROBE | b"") => Ok(()),
            Packet::Pong(_) | Packet::Upgrade => Err(ClientError::Unexpected("packet that an Engine.IO server sends")),
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, at: u64, account: &mut Account) -> Result<(), ClientError> {
        if self.unfinished.is_some() {
            return Err(broken("a Socket.IO packet before the attachments of the one before"));
        }
        if packet.namespace != self.namespace {
            account.astray(packet.data);
            account.foreign(packet.data);
            return Ok(());
        }
        match packet.kind {
            Kind::Event => self.event(packet.data, at, account)?,
            Kind::Ack => self.acknowledgement(packet)?,
            Kind::BinaryEvent | Kind::BinaryAck if packet.attachments > 0 => {
                let (kind, bytes) = (packet.kind, packet.data.to_vec());
                self.unfinished = Some(Box::new(Unfinished { kind, bytes, missing: packet.attachments }));
            }
            Kind::BinaryEvent => self.event(packet.data, at, account)?,
            Kind::BinaryAck => self.acknowledgement(packet)?,
            Kind::Connect if is_of_protocol_5(packet.data) => self.has_joined = true,
            Kind::Connect => return Err(broken(NO_SID)),
            Kind::ConnectError => return Err(ClientError::ConnectError(reason(packet.data))),
            Kind::Disconnect => return Err(ClientError::Disconnected),
        }
        Ok(())
    }

    /// An event is received when its last attachment is.
    fn attachment(&mut self, bytes: &[u8], at: u64, account: &mut Account) -> Result<(), ClientError> {
        let Some(mut unfinished) = self.unfinished.take() else {
            return Err(broken("an attachment that belongs to no Socket.IO packet"));
        };
        if unfinished.bytes.len() + bytes.len() > MAX_EVENT {
            return Err(broken(format!("a Socket.IO event of more than {MAX_EVENT} bytes")));
        }
        unfinished.bytes.extend_from_slice(bytes);
        unfinished.missing -= 1;
        if unfinished.missing > 0 {
            self.unfinished = Some(unfinished);
        } else if unfinished.kind == Kind::BinaryEvent {
            self.event(&unfinished.bytes, at, account)?;
        }
        Ok(())
    }

    fn event(&mut self, data: &[u8], at: u64, account: &mut Account) -> Result<(), ClientError> {
        let found = account.event(data, at);
        self.found += found as u64;
        if found > 0 {
            if self.epoch.is_some() {
                self.offset = notification_id(data).unwrap_or(self.offset);
            }
            return Ok(());
        }
        match socket_io::read_event(data) {
            Some(("gap", gap)) => {
                account.gap();
                // Of another epoch when history was lost: the stream goes on from here, and so does whoever comes back.
                if let Ok(StreamMessage::Gap { oldest }) = serde_json::from_slice(gap) {
                    (self.epoch, self.offset) = (Some(oldest.epoch), oldest.offset);
                }
            }
            _ => account.foreign(data),
        }
        ClientError::unless_refused(account)
    }

    fn acknowledgement(&mut self, packet: &Packet<'_>) -> Result<(), ClientError> {
        if packet.id == Some(SUBSCRIPTION) && !self.is_acknowledged {
            let [subscribed]: [Subscribed; 1] = serde_json::from_slice(packet.data)
                .map_err(|_| ClientError::Unexpected("acknowledgement of a subscription"))?;
            self.is_acknowledged = true;
            (self.epoch, self.offset) = (Some(subscribed.epoch), subscribed.offset);
        }
        Ok(())
    }
}

fn broken(rule: impl Into<Cow<'static, str>>) -> ClientError {
    ClientError::Protocol(BrokenRule::named(rule))
}

/// What a refusal says, as far as it says anything.
fn reason(data: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    serde_json::from_slice::<Refusal>(data)
        .map_or_else(|_| String::from_utf8_lossy(data).into_owned(), |refusal| refusal.message)
}
