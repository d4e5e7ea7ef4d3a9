//! Publishing through a WebSocket of the publisher's own: a notification counts as accepted when it is written, unless the target file says
//! what an acceptance and a refusal look like.
//!
//! What the server says is read all the same, and its first messages are quoted: it may refuse there what is published.

use std::cell::RefCell;

use anyhow::Context;
use feed::Postmark;
use feed::framings::websocket::{self, Opcode, Reader, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::books::Books;
use super::channel::{Channel, Reading, Writing};
use super::message::{Message, text_of};
use super::socket_end::SocketEnd;
use crate::clock;
use crate::plan::Plan;
use crate::target::{Condition, Publishing, Target, Values, Variable};
use crate::wire::Handshake;
use crate::wire::websocket::{Goodbye, MAX_MESSAGE, frame, hear};

/// One WebSocket, and what is said on it.
#[derive(Debug)]
pub(super) struct Ws {
    /// The topic that its handshake and first messages name.
    topic: String,
    run: u32,
    /// The place of that topic, if notifications of no other go this way.
    only: Option<u16>,
    /// What a message of the server says that accepts the notification that has waited longest.
    accepted: Option<Condition>,
    /// What a message of the server says that refuses a notification.
    refused: Option<Condition>,
    /// Per topic, but for the postmark.
    messages: Vec<Message>,
}

impl Ws {
    /// One for all topics, or one for each where the handshake or the first messages name the topic.
    pub(super) fn for_topics(plan: &Plan, target: &Target) -> Vec<Self> {
        let Publishing::Ws { request, first, message, accepted, refused, .. } = &target.file.publishing else {
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
        let socket = |(place, topic): (usize, &feed::TopicName)| Self {
            topic: topic.as_str().to_owned(),
            run: plan.run,
            only: is_per_topic.then_some(place as u16),
            accepted: accepted.clone(),
            refused: refused.clone(),
            messages: messages.clone(),
        };
        sockets.iter().enumerate().map(socket).collect()
    }

    /// True when the server answers for each notification.
    pub(super) fn is_answered(&self) -> bool {
        self.accepted.is_some()
    }

    /// True when notifications of `topic` go this way.
    pub(super) fn carries(&self, topic: u16) -> bool {
        self.only.is_none_or(|only| only == topic)
    }

    /// Enters what a message of the server, which came at an instant (ns), says of notifications.
    fn enter(&self, message: &[u8], at_ns: u64, books: &mut Books) {
        books.hear(message);
        let holds =
            |condition: &Option<Condition>| condition.as_ref().is_some_and(|condition| condition.holds(message));
        if holds(&self.refused) {
            if !self.is_answered() || !books.answer_oldest(|topic| self.carries(topic), None, message) {
                books.refused_one(message);
            }
        } else if holds(&self.accepted) {
            books.answer_oldest(|topic| self.carries(topic), Some(at_ns), message);
        }
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

/// Takes in what comes, answers pings and a close frame, and returns when the connection has come to its end.
pub(super) async fn listen(
    reader: &mut Reading,
    rest: Vec<u8>,
    ws: &Ws,
    channel: &Channel,
    books: &RefCell<Books>,
) -> SocketEnd {
    let mut frames = Reader::new(Role::Client, MAX_MESSAGE);
    let mut received = rest;
    loop {
        let mut replies = Vec::new();
        let at_ns = clock::now_ns();
        let heard = hear(&mut frames, &received, &mut replies, |_, message, _| {
            ws.enter(message, at_ns, &mut books.borrow_mut());
        });
        match heard {
            Ok(()) => channel.answer_with(&replies).await,
            Err(Goodbye::Said(said)) => {
                channel.say_last(&replies).await;
                return SocketEnd::closed(
                    said.as_ref().map(|said| said.code),
                    said.as_ref().map_or("", |said| &said.reason),
                );
            }
            Err(Goodbye::Fault(rule)) => {
                channel.say_last(&replies).await;
                return SocketEnd::broken(&rule);
            }
        }
        received.clear();
        match reader.read_buf(&mut received).await {
            Ok(1..) => {}
            Ok(0) => return SocketEnd::silent(),
            Err(_) => return SocketEnd::failed(),
        }
    }
}
