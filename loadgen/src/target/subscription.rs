//! How one subscribes to a target over one transport: the request, what is said first, what is remembered for the next.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use feed::Transport;
use feed::framings::socket_io;

use super::json_template::check_message;
use super::request::Request;
use super::template::{Template, Variable};
use super::toml_file as written;
use super::{Condition, Live};

/// What a client of one transport sends, and when it is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The request that every connection, or every poll, begins with.
    pub request: Request,
    /// Value of `Sec-WebSocket-Protocol`.
    pub subprotocol: Option<String>,
    /// Text messages that are sent at once after the handshake of a WebSocket.
    pub first: Vec<Template>,
    /// What makes a client live.
    pub live: Live,
    /// What messages mean that are no notifications.
    pub replies: Arc<Replies>,
    /// What each answer says that the next request repeats, by place of its variable.
    pub remember: Vec<Remember>,
    /// The names of those variables, in the same order.
    pub remembered: Vec<String>,
}

/// What messages that are no notifications mean to a client, and answers to polls that bring none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replies {
    /// What the message that makes a client live contains; any message does where this is not said.
    pub live: Option<Condition>,
    /// What a refusal looks like: such a client is not live, or no longer.
    pub refused: Option<Condition>,
}

/// Where something that is remembered stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remember {
    /// In a field of the head.
    Header(String),
    /// In a JSON body, at this pointer (RFC 6901); `-` names the last element of an array.
    Json(String),
    /// The `id` of the last event of a stream.
    EventId,
}

impl fmt::Display for Remember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Json(pointer) => write!(f, "json {pointer}"),
            Self::EventId => f.write_str("event id"),
        }
    }
}

/// How one subscribes over Socket.IO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketIoSubscription {
    /// Where the server listens.
    pub path: Template,
    /// The namespace.
    pub namespace: String,
    /// What the connect packet says; a field without a value is left out.
    pub auth: Vec<(String, Template)>,
    /// Events that are emitted once connected: name, then arguments.
    pub first: Vec<Vec<Template>>,
    /// What events mean that are no notifications.
    pub replies: Arc<Replies>,
}

impl Subscription {
    /// True when `variable` stands anywhere in it.
    pub fn asks_for(&self, variable: Variable) -> bool {
        self.request.asks_for(variable) || self.first.iter().any(|message| message.asks_for(variable))
    }

    /// What of that which is remembered `is_learnt` does not hold of, by name and place.
    pub fn missing(&self, is_learnt: impl Fn(usize) -> bool) -> Vec<String> {
        let all = self.remembered.iter().zip(&self.remember).enumerate();
        all.filter(|(place, _)| !is_learnt(*place)).map(|(_, (name, source))| format!("`{name}` ({source})")).collect()
    }

    /// True when it cannot be sent without a token. Fields of head and query are left out instead.
    pub fn needs_token(&self) -> bool {
        let token = Variable::Token;
        self.request.path.asks_for(token) || self.first.iter().any(|message| message.asks_for(token))
    }
}

impl SocketIoSubscription {
    /// True when `variable` stands anywhere in it.
    pub fn asks_for(&self, variable: Variable) -> bool {
        let in_auth = self.auth.iter().any(|(_, template)| template.asks_for(variable));
        let in_events = self.first.iter().flatten().any(|template| template.asks_for(variable));
        self.path.asks_for(variable) || in_auth || in_events
    }

    /// True when it cannot be sent without a token. Fields of the connect packet are left out instead.
    pub fn needs_token(&self) -> bool {
        let token = Variable::Token;
        self.path.asks_for(token) || self.first.iter().flatten().any(|template| template.asks_for(token))
    }
}

type ByTransport = BTreeMap<&'static str, Arc<Subscription>>;

/// Reads and checks all of them.
pub(super) fn read_all(transports: written::Transports) -> anyhow::Result<(ByTransport, Option<SocketIoSubscription>)> {
    let mut all = ByTransport::new();
    let requests = [
        (Transport::ShortPoll, transports.short_poll),
        (Transport::LongPoll, transports.long_poll),
        (Transport::Sse, transports.sse),
    ];
    for (transport, requests) in requests {
        if let Some(requests) = requests {
            let subscription = read_requests(transport, requests).with_context(|| heading(transport.name()))?;
            all.insert(transport.name(), Arc::new(subscription));
        }
    }
    if let Some(socket) = transports.ws {
        let subscription = read_socket(socket).with_context(|| heading(Transport::Ws.name()))?;
        all.insert(Transport::Ws.name(), Arc::new(subscription));
    }
    let socketio = transports.socketio.map(read_socketio).transpose().with_context(|| heading("socketio"))?;
    Ok((all, socketio))
}

