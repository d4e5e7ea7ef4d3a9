//! How one publishes to a target: over HTTP, or through a socket of the publisher's own.

use anyhow::{Context, bail, ensure};

use super::Condition;
use super::carried::Carried;
use super::json_template::{QUOTES, check_body, check_message};
use super::request::Request;
use super::subscription::{
    SOCKET_IO_PATH, check_subprotocol, read_events, read_fields, read_headers, read_messages, read_namespace, read_path,
};
use super::template::{Template, Variable};
use super::toml_file as written;

/// How notifications are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publishing {
    /// A request each.
    Http {
        /// Its method.
        method: String,
        /// Its head.
        request: Request,
        /// Its body, with the payload in it.
        body: Template,
        /// What the body of a 2xx answer must say besides, for the notification to count as accepted.
        accepted: Option<Condition>,
    },
    /// A message each, through a WebSocket.
    Ws {
        /// The handshake.
        request: Request,
        /// Value of `Sec-WebSocket-Protocol`.
        subprotocol: Option<String>,
        /// Text messages that are sent at once after the handshake.
        first: Vec<Template>,
        /// The message, with the payload in it.
        message: Template,
        /// What a message on the publisher's socket says that accepts the notification that has waited longest for an answer.
        accepted: Option<Condition>,
        /// What a message on the publisher's socket says that refuses a notification.
        refused: Option<Condition>,
    },
    /// An event each, through a Socket.IO connection.
    SocketIo {
        /// Where the server listens.
        path: Template,
        /// The namespace.
        namespace: String,
        /// What the connect packet says; a field without a value is left out.
        auth: Vec<(String, Template)>,
        /// Events that are emitted once connected: name, then arguments.
        first: Vec<Vec<Template>>,
        /// Name and arguments of the event, with the payload in them.
        event: Vec<Template>,
        /// Whether the server is asked to acknowledge each.
        ack: bool,
        /// What the data of an acknowledgement, a JSON array, must say for the notification to count as accepted.
        accepted: Option<Condition>,
        /// What it, or an event that comes instead, says of a notification that was refused.
        refused: Option<Condition>,
    },
}

impl Publishing {
    /// True when `variable` stands anywhere in it.
    pub fn asks_for(&self, variable: Variable) -> bool {
        let among = |templates: &[Template]| templates.iter().any(|template| template.asks_for(variable));
        match self {
            Self::Http { request, body, .. } => request.asks_for(variable) || body.asks_for(variable),
            Self::Ws { request, first, message, .. } => {
                request.asks_for(variable) || among(first) || message.asks_for(variable)
            }
            Self::SocketIo { path, auth, first, event, .. } => {
                let in_auth = auth.iter().any(|(_, template)| template.asks_for(variable));
                path.asks_for(variable) || in_auth || first.iter().any(|event| among(event)) || among(event)
            }
        }
    }

    /// What an answer must say for a notification to count as accepted, where the file says so.
    pub fn accepted(&self) -> Option<&Condition> {
        match self {
            Self::Http { accepted, .. } | Self::Ws { accepted, .. } | Self::SocketIo { accepted, .. } => {
                accepted.as_ref()
            }
        }
    }

    /// What a message on a publisher's own socket says that refuses a notification, where the file says so.
    pub fn refused(&self) -> Option<&Condition> {
        match self {
            Self::Http { .. } => None,
            Self::Ws { refused, .. } | Self::SocketIo { refused, .. } => refused.as_ref(),
        }
    }

    /// True when the server is expected to answer for each notification.
    pub fn is_answered(&self) -> bool {
        match self {
            Self::Http { .. } => true,
            Self::Ws { accepted, .. } => accepted.is_some(),
            Self::SocketIo { ack, .. } => *ack,
        }
    }

    /// Carries what the base URL has every request carry.
    pub(super) fn carry(&mut self, carried: &Carried) {
        match self {
            Self::Http { request, .. } | Self::Ws { request, .. } => request.carry(carried),
            Self::SocketIo { path, .. } => {
                if let Some(query) = &carried.query {
                    path.begin_query(query);
                }
            }
        }
    }

    /// True when it cannot be sent without a token. Fields of head and query are left out instead.
    pub fn needs_token(&self) -> bool {
        let token = |template: &Template| template.asks_for(Variable::Token);
        match self {
            Self::Http { request, body, .. } => token(&request.path) || token(body),
            Self::Ws { request, first, message, .. } => {
                token(&request.path) || first.iter().any(token) || token(message)
            }
            Self::SocketIo { path, first, event, .. } => {
                token(path) || first.iter().flatten().any(token) || event.iter().any(token)
            }
        }
    }
}

/// Reads and checks `[publish]`.
pub(super) fn read(mut table: toml::Table) -> anyhow::Result<Publishing> {
    let via = match table.remove("via") {
        None => "http".to_owned(),
        Some(toml::Value::String(via)) => via,
        Some(other) => bail!("via = {other:?}: expected \"http\", \"ws\" or \"socketio\""),
    };
    let publishing = match via.as_str() {
        "http" => table.try_into().map_err(Into::into).and_then(read_http),
        "ws" => table.try_into().map_err(Into::into).and_then(read_ws),
        "socketio" => table.try_into().map_err(Into::into).and_then(read_socketio),
        other => bail!("via = \"{other}\": expected \"http\", \"ws\" or \"socketio\""),
    };
    publishing.with_context(|| format!("via = \"{via}\""))
}

