//! The namespace `/`: who may enter it, and what its clients may ask.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use feed::{Cursor, TopicName};
use serde::Serialize;
use serde_json::{Map, Value};
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::{AckSender, SocketRef, TryData};
use socketioxide::handler::{
    self, ConnectHandler, DisconnectHandler, FromConnectParts, FromMessageParts, MessageHandler,
};
use socketioxide::socket::{DisconnectReason, Socket};
use socketioxide::{SendError, SocketError, SocketIo};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::{AbortHandle, JoinSet};

use super::line::Line;
use super::reading::{Reading, tell_gap};
use super::request::{Published, Refused, Request, Said, Subscribed};
use crate::app::App;
use crate::guards::grants::{Lease, Pass};
use crate::guards::messages::Messages;
use crate::guards::token;
use crate::hub::Start;
use crate::stats::{Kind, Reason, Stats};

/// Events of one client that wait to be carried out; one more is refused at once. A client that waits for acknowledgements has
/// few; this is what one that does not can make the server hold.
const REQUESTS_MAX: usize = 128;
/// Topics of one client; one more is refused.
const TOPICS_MAX: usize = 256;
/// Times that a session may be refused for its token: whoever shows a fresh one needs two. With the last its session ends, for each
/// costs the check of a signature, and is no request that `--requests-per-second` would count.
const TRIES_MAX: usize = 4;

/// Opens it.
pub(super) fn open(io: &SocketIo, app: &Arc<App>) {
    let app = app.clone();
    // The library tells a client that it is connected before it calls the handler of that: what the client says at once would be
    // lost. A middleware is called before; but nothing can be emitted until the handler is called.
    let admit = move |Guest(socket): Guest, auth: TryData<Map<String, Value>>| {
        let app = app.clone();
        async move {
            let pass = admit(&app, line(&socket), &auth)?;
            enter(&socket, app, pass);
            Ok::<(), String>(())
        }
    };
    let entered = |socket: SocketRef| {
        line(&socket).entered();
        std::future::ready(())
    };
    io.ns("/", entered.with(admit));
}

