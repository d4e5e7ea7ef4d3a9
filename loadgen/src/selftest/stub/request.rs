//! The requests that the stub understands.

use std::time::Duration;

use feed::{After, Transport};

use crate::selftest::truth::TRUTH_PATH;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asks {
    /// To publish a body to a topic.
    Publish { topic: String, body: Vec<u8> },
    /// To subscribe, or one poll.
    Subscribe(Subscription),
    /// What the stub did.
    Truth,
    /// Something that the stub has not.
    Other,
}

/// What a subscription, or one poll, asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub topic: String,
    pub transport: Transport,
    pub after: After,
    /// How long a poll may be held.
    pub wait: Duration,
    /// `Sec-WebSocket-Key`.
    pub key: String,
}

/// The request at the start of `received`, taken out of it; `None` when it has not come whole.
pub(super) fn take(received: &mut Vec<u8>) -> anyhow::Result<Option<Asks>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(head) = request.parse(received)? else { return Ok(None) };
    let field = |name: &str| {
        let found = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        found.map(|field| String::from_utf8_lossy(field.value).trim().to_owned())
    };
    let length = field("content-length").map_or(Ok(0), |text| text.parse::<usize>())?;
    let Some(body) = received.get(head..head + length) else { return Ok(None) };
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name));
    let topic_and_transport = path.strip_prefix("/topics/").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    let asks = match (request.method, topic_and_transport) {
        (Some("POST"), Some((topic, ""))) => Asks::Publish { topic: topic.to_owned(), body: body.to_vec() },
        (Some("GET"), Some((topic, name))) => Asks::Subscribe(Subscription {
            topic: topic.to_owned(),
            transport: own(name.parse()?)?,
            after: parameter("after=").map_or(Ok(After::Now), str::parse)?,
            wait: Duration::from_secs(parameter("wait=").map_or(Ok(0), str::parse)?),
            key: field("sec-websocket-key").unwrap_or_default(),
        }),
        (Some("GET"), None) if path == TRUTH_PATH => Asks::Truth,
        _ => Asks::Other,
    };
    received.drain(..head + length);
    Ok(Some(asks))
}

fn own(transport: Transport) -> anyhow::Result<Transport> {
    anyhow::ensure!(Transport::OWN.contains(&transport), "{transport} is not spoken by the stub");
    Ok(transport)
}