fn heading(transport: &str) -> String {
    format!("[transports.{transport}]")
}

fn read_requests(transport: Transport, written: written::Requests) -> anyhow::Result<Subscription> {
    let written::Requests { path, query, headers, live, refused, remember } = written;
    let names: Vec<String> = remember.0.iter().map(|(name, _)| name.clone()).collect();
    let remember = remember.0.iter().map(|(name, source)| {
        let taken = Variable::OF_A_CLIENT.iter().any(|(own, _)| own == name);
        ensure!(!taken, "remember: `{name}` is a variable of loadgen's own, choose another name");
        read_source(transport, source).with_context(|| format!("remember: {name}"))
    });
    let remember = remember.collect::<anyhow::Result<Vec<_>>>()?;
    let mut request = read_request(&path, query, headers, &names)?;
    if transport == Transport::Sse && !request.has_header("Accept") {
        let accept = Template::parse("text/event-stream", &[], &[])?;
        request.headers.insert(0, ("Accept".into(), accept));
    }
    let known: &[Live] =
        if transport.is_poll() { &[Live::Message, Live::Request] } else { &[Live::Message, Live::Head, Live::Request] };
    let (live, replies) = read_live(live, refused, known)?;
    Ok(Subscription { request, subprotocol: None, first: Vec::new(), live, replies, remember, remembered: names })
}

fn read_socket(written: written::Socket) -> anyhow::Result<Subscription> {
    let written::Socket { path, query, headers, subprotocol, first, live, refused } = written;
    check_subprotocol(subprotocol.as_deref())?;
    let (live, replies) = read_live(live, refused, &[Live::Head, Live::Message])?;
    Ok(Subscription {
        request: read_request(&path, query, headers, &[])?,
        subprotocol,
        first: read_messages(&first, Variable::AT_FIRST).context("first")?,
        live,
        replies,
        remember: Vec::new(),
        remembered: Vec::new(),
    })
}

fn read_socketio(written: written::SocketIo) -> anyhow::Result<SocketIoSubscription> {
    let written::SocketIo { path, namespace, auth, first, live, refused } = written;
    let (_, replies) = read_live(live, refused, &[Live::Message])?;
    Ok(SocketIoSubscription {
        path: read_path(path.as_deref().unwrap_or(SOCKET_IO_PATH), Variable::AT_FIRST)?,
        namespace: read_namespace(namespace)?,
        auth: read_fields(auth, Variable::AT_FIRST, &[]).context("auth")?,
        first: read_events(&first, Variable::AT_FIRST).context("first")?,
        replies,
    })
}

/// Where Socket.IO servers listen unless they are told otherwise.
pub(super) const SOCKET_IO_PATH: &str = "/socket.io/";

/// A namespace as packets can name it: they end it with a comma (Socket.IO protocol, revision 5).
pub(super) fn read_namespace(namespace: Option<String>) -> anyhow::Result<String> {
    let namespace = namespace.unwrap_or_else(|| socket_io::MAIN.to_owned());
    let is_namespace = namespace.starts_with('/') && !namespace.contains(',');
    ensure!(is_namespace, "namespace = `{namespace}`: expected one that begins with a slash and has no commas");
    Ok(namespace)
}

