//! Publishing by Socket.IO events, over a WebSocket of the publisher's own: accepted when acknowledged, or when written.
//!
//! What else the server says is read and discarded, for a socket that nobody reads holds up a server that writes to it.

use std::cell::{Cell, RefCell};

use anyhow::{Context, bail, ensure};
use feed::Postmark;
use feed::framings::engine_io;
use feed::framings::socket_io::{self, Kind, Packet};
use feed::framings::websocket::{self, Message as Frame, Opcode, ProtocolError, Reader, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::books::Books;
use super::channel::{Channel, Reading, Writing};
use super::message::{Message, text_of};
use super::socket_end::SocketEnd;
use crate::clock;
use crate::plan::Plan;
use crate::target::{Condition, Publishing, SessionUrl, Target, Values, Variable, auth_data, event_data};
use crate::wire::websocket::{MAX_MESSAGE, frame};
use crate::wire::{Handshake, NO_SID, is_of_protocol_5};

/// One session, and what is said on it.
#[derive(Debug)]
pub(super) struct SocketIo {
    /// The topic that its first events name.
    topic: String,
    /// The place of that topic, if notifications of no other go this way.
    only: Option<u16>,
    run: u32,
    namespace: String,
    wants_acknowledgements: bool,
    /// What the data of an acknowledgement says that is an acceptance.
    accepted: Option<Condition>,
    /// What the data of an acknowledgement or of an event says that is a refusal.
    refused: Option<Condition>,
    /// What has not come whole.
    frames: RefCell<Reader>,
    /// True once the server has answered a WebSocket ping of ours.
    was_answered: Cell<bool>,
    /// The event's data per topic, but for the postmark.
    events: Vec<Message>,
}

impl SocketIo {
    /// One for all topics, or one for each where path, connect packet or first events name the topic.
    pub(super) fn for_topics(plan: &Plan, target: &Target) -> Vec<Self> {
        let Publishing::SocketIo { path, namespace, auth, first, event, ack, accepted, refused } =
            &target.file.publishing
        else {
            unreachable!("only a target that publishes over Socket.IO is asked");
        };
        let text = text_of(plan);
        let event_of = |topic: &str| {
            let values = Values { text: &text, ..Values::of(topic, plan.run, target.secret()) };
            Message::around(plan, event_data(event, &values))
        };
        let events: Vec<Message> = plan.topics.iter().map(|topic| event_of(topic.as_str())).collect();
        let mut templates = auth.iter().map(|(_, template)| template).chain(first.iter().flatten()).chain([path]);
        let is_per_topic = templates.any(|template| template.asks_for(Variable::Topic));
        let sessions = if is_per_topic { &plan.topics[..] } else { &plan.topics[..1] };
        let session = |(place, topic): (usize, &feed::TopicName)| Self {
            topic: topic.as_str().to_owned(),
            only: is_per_topic.then_some(place as u16),
            run: plan.run,
            namespace: namespace.clone(),
            wants_acknowledgements: *ack,
            accepted: accepted.clone(),
            refused: refused.clone(),
            frames: RefCell::new(Reader::new(Role::Client, MAX_MESSAGE)),
            was_answered: Cell::new(false),
            events: events.clone(),
        };
        sessions.iter().enumerate().map(session).collect()
    }

    /// True when the server answers for each notification.
    pub(super) fn wants_acknowledgements(&self) -> bool {
        self.wants_acknowledgements
    }

    /// True when notifications of `topic` go this way.
    pub(super) fn carries(&self, topic: u16) -> bool {
        self.only.is_none_or(|only| only == topic)
    }

    /// True of data that refuses a notification.
    fn refuses(&self, data: &[u8]) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused.holds(data))
    }

    /// The frame that carries `postmark` to a topic.
    pub(super) fn frame(&self, topic: u16, postmark: Postmark) -> Vec<u8> {
        let data = self.events[usize::from(topic)].stamped(postmark);
        let id = self.wants_acknowledgements.then(|| number_of(topic, postmark.sequence));
        self.said(&Packet { id, ..Packet::new(Kind::Event, &self.namespace, &data) })
    }

    /// A WebSocket ping, whose answer says that the server has read everything before it. A server may drop what it has read of
    /// a client but not handed on when that client leaves: the official one did, and lost a run's last notification.
    pub(super) fn knock(&self) -> Vec<u8> {
        frame(Opcode::Ping, b"")
    }

    /// True once the server has answered a ping.
    pub(super) fn was_answered(&self) -> bool {
        self.was_answered.get()
    }

    /// The frames that end the conversation.
    pub(super) fn goodbye(&self) -> Vec<u8> {
        let close = frame(Opcode::Close, &websocket::close_payload(websocket::close::NORMAL, ""));
        [self.said(&Packet::new(Kind::Disconnect, &self.namespace, b"")), close].concat()
    }

    /// Opens the session, joins the namespace, and says what is to be said first.
    pub(super) async fn join(&self, target: &Target, reader: &mut Reading, writer: &mut Writing) -> anyhow::Result<()> {
        let Publishing::SocketIo { path, auth, first, .. } = &target.file.publishing else {
            unreachable!("only a target that publishes over Socket.IO is asked");
        };
        let values = Values::of(&self.topic, self.run, target.secret());
        let handshake = Handshake::new();
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\n{}{}\r\n",
            SessionUrl::new(&target.prefix, path, &values).over("websocket", None),
            target.host,
            target.authorization_field(),
            handshake.fields(None)
        );
        writer.write_all(head.as_bytes()).await?;
        let mut received = handshake.await_answer(reader).await?;
        let auth = auth_data(auth, &values);
        writer.write_all(&self.said(&Packet::new(Kind::Connect, &self.namespace, &auth))).await?;
        *self.frames.borrow_mut() = Reader::new(Role::Client, MAX_MESSAGE);
        loop {
            let heard = self.hear(&received)?;
            writer.write_all(&heard.replies).await?;
            match heard.entry {
                Some(Entry::LetIn) => break,
                Some(Entry::Refused(why)) => {
                    bail!("the server did not let the publisher into {}: {why}", self.namespace)
                }
                None if heard.end.is_some() => bail!("the server ended the session before it had let the publisher in"),
                None => {}
            }
            received.clear();
            ensure!(reader.read_buf(&mut received).await? > 0, "the server ended the connection before letting us in");
        }
        for event in first {
            let data = event_data(event, &values);
            let said = self.said(&Packet::new(Kind::Event, &self.namespace, &data));
            writer.write_all(&said).await.context("cannot say the first event")?;
        }
        Ok(())
    }

    /// Takes in bytes of the WebSocket.
    fn hear(&self, received: &[u8]) -> Result<Heard, ProtocolError> {
        let mut heard = Heard::default();
        self.frames.borrow_mut().read(received, |message| match message {
            Frame::Text(text) => heard.packet(text, &self.namespace),
            Frame::Ping(payload) => heard.replies.extend(frame(Opcode::Pong, payload)),
            Frame::Close(code, reason) => {
                let payload = code.map(u16::to_be_bytes);
                heard.replies.extend(frame(Opcode::Close, payload.as_ref().map_or(&[], |code| &code[..])));
                heard.end = Some(SocketEnd::closed(code, reason));
            }
            Frame::Pong(_) => self.was_answered.set(true),
            Frame::Binary(_) => {}
        })?;
        Ok(heard)
    }

    /// A Socket.IO packet in its frame.
    fn said(&self, packet: &Packet<'_>) -> Vec<u8> {
        say(&engine_io::Packet::Text(&socket_io::write(packet)))
    }
}

