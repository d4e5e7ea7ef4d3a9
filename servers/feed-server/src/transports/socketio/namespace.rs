//! The namespace `/`: who may enter it, and what its clients may ask.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use feed::{Cursor, TopicName};
use serde::Serialize;
use serde_json::{Map, Value};
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::{AckSender, SocketRef, TryData};
use socketioxide::handler::{ConnectHandler, DisconnectHandler, FromMessageParts, MessageHandler};
use socketioxide::socket::{DisconnectReason, Socket};
use socketioxide::{SendError, SocketIo};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::line::Line;
use super::reading::{Reading, tell_gap};
use super::request::{Published, Refused, Request, Said, Subscribed};
use crate::app::App;
use crate::hub::{Start, TooManyTopics};
use crate::stats::{Kind, Reason, Stats};

/// Events of one client that wait to be carried out; one more is refused at once. A client that waits for acknowledgements has
/// few; this is what one that does not can make the server hold.
const REQUESTS_MAX: usize = 128;
/// Topics of one client; one more is refused.
const TOPICS_MAX: usize = 256;

/// Opens it.
pub(super) fn open(io: &SocketIo, app: &Arc<App>) {
    let app = app.clone();
    let enter = move |socket: SocketRef, io: SocketIo| {
        enter(socket, &io, app.clone());
        std::future::ready(())
    };
    io.ns("/", enter.with(admit));
}

/// Looks at what the client shows at the door: nothing is asked for yet, but it has to be an object.
async fn admit(TryData(auth): TryData<Map<String, Value>>) -> Result<(), String> {
    auth.map(drop).map_err(|_| r#"bad auth: expected an object, for example {"token":"..."}"#.to_owned())
}

fn enter(socket: SocketRef, io: &SocketIo, app: Arc<App>) {
    let line = socket.req_parts().extensions.get::<Arc<Line>>().expect("every session begins with one").clone();
    let (queue, asked) = mpsc::channel(REQUESTS_MAX);
    let gone = Arc::new(Notify::new());
    socket.on_fallback(Ask { queue, stats: app.stats.clone() });
    socket.on_disconnect(Leave { gone: gone.clone(), stats: app.stats.clone() });
    // It may have gone before anybody listened.
    if io.get_socket(socket.id).is_none() {
        gone.notify_one();
    }
    let client = Client { socket, line, app, readings: JoinSet::new(), topics: HashMap::new() };
    tokio::spawn(client.serve(asked, gone));
}

/// Takes every event. A handler that is a closure would be run in a task of its own, and events would overtake each other.
struct Ask {
    queue: mpsc::Sender<(Said, AckSender)>,
    stats: Arc<Stats>,
}

impl MessageHandler<LocalAdapter, ()> for Ask {
    fn call(&self, socket: Arc<Socket>, mut value: socketioxide::handler::Value, ack: Option<i64>) {
        let Ok(said) = Said::from_message_parts(&socket, &mut value, &ack);
        let Ok(answer) = AckSender::from_message_parts(&socket, &mut value, &ack);
        if let Err(TrySendError::Full((said, answer))) = self.queue.try_send((said, answer)) {
            if said.is_publish() {
                self.stats.refused.fetch_add(1, Relaxed);
            }
            let error = format!("{REQUESTS_MAX} events are waiting already: wait for their acknowledgements");
            let refused = Refused { error };
            if let Err(error) = reply(&socket, &said, answer, "refused", &refused) {
                tracing::debug!(%error, "a refusal could not be told");
            }
        }
    }
}

/// Notices that a client leaves. A handler that is a closure would be run in a task of its own, and a client that comes back at
/// once would be taken for one that is still there.
struct Leave {
    gone: Arc<Notify>,
    stats: Arc<Stats>,
}

impl DisconnectHandler<LocalAdapter, ()> for Leave {
    fn call_with_defer(&self, socket: Arc<Socket>, why: DisconnectReason, defer: fn(Arc<Socket>)) {
        if let Some(reason) = reason(why) {
            self.stats.ended(Kind::SocketIo, reason);
        }
        self.gone.notify_one();
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
    socket: SocketRef,
    line: Arc<Line>,
    app: Arc<App>,
    readings: JoinSet<()>,
    topics: HashMap<TopicName, AbortHandle>,
}

impl Client {
    /// Carries out what is asked, until the client leaves; its readings end with it.
    async fn serve(mut self, mut asked: mpsc::Receiver<(Said, AckSender)>, gone: Arc<Notify>) {
        let answer = async {
            while let Some((said, answer)) = asked.recv().await {
                if let Err(error) = self.carry_out(&said, answer).await {
                    tracing::debug!(%error, "an answer could not be given");
                    self.socket.connected().then(|| self.app.stats.ended(Kind::SocketIo, Reason::TooMuch));
                    self.line.hang_up();
                }
            }
        };
        tokio::select! {
            biased;
            () = gone.notified() => {}
            () = answer => {}
        }
    }

    /// Fails when the answer cannot be given.
    async fn carry_out(&mut self, said: &Said, answer: AckSender) -> Result<(), SendError> {
        let published = |counter: &std::sync::atomic::AtomicU64| {
            if said.is_publish() {
                counter.fetch_add(1, Relaxed);
            }
        };
        let done = match said.read(self.app.config.body_max) {
            Ok(Request::Subscribe { topic, after }) => match self.subscribe(topic, after).await {
                Ok(reading) => return self.begin(reading, said, answer),
                Err(refused) => Err(refused),
            },
            Ok(Request::Publish { topic, payload }) => {
                self.app.broker.publish(&topic, &payload).await.map_err(too_many)
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
                reply(&self.socket, said, answer, "refused", &refused)
            }
        }
    }

    /// Finds where a subscription begins. A topic that is subscribed to already is left first.
    async fn subscribe(
        &mut self,
        topic: TopicName,
        after: feed::After,
    ) -> Result<(TopicName, Reading, Start), Refused> {
        if let Some(before) = self.topics.remove(&topic) {
            before.abort();
            while !before.is_finished() && self.readings.join_next().await.is_some() {}
        }
        if self.topics.len() >= TOPICS_MAX {
            return Err(Refused { error: format!("{TOPICS_MAX} topics already: open another session for more") });
        }
        let log = self.app.broker.follow(&topic).await.map_err(too_many)?;
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
                self.socket.emit("subscribed", &feed::Subscribed { topic, epoch, offset, recovered })?;
            }
        }
        if !recovered {
            tell_gap(&self.socket, &reading.log, start.cursor, &self.app.stats);
        }
        let reading = self.readings.spawn(reading.deliver());
        self.topics.insert(topic, reading);
        Ok(())
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

fn too_many(TooManyTopics(max): TooManyTopics) -> Refused {
    Refused { error: format!("{max} topics exist already: use one of them, or raise --topics-max") }
}