/// Text messages of a WebSocket.
pub(super) fn read_messages(texts: &[String], known: &[(&'static str, Variable)]) -> anyhow::Result<Vec<Template>> {
    let read = |text: &String| {
        let template = Template::parse(text, known, &[])?;
        check_message(&template)?;
        Ok(template)
    };
    texts.iter().map(read).collect()
}

/// Events of Socket.IO: a name and arguments each.
pub(super) fn read_events(
    events: &[Vec<String>],
    known: &[(&'static str, Variable)],
) -> anyhow::Result<Vec<Vec<Template>>> {
    let read = |event: &Vec<String>| {
        ensure!(!event.is_empty(), "an event is empty: expected a name, then its arguments");
        let templates = event.iter().map(|text| Template::parse(text, known, &[])).collect::<Result<Vec<_>, _>>()?;
        // The name is text, whatever it looks like.
        templates.iter().skip(1).try_for_each(check_message)?;
        Ok(templates)
    };
    events.iter().map(read).collect()
}

fn read_request(
    path: &str,
    query: written::Fields,
    headers: written::Fields,
    remembered: &[String],
) -> anyhow::Result<Request> {
    for (name, value) in &query.0 {
        let is_clean = |text: &str| !text.contains(|c: char| c.is_whitespace() || c.is_control());
        let is_field = !name.is_empty() && is_clean(name) && is_clean(value);
        ensure!(
            is_field,
            "query: {name:?} = {value:?}: expected no spaces or control characters; write a space as %20"
        );
    }
    Ok(Request {
        path: read_path(path, Variable::AT_FIRST)?,
        query: read_fields(query, Variable::OF_A_CLIENT, remembered).context("query")?,
        headers: read_headers(headers, Variable::OF_A_CLIENT, remembered)?,
        authorization: None,
    })
}

/// A path; everything in it must have a value from the start.
pub(super) fn read_path(path: &str, known: &[(&'static str, Variable)]) -> anyhow::Result<Template> {
    let is_path = path.starts_with('/') && !path.contains(|c: char| c.is_whitespace() || c.is_control());
    ensure!(is_path, "path = `{path}`: expected one that begins with a slash and has no spaces");
    Template::parse(path, known, &[]).context("path")
}

/// What `Sec-WebSocket-Protocol` may say (RFC 6455, section 4.1): names, and between several of them commas.
pub(super) fn check_subprotocol(subprotocol: Option<&str>) -> anyhow::Result<()> {
    let text = subprotocol.unwrap_or("none");
    let is_list = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    ensure!(is_list, "subprotocol = {text:?}: expected names of protocols, separated by commas");
    Ok(())
}

/// Header fields that loadgen does not write itself.
pub(super) fn read_headers(
    headers: written::Fields,
    known: &[(&'static str, Variable)],
    remembered: &[String],
) -> anyhow::Result<Vec<(String, Template)>> {
    const OWN: [&str; 4] = ["Connection", "Content-Length", "Transfer-Encoding", "Upgrade"];
    for (name, value) in &headers.0 {
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        ensure!(is_name, "headers: `{name}` is no name of a header field (RFC 9110, section 5.1)");
        ensure!(!value.contains(char::is_control), "headers: {name} has a line break or another control character");
        let is_own = OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
            || name.to_ascii_lowercase().starts_with("sec-websocket-");
        ensure!(!is_own, "headers: {name} is written by loadgen itself; leave it out");
    }
    read_fields(headers, known, remembered).context("headers")
}

pub(super) fn read_fields(
    fields: written::Fields,
    known: &[(&'static str, Variable)],
    remembered: &[String],
) -> anyhow::Result<Vec<(String, Template)>> {
    let read = |(name, value): (String, String)| {
        let template = Template::parse(&value, known, remembered).with_context(|| name.clone())?;
        Ok((name, template))
    };
    fields.0.into_iter().map(read).collect()
}

/// When a client is live, the first of the `known` where nothing is said, and what messages mean.
fn read_live(
    written: Option<written::LiveWhen>,
    refused: Option<Condition>,
    known: &[Live],
) -> anyhow::Result<(Live, Arc<Replies>)> {
    let (live, message) = match written {
        None => (known[0], None),
        Some(written::LiveWhen::Plain(live)) => (live, None),
        Some(written::LiveWhen::Says(message)) => (Live::Message, Some(message)),
    };
    if !known.contains(&live) {
        let name = |live: &Live| format!("\"{live:?}\"").to_lowercase();
        let names: Vec<String> = known.iter().map(name).collect();
        bail!("live = {}: expected {} on this transport", name(&live), names.join(" or "));
    }
    Ok((live, Arc::new(Replies { live: message, refused })))
}

fn read_source(transport: Transport, source: &str) -> anyhow::Result<Remember> {
    let (kind, rest) = source.split_once(' ').unwrap_or((source, ""));
    match (kind, rest.trim()) {
        ("header", name) if transport.is_poll() && !name.is_empty() => Ok(Remember::Header(name.to_owned())),
        ("json", pointer) if transport.is_poll() && (pointer.is_empty() || pointer.starts_with('/')) => {
            Ok(Remember::Json(pointer.to_owned()))
        }
        ("event", "id") if transport == Transport::Sse => Ok(Remember::EventId),
        _ if transport.is_poll() => bail!("`{source}`: expected \"header NAME\" or \"json /POINTER\""),
        _ => bail!("`{source}`: expected \"event id\" on a stream"),
    }
}
