//! Publishing through a WebSocket of the publisher's own: no answers, so a notification counts as accepted when it is written.
//!
//! What the server says is read and discarded, for a socket that nobody reads holds up a server that writes to it.

use anyhow::Context;
use feed::Postmark;
use feed::framings::websocket::{self, Message as Frame, Opcode, ProtocolError, Reader, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::channel::{Channel, Reading, Writing};
use super::message::{Message, text_of};
use crate::plan::Plan;
use crate::target::{Publishing, Target, Values, Variable};
use crate::wire::Handshake;
use crate::wire::websocket::{MAX_MESSAGE, frame};

/// One WebSocket, and what is said on it.
#[derive(Debug)]
pub(super) struct Ws {
    /// The topic that its handshake and first messages name.
    topic: String,
    run: u32,
    /// Per topic, but for the postmark.
    messages: Vec<Message>,
}

impl Ws {
    /// One for all topics, or one for each where the handshake or the first messages name the topic.
    pub(super) fn for_topics(plan: &Plan, target: &Target) -> Vec<Self> {
        let Publishing::Ws { request, first, message, .. } = &target.file.publishing else {
            unreachable!("only a target that publishes through a WebSocket is asked");
        };
        let text = text_of(plan);
        let message_of = |topic: &str| {
            let values = Values { text: &text, ..Values::of(topic, plan.run, target.secret()) };
            Message::around(plan, message.filled(&values).into_bytes())
        };
        let messages: Vec<Message> = plan.topics.iter().map(|topic| message_of(topic.as_str())).collect();
        let topic = Variable::Topic;
        let is_per_topic = request.asks_for(topic) || first.iter().any(|message| message.asks_for(topic));
        let sockets = if is_per_topic { &plan.topics[..] } else { &plan.topics[..1] };
        let socket = |topic: &feed::TopicName| Self {
            topic: topic.as_str().to_owned(),
            run: plan.run,
            messages: messages.clone(),
        };
        sockets.iter().map(socket).collect()
    }

    /// The frame that carries `postmark` to a topic.
    pub(super) fn frame(&self, topic: u16, postmark: Postmark) -> Vec<u8> {
        frame(Opcode::Text, &self.messages[usize::from(topic)].stamped(postmark))
    }

    /// The frame that ends the conversation.
    pub(super) fn goodbye(&self) -> Vec<u8> {
        frame(Opcode::Close, &websocket::close_payload(websocket::close::NORMAL, ""))
    }

    /// Opens the WebSocket and says what is to be said first; returns what came behind the server's answer.
    pub(super) async fn shake_hands(
        &self,
        target: &Target,
        reader: &mut Reading,
        writer: &mut Writing,
    ) -> anyhow::Result<Vec<u8>> {
        let Publishing::Ws { request, subprotocol, first, .. } = &target.file.publishing else {
            unreachable!("only a target that publishes through a WebSocket is asked");
        };
        let values = Values::of(&self.topic, self.run, target.secret());
        let handshake = Handshake::new();
        let fields = handshake.fields(subprotocol.as_deref());
        let head = request.head("GET", &target.prefix, &target.host, &values, &fields);
        writer.write_all(head.as_bytes()).await?;
        let rest = handshake.await_answer(reader).await?;
        for message in first {
            let text = message.filled(&values);
            writer.write_all(&frame(Opcode::Text, text.as_bytes())).await.context("cannot say the first message")?;
        }
        Ok(rest)
    }
}

/// Why a server ended a publisher's socket, where it gave a reason or broke a rule.
#[derive(Debug)]
pub(super) struct SocketEnd {
    /// The kind under which it is counted.
    pub kind: String,
    /// What the server said, if it said anything.
    pub words: String,
}

impl SocketEnd {
    /// The server broke a rule.
    pub(super) fn broken(rule: &ProtocolError) -> Self {
        Self { kind: format!("protocol: {rule}"), words: String::new() }
    }

    /// The server closed the socket; to close it in order, with 1000 or no code, is nothing that went wrong.
    pub(super) fn closed(code: Option<u16>, reason: &str) -> Option<Self> {
        let code = code.filter(|code| *code != websocket::close::NORMAL)?;
        Some(Self { kind: format!("ended-{code}"), words: reason.to_owned() })
    }
}

/// Takes in what comes, answers pings, and returns when the server ends the connection, with the reason that it gave.
pub(super) async fn discard(reader: &mut Reading, rest: Vec<u8>, channel: &Channel) -> Option<SocketEnd> {
    let mut frames = Reader::new(Role::Client, MAX_MESSAGE);
    let mut received = rest;
    loop {
        let mut replies = Vec::new();
        let mut closed = None;
        let read = frames.read(&received, |message| match message {
            Frame::Ping(payload) => replies.extend(frame(Opcode::Pong, payload)),
            Frame::Close(code, reason) => closed = Some(SocketEnd::closed(code, reason)),
            Frame::Text(_) | Frame::Binary(_) | Frame::Pong(_) => {}
        });
        if let Err(rule) = read {
            return Some(SocketEnd::broken(&rule));
        }
        if let Some(end) = closed {
            return end;
        }
        if !replies.is_empty() {
            channel.answer_with(&replies).await;
        }
        received.clear();
        if !matches!(reader.read_buf(&mut received).await, Ok(1..)) {
            return None;
        }
    }
}