/// What came at once.
#[derive(Debug, Default)]
struct Heard {
    /// Frames that answer it.
    replies: Vec<u8>,
    /// The data of events.
    events: Vec<Vec<u8>>,
    /// Whether the namespace let us in.
    entry: Option<Entry>,
    /// Numbers of acknowledged events, and the data of the acknowledgements.
    acknowledged: Vec<(u64, Vec<u8>)>,
    /// How the session has ended, if it has.
    end: Option<SocketEnd>,
}

#[derive(Debug)]
enum Entry {
    LetIn,
    Refused(String),
}

impl Heard {
    /// Takes in a packet; those of other namespaces are not ours.
    fn packet(&mut self, text: &str, namespace: &str) {
        match engine_io::read(text.as_bytes()) {
            Ok(engine_io::Packet::Ping(payload)) => self.replies.extend(say(&engine_io::Packet::Pong(payload))),
            Ok(engine_io::Packet::Close) => self.end = Some(SocketEnd::silent()),
            Ok(engine_io::Packet::Text(text)) => {
                let Ok(packet) = socket_io::read(text) else { return };
                if packet.namespace != namespace {
                    return;
                }
                match packet.kind {
                    Kind::Connect if is_of_protocol_5(packet.data) => self.entry = Some(Entry::LetIn),
                    Kind::Connect => self.entry = Some(Entry::Refused(NO_SID.to_owned())),
                    Kind::ConnectError => {
                        self.entry = Some(Entry::Refused(String::from_utf8_lossy(packet.data).into_owned()));
                    }
                    Kind::Disconnect => self.end = Some(SocketEnd::silent()),
                    Kind::Ack | Kind::BinaryAck => {
                        self.acknowledged.extend(packet.id.map(|id| (id, packet.data.to_vec())));
                    }
                    Kind::Event | Kind::BinaryEvent => self.events.push(packet.data.to_vec()),
                }
            }
            _ => {}
        }
    }
}

