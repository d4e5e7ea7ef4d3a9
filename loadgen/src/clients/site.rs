//! What all clients of a player know about the server and the load.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use super::{Resume, Turns};
use crate::plan::Plan;
use crate::target::{
    Live, Remember, Replies, SocketIoSubscription, Subscription, Target, Template, Token, Values, Variable,
};
use crate::wire::Dialer;

/// Where clients connect, and to what.
#[derive(Debug)]
pub struct Site {
    /// The load.
    pub plan: Arc<Plan>,
    /// Opens connections.
    pub dialer: Dialer,
    /// Value of the `Host` field.
    pub host: String,
    /// The line of a head that says user and password of the base URL, for requests that no target file describes; usually empty.
    pub authorization: String,
    /// What stands before every path, without a slash at its end; usually empty.
    pub prefix: String,
    /// How long what a refusal says is waited for behind its head: not at all in a run, where what has come with it is enough.
    pub patience: Duration,
    /// Who asks again, and when.
    pub turns: Turns,
    /// True when requests repeat the feed's cursor, so that answers are searched for it.
    pub speaks_of_cursors: bool,
    /// True when the server is Wirelab's own feed, which is subscribed to by its own event over Socket.IO.
    pub is_feed: bool,
    subscription: Option<Arc<Subscription>>,
    socketio: Option<SocketIoSubscription>,
    /// Names of header fields that are remembered.
    wanted: Vec<String>,
    token: Option<Token>,
    /// The head of a request, while it is sent.
    head: RefCell<String>,
}

impl Site {
    /// The site that `target` is, for clients that connect through `dialer`.
    pub fn new(plan: Arc<Plan>, dialer: Dialer, target: &Target) -> Self {
        let subscription = target.file.subscription(plan.transport).cloned();
        let remember = subscription.iter().flat_map(|subscription| &subscription.remember);
        let wanted = remember.filter_map(|source| match source {
            Remember::Header(name) => Some(name.clone()),
            Remember::Json(_) | Remember::EventId => None,
        });
        Self {
            wanted: wanted.collect(),
            speaks_of_cursors: subscription.iter().any(|subscription| subscription.asks_for(Variable::Cursor)),
            is_feed: target.file.is_feed(),
            subscription,
            socketio: target.file.socketio.clone(),
            plan,
            dialer,
            host: target.host.clone(),
            authorization: target.authorization_field(),
            prefix: target.prefix.clone(),
            patience: Duration::ZERO,
            turns: Turns::default(),
            token: target.token.clone(),
            head: RefCell::default(),
        }
    }

    /// The same for a client that is to find out why it is refused.
    pub fn patient(self) -> Self {
        const PATIENCE: Duration = Duration::from_millis(250);
        Self { patience: PATIENCE, ..self }
    }

    /// How one subscribes over the plan's transport.
    pub fn subscription(&self) -> &Subscription {
        self.subscription.as_ref().expect("that the target has the transport is asked before a run begins")
    }

    /// How one subscribes over Socket.IO.
    pub fn socketio(&self) -> &SocketIoSubscription {
        self.socketio.as_ref().expect("that the target has the transport is asked before a run begins")
    }

    /// What makes a client live.
    pub fn live(&self) -> Live {
        self.subscription.as_ref().map_or(Live::Message, |subscription| subscription.live)
    }

    /// What messages mean that are no notifications.
    pub fn replies(&self) -> &Arc<Replies> {
        let socketio = || &self.socketio().replies;
        self.subscription.as_ref().map_or_else(socketio, |subscription| &subscription.replies)
    }

    /// What answers say that the next request repeats.
    pub fn remember(&self) -> &[Remember] {
        self.subscription.as_ref().map_or(&[], |subscription| &subscription.remember)
    }

    /// Names of the header fields among that.
    pub fn wanted(&self) -> &[String] {
        &self.wanted
    }

    /// The head of the request of `client` that goes on from `resume`; `fields` are further lines, each with its CRLF.
    pub fn request(&self, client: u32, resume: &Resume, wait: Duration, fields: &str) -> String {
        let mut head = String::new();
        self.write_request(client, resume, wait, fields, &mut head);
        head
    }

    /// Has `send` send the same without further lines, written into a buffer that all clients share.
    pub fn with_request<T>(&self, client: u32, resume: &Resume, wait: Duration, send: impl FnOnce(&[u8]) -> T) -> T {
        let mut head = self.head.borrow_mut();
        head.clear();
        self.write_request(client, resume, wait, "", &mut head);
        send(head.as_bytes())
    }

    fn write_request(&self, client: u32, resume: &Resume, wait: Duration, fields: &str, out: &mut String) {
        let values = Values {
            wait_s: wait.as_secs_f64(),
            cursor: resume.cursor,
            remembered: &resume.remembered,
            ..self.values(client)
        };
        self.subscription().request.write_head("GET", &self.prefix, &self.host, &values, fields, out);
    }

    /// What `client` says once it is connected.
    pub fn fill(&self, template: &Template, client: u32) -> String {
        template.filled(&self.values(client))
    }

    /// The values of what `client` says when it begins.
    pub fn values(&self, client: u32) -> Values<'_> {
        let topic = self.plan.topics[usize::from(self.plan.topic_of(client))].as_str();
        Values { client, ..Values::of(topic, self.plan.run, self.token.as_ref().and_then(Token::secret)) }
    }
}