/// Looks at what the client shows at the door, which has to be an object; where tokens are asked for, `token` in it counts before what
/// the handshake showed. Who is refused may try again until the library's time for entering is over, or its tries are.
fn admit(app: &App, line: &Line, auth: &TryData<Map<String, Value>>) -> Result<Option<Pass>, String> {
    let Ok(auth) = &auth.0 else {
        return Err(r#"bad auth: expected an object, for example {"token":"..."}"#.to_owned());
    };
    token::enter(app.keys.as_ref(), auth.get("token"), line.pass.as_ref()).map_err(|refusal| {
        if line.refuse() >= TRIES_MAX {
            if line.ends() {
                app.stats.ended(Kind::SocketIo, Reason::ProtocolError);
            }
            line.hang_up();
        }
        refusal.into_counted(app)
    })
}

/// A client that wants to enter.
struct Guest(Arc<Socket>);

impl FromConnectParts<LocalAdapter> for Guest {
    type Error = Infallible;

    fn from_connect_parts(socket: &Arc<Socket>, _: &Option<handler::Value>) -> Result<Self, Infallible> {
        Ok(Self(socket.clone()))
    }
}

/// The line of a client's session.
fn line(socket: &Socket) -> &Arc<Line> {
    socket.req_parts().extensions.get().expect("every session begins with one")
}

/// Ends a client that asked for more than it takes: there is no room for what it would have to be told.
pub(super) fn end(socket: &Socket, stats: &Stats) {
    end_for(socket, stats, Reason::TooMuch);
}

fn end_for(socket: &Socket, stats: &Stats, reason: Reason) {
    let line = line(socket);
    // Not only who is connected: a client may ask for too much before the library counts it so.
    if line.ends() {
        stats.ended(Kind::SocketIo, reason);
    }
    line.hang_up();
}

fn enter(socket: &Arc<Socket>, app: Arc<App>, pass: Option<Pass>) {
    let (queue, asked) = mpsc::channel(REQUESTS_MAX);
    let messages = Messages::new(app.config.messages());
    socket.on_fallback(Ask { queue, messages, stats: app.stats.clone() });
    socket.on_disconnect(Leave(app.stats.clone()));
    let entered = line(socket).enters();
    let socket = Arc::downgrade(socket);
    tokio::spawn(async move {
        let client = entered.await.ok().and_then(|()| Client::new(socket, app, pass));
        if let Some(client) = client {
            client.serve(asked).await;
        }
    });
}

/// Takes every event. A handler that is a closure would be run in a task of its own, and events would overtake each other.
struct Ask {
    queue: mpsc::Sender<(Said, AckSender)>,
    messages: Messages,
    stats: Arc<Stats>,
}

impl MessageHandler<LocalAdapter, ()> for Ask {
    fn call(&self, socket: Arc<Socket>, mut value: handler::Value, ack: Option<i64>) {
        let Ok(said) = Said::from_message_parts(&socket, &mut value, &ack);
        let Ok(answer) = AckSender::from_message_parts(&socket, &mut value, &ack);
        if !self.messages.admit() {
            if said.is_publish() {
                self.stats.refused.fetch_add(1, Relaxed);
            }
            end_for(&socket, &self.stats, Reason::MessagesPerSecond);
            return;
        }
        let Err(TrySendError::Full((said, answer)) | TrySendError::Closed((said, answer))) =
            self.queue.try_send((said, answer))
        else {
            return;
        };
        if said.is_publish() {
            self.stats.refused.fetch_add(1, Relaxed);
        }
        // Whoever was ended is told nothing more.
        if !self.queue.is_closed() {
            let error = format!("{REQUESTS_MAX} events are waiting already: wait for their acknowledgements");
            let refused = Refused { error };
            if let Err(error) = reply(&socket, &said, answer, "refused", &refused) {
                tracing::debug!(%error, "a refusal could not be told");
                end(&socket, &self.stats);
            }
        }
    }
}

/// Notices that a client leaves. A handler that is a closure would be run in a task of its own, and a client that comes back at
/// once would be taken for one that is still there.
struct Leave(Arc<Stats>);

impl DisconnectHandler<LocalAdapter, ()> for Leave {
    fn call_with_defer(&self, socket: Arc<Socket>, why: DisconnectReason, defer: fn(Arc<Socket>)) {
        let is_first = line(&socket).ends();
        if let Some(reason) = reason(why)
            && is_first
        {
            self.0.ended(Kind::SocketIo, reason);
        }
        defer(socket);
    }
}

fn reason(why: DisconnectReason) -> Option<Reason> {
    match why {
        DisconnectReason::HeartbeatTimeout => Some(Reason::PongTimeout),
        DisconnectReason::MultipleHttpPollingError | DisconnectReason::PacketParsingError => {
            Some(Reason::ProtocolError)
        }
        DisconnectReason::ClosingServer => Some(Reason::Shutdown),
        DisconnectReason::TransportClose
        | DisconnectReason::TransportError
        | DisconnectReason::ClientNSDisconnect
        | DisconnectReason::ServerNSDisconnect => None,
    }
}

/// One client in the namespace.
struct Client {
    /// Not kept alive by us: when the library lets go of it, the client has left.
    socket: Weak<Socket>,
    line: Arc<Line>,
    app: Arc<App>,
    /// What it has shown, where something is asked for.
    pass: Option<Pass>,
    readings: JoinSet<()>,
    topics: HashMap<TopicName, AbortHandle>,
}

impl Client {
    /// `None` when it has left already.
    fn new(socket: Weak<Socket>, app: Arc<App>, pass: Option<Pass>) -> Option<Self> {
        let line = line(&*socket.upgrade()?).clone();
        Some(Self { socket, line, app, pass, readings: JoinSet::new(), topics: HashMap::new() })
    }

    /// Carries out what is asked, until the client leaves, and with it the queue, or takes no answers; its readings end with it.
    async fn serve(mut self, mut asked: mpsc::Receiver<(Said, AckSender)>) {
        let lease = Lease::of(self.pass.as_ref());
        loop {
            let (said, answer) = tokio::select! {
                biased;
                () = lease.over() => {
                    if let Some(socket) = self.socket.upgrade() {
                        end_for(&socket, &self.app.stats, Reason::TokenExpired);
                    }
                    break;
                }
                said = asked.recv() => match said {
                    Some(said) => said,
                    None => break,
                },
            };
            if let Err(error) = self.carry_out(&said, answer).await {
                tracing::debug!(%error, "an answer could not be given");
                if let Some(socket) = self.socket.upgrade().filter(|socket| socket.connected()) {
                    end(&socket, &self.app.stats);
                    break;
                }
            }
        }
        // Nothing is left here unless the client was ended.
        asked.close();
        while let Ok((said, _)) = asked.try_recv() {
            if said.is_publish() {
                self.app.stats.refused.fetch_add(1, Relaxed);
            }
        }
    }

    /// Fails when the answer cannot be given.
    async fn carry_out(&mut self, said: &Said, answer: AckSender) -> Result<(), SendError> {
        let published = |counter: &std::sync::atomic::AtomicU64| {
            if said.is_publish() {
                counter.fetch_add(1, Relaxed);
            }
        };
        let done = match said.read(self.app.config.body_max).and_then(|request| self.allow(request)) {
            Ok(Request::Subscribe { topic, after }) => match self.subscribe(topic, after).await {
                Ok(reading) => return self.begin(reading, said, answer),
                Err(refused) => Err(refused),
            },
            Ok(Request::Publish { topic, payload }) => {
                self.app.broker.publish(&topic, &payload).await.map_err(Refused::from)
            }
            Err(refused) => Err(refused),
        };
        match done {
            Ok(Cursor { epoch, offset: id }) => {
                published(&self.app.stats.published);
                answer.send(&Published { id, epoch })
            }
            Err(refused) => {
                published(&self.app.stats.refused);
                reply(&*self.here()?, said, answer, "refused", &refused)
            }
        }
    }

    /// Lets a request through that the client may make.
    fn allow(&self, request: Request) -> Result<Request, Refused> {
        let Some(pass) = &self.pass else { return Ok(request) };
        let allowed = match &request {
            Request::Subscribe { topic, .. } => pass.read(topic),
            Request::Publish { topic, .. } => pass.write(topic),
        };
        allowed.map(|()| request).map_err(|refusal| Refused { error: refusal.into_counted(&self.app) })
    }

    /// Finds where a subscription begins. A topic that is subscribed to already is left as soon as that is known to work.
    async fn subscribe(
        &mut self,
        topic: TopicName,
        after: feed::After,
    ) -> Result<(TopicName, Reading, Start), Refused> {
        if self.topics.len() >= TOPICS_MAX && !self.topics.contains_key(&topic) {
            return Err(Refused { error: format!("{TOPICS_MAX} topics already: open another session for more") });
        }
        let log = self.app.broker.follow(&topic, after).await?;
        if let Some(before) = self.topics.remove(&topic) {
            before.abort();
            while !before.is_finished() && self.readings.join_next().await.is_some() {}
        }
        let start = log.start(after);
        let (socket, line, stats) = (self.socket.clone(), self.line.clone(), self.app.stats.clone());
        Ok((topic, Reading { socket, line, log, cursor: start.cursor, stats }, start))
    }

    /// The cursor comes first; then, after a loss, the gap; then what is read.
    fn begin(
        &mut self,
        (topic, reading, start): (TopicName, Reading, Start),
        said: &Said,
        answer: AckSender,
    ) -> Result<(), SendError> {
        let Start { cursor: Cursor { epoch, offset }, recovered } = start;
        match said.wants_answer {
            true => answer.send(&Subscribed { epoch, offset, recovered })?,
            false => {
                let topic = topic.to_string();
                self.here()?.emit("subscribed", &feed::Subscribed { topic, epoch, offset, recovered })?;
            }
        }
        if !recovered {
            tell_gap(&*self.here()?, &reading.log, start.cursor, &self.app.stats)?;
        }
        let reading = self.readings.spawn(reading.deliver());
        self.topics.insert(topic, reading);
        Ok(())
    }

    fn here(&self) -> Result<Arc<Socket>, SendError> {
        self.socket.upgrade().ok_or(SendError::Socket(SocketError::Closed))
    }
}

/// Acknowledges, or says it in an event of that name to a client that did not ask for an acknowledgement.
fn reply(
    socket: &Socket,
    said: &Said,
    answer: AckSender,
    event: &str,
    value: &impl Serialize,
) -> Result<(), SendError> {
    match said.wants_answer {
        true => answer.send(value),
        false => socket.emit(event, value),
    }
}