/// Answers pings, matches acknowledgements, and returns when the session or its connection ends.
pub(super) async fn listen(
    reader: &mut Reading,
    session: &SocketIo,
    channel: &Channel,
    books: &RefCell<Books>,
) -> SocketEnd {
    let mut received = Vec::new();
    loop {
        match reader.read_buf(&mut received).await {
            Ok(1..) => {}
            Ok(0) => return SocketEnd::silent(),
            Err(_) => return SocketEnd::failed(),
        }
        let at_ns = clock::now_ns();
        let heard = match session.hear(&received) {
            Ok(heard) => heard,
            Err(rule) => return SocketEnd::broken(&rule),
        };
        for (number, data) in &heard.acknowledged {
            let Some((topic, sequence)) = notification_of(*number) else { continue };
            let mut books = books.borrow_mut();
            books.hear(data);
            let is_accepted = session.accepted.as_ref().is_none_or(|accepted| accepted.holds(data));
            let is_accepted = is_accepted && !session.refuses(data);
            books.acknowledge(topic, sequence, is_accepted.then_some(at_ns), data);
        }
        for data in &heard.events {
            let mut books = books.borrow_mut();
            books.hear(data);
            if session.refuses(data) {
                books.refused_one(data);
            }
        }
        if let Some(end) = heard.end {
            channel.say_last(&heard.replies).await;
            return end;
        }
        channel.answer_with(&heard.replies).await;
        received.clear();
    }
}

/// The number under which a notification is acknowledged: topic and sequence number in one, exact in JavaScript.
fn number_of(topic: u16, sequence: u32) -> u64 {
    u64::from(topic) << 32 | u64::from(sequence)
}

fn notification_of(number: u64) -> Option<(u16, u32)> {
    Some((u16::try_from(number >> 32).ok()?, number as u32))
}

fn say(packet: &engine_io::Packet<'_>) -> Vec<u8> {
    frame(Opcode::Text, &engine_io::write(packet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_in_another_namespace_is_not_taken_for_ours() {
        let mut heard = Heard::default();
        for packet in ["40", "440", "41", "437[]", "43/members,"] {
            heard.packet(packet, "/room");
        }
        assert!(heard.entry.is_none() && heard.acknowledged.is_empty() && heard.end.is_none(), "{heard:?}");
        heard.packet("40/room,{\"sid\":\"x\"}", "/room");
        heard.packet("43/room,7[]", "/room");
        assert!(matches!(heard.entry, Some(Entry::LetIn)) && heard.acknowledged == [(7, b"[]".to_vec())], "{heard:?}");
    }
}