fn read_http(written: written::HttpPublishing) -> anyhow::Result<Publishing> {
    let written::HttpPublishing { method, path, headers, body, accepted } = written;
    let method = method.unwrap_or_else(|| "POST".to_owned());
    let is_method = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    ensure!(is_method, "method = `{method}`: expected one like POST or PUT");
    let request = read_request(&path, headers, Variable::OF_A_PUBLICATION)?;
    let body = read_notification("body", body)?;
    check_body(&request, &body).context("body")?;
    Ok(Publishing::Http { method, request, body, accepted })
}

fn read_ws(written: written::WsPublishing) -> anyhow::Result<Publishing> {
    let written::WsPublishing { path, headers, subprotocol, first, message, accepted, refused } = written;
    check_subprotocol(subprotocol.as_deref())?;
    ensure!(
        accepted.is_none() || refused.is_some(),
        "accepted stands alone: each notification is then answered by the next message that meets `accepted` or `refused`, so expected \
         `refused` beside it"
    );
    let first = read_messages(&first, Variable::OF_A_PUBLISHER).context("first")?;
    let message = read_notification("message", message)?;
    check_message(&message).context("message")?;
    let request = read_request(&path, headers, Variable::OF_A_PUBLISHER)?;
    Ok(Publishing::Ws { request, subprotocol, first, message, accepted, refused })
}

fn read_socketio(written: written::SocketIoPublishing) -> anyhow::Result<Publishing> {
    let written::SocketIoPublishing { path, namespace, auth, first, event, ack, accepted, refused } = written;
    ensure!(ack || accepted.is_none(), "accepted speaks of acknowledgements: expected ack = true beside it");
    let event = read_events(&[event], Variable::OF_A_NOTIFICATION).context("event")?.remove(0);
    check_payloads("event", event.iter().map(payloads_in).sum())?;
    Ok(Publishing::SocketIo {
        path: read_path(path.as_deref().unwrap_or(SOCKET_IO_PATH), Variable::OF_A_PUBLISHER)?,
        namespace: read_namespace(namespace)?,
        auth: read_fields(auth, Variable::OF_A_PUBLISHER, &[]).context("auth")?,
        first: read_events(&first, Variable::OF_A_PUBLISHER).context("first")?,
        event,
        ack,
        accepted,
        refused,
    })
}

fn read_request(
    path: &str,
    headers: written::Fields,
    in_headers: &[(&'static str, Variable)],
) -> anyhow::Result<Request> {
    Ok(Request {
        path: read_path(path, Variable::OF_A_PUBLISHER)?,
        query: Vec::new(),
        headers: read_headers(headers, in_headers, &[])?,
        authorization: None,
    })
}

/// Text that carries the payload once: by it a notification is recognised.
fn read_notification(key: &'static str, text: Option<String>) -> anyhow::Result<Template> {
    let text = text.unwrap_or_else(|| "{payload}".to_owned());
    let template = Template::parse(&text, Variable::OF_A_NOTIFICATION, &[]).context(key)?;
    check_payloads(key, payloads_in(&template))?;
    Ok(template)
}

fn check_payloads(key: &str, payloads: usize) -> anyhow::Result<()> {
    ensure!(
        payloads == 1,
        "{key} holds the payload {payloads} times: expected {{payload}} or {{text}} in it, once; {QUOTES}"
    );
    Ok(())
}

fn payloads_in(template: &Template) -> usize {
    template.count(Variable::Payload) + template.count(Variable::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Values;

    fn read_text(text: &str) -> anyhow::Result<Publishing> {
        read(toml::from_str(text).unwrap())
    }

    #[test]
    fn an_acceptance_is_described_by_conditions_where_there_is_an_answer() {
        let http = read_text("path = '/p'\naccepted = ['json /error absent', 'json /id present']").unwrap();
        let Publishing::Http { accepted: Some(accepted), .. } = http else { panic!("{http:?}") };
        assert_eq!(accepted.to_string(), "json /error absent and json /id present");
        let event = "via = 'socketio'\nevent = ['say', '{text}']\naccepted = 'json /0/ok = true'\n";
        let Publishing::SocketIo { accepted, .. } = read_text(&format!("{event}ack = true")).unwrap() else { panic!() };
        assert!(accepted.unwrap().holds(br#"[{"ok":true}]"#));
        for (text, why) in [
            (event, "expected ack = true beside it"),
            ("via = 'ws'\npath = '/'\naccepted = 'contains ok'", "expected `refused` beside it"),
            ("path = '/p'\nrefused = 'contains no'", "unknown field `refused`"),
            ("path = '/p'\naccepted = 'no error'", "`no error` is no condition: expected one like"),
            ("path = '/p'\naccepted = true", "expected a condition such as"),
        ] {
            let error = format!("{:#}", read_text(text).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_unique_value_stands_in_the_head_of_a_publication_and_nowhere_else() {
        let http = read_text("path = '/p'\nheaders = { Idempotency-Key = 'k-{unique}' }").unwrap();
        let Publishing::Http { request, .. } = http else { panic!("{http:?}") };
        assert!(request.asks_for(Variable::Unique));
        let head = request.head("POST", "", "here", &Values::of("news", 1, None), "");
        assert!(head.contains(&format!("\r\nIdempotency-Key: k-{}\r\n", Values::UNIQUE)), "{head}");
        let head = request.head(
            "POST",
            "",
            "here",
            &Values { unique: "0123456789abcdefghij", ..Values::of("news", 1, None) },
            "",
        );
        assert!(head.contains("\r\nIdempotency-Key: k-0123456789abcdefghij\r\n"), "{head}");
        for text in [
            "path = '/{unique}'",
            "path = '/p'\nbody = '{payload}{unique}'",
            "via = 'ws'\npath = '/'\nheaders = { K = '{unique}' }",
        ] {
            let error = format!("{:#}", read_text(text).unwrap_err());
            assert!(error.contains("unknown variable `{unique}`"), "{error}");
        }
    }
}
