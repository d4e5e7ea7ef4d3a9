//! The server under check, as steps talk to it: requests through reqwest, every wait bounded.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use feed::{Cursor, TopicName, Transport, publish_path, subscribe_path};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use tokio::time::timeout;

use super::answer::{Answer, is_of_type};
use super::step::{Held, departs};
use crate::target::{Target, TargetFile, Token, Trust, unreached};

/// Longest wait for anything that should come at once: long for a far or busy server, short for who waits for a dead one.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// A server, and names that are only this check's.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) target: Target,
    http: Client,
    run: u32,
    topics: Rc<Cell<u32>>,
}

impl Server {
    /// Finds a server and makes sure that somebody listens there; every request to it will show `token`, if there is one.
    pub(super) async fn reach(url: &str, token: Option<Token>, trust: &Trust) -> anyhow::Result<Self> {
        let target = Target::resolve_as(url, Arc::new(TargetFile::feed()), token, trust)?;
        let (target, _) = target.reach(PATIENCE).await?;
        match timeout(PATIENCE, target.open()).await {
            Ok(connected) => drop(connected.map_err(|error| unreached(&target.shown_url(), &error))?),
            Err(_) => bail!("cannot reach {}: no connection within {PATIENCE:?}", target.shown_url()),
        }
        // What a proxy or a redirection says is not what this server says.
        let http = target.http().redirect(redirect::Policy::none());
        let shown = credentials(&target).map(|value| HeaderMap::from_iter([(AUTHORIZATION, value)]));
        let http = http.default_headers(shown.unwrap_or_default()).build()?;
        Ok(Self { target, http, run: rand::random(), topics: Rc::default() })
    }

    /// A topic that nobody has used.
    pub(super) fn fresh_topic(&self) -> TopicName {
        let number = self.topics.get() + 1;
        self.topics.set(number);
        format!("check-{:08x}-{number}", self.run).parse().expect("letters, digits and hyphens make a topic name")
    }

    /// A request yet to be sent.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.target.join(path))
    }

    /// Gets a path.
    pub(super) async fn get(&self, path: &str) -> Held<Answer> {
        send(self.request(Method::GET, path)).await
    }

    /// Posts a body to a topic, of a type if one is given.
    pub(super) async fn post(&self, topic: &str, content_type: Option<&str>, body: impl Into<Vec<u8>>) -> Held<Answer> {
        let request = self.request(Method::POST, &format!("/topics/{topic}")).body(body.into());
        send(match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        })
        .await
    }

    /// Publishes a JSON value; returns the cursor after it.
    pub(super) async fn publish(&self, topic: &TopicName, json: &str) -> Held<Cursor> {
        self.publish_as(topic, Some("application/json"), json).await
    }

    /// Publishes a body of a type; returns the cursor after it.
    pub(super) async fn publish_as(
        &self,
        topic: &TopicName,
        content_type: Option<&str>,
        body: impl Into<Vec<u8>>,
    ) -> Held<Cursor> {
        published(&self.post(topic.as_str(), content_type, body).await?)
    }
}

/// The field of a request that shows the token (RFC 6750, section 2.1), or user and password of the URL (RFC 7617), if there are any.
pub(super) fn credentials(target: &Target) -> Option<HeaderValue> {
    let bearer = target.secret().map(|token| format!("Bearer {token}"));
    let mut value = HeaderValue::from_str(bearer.as_deref().or(target.authorization())?).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The cursor that the answer to a publication gives.
pub(super) fn published(answer: &Answer) -> Held<Cursor> {
    let expected = r#"201 with {"id":...,"epoch":...}"#;
    if answer.status != 201 {
        return Err(departs(expected, answer.seen()));
    }
    let read = || {
        let object = answer.object()?;
        Ok(Cursor { epoch: object.epoch("epoch")?, offset: object.number("id")? })
    };
    read().map_err(|_: super::step::Objection| {
        departs(expected, format!("{} with the body {}", answer.seen(), super::step::quoted(&answer.body)))
    })
}

/// The path to publish at, with the method before it.
pub(super) fn publishing(topic: &TopicName) -> String {
    format!("POST {}", publish_path(topic))
}

/// The path of a subscription.
pub(super) fn subscription(topic: &TopicName, transport: Transport, query: &[(&str, &str)]) -> String {
    let mut path = subscribe_path(topic, transport);
    for (index, (name, value)) in query.iter().enumerate() {
        path.push(if index == 0 { '?' } else { '&' });
        path.extend([name, "=", value]);
    }
    path
}

/// Waits for what should come at once; `what` is said when it does not.
pub(super) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> Held<T> {
    timeout(PATIENCE, coming).await.map_err(|_| departs(what, format!("nothing within {PATIENCE:?}")))
}

/// Sends a request and waits for the head of its answer.
pub(super) async fn start(request: RequestBuilder) -> Held<(String, Response)> {
    let (client, request) = request.build_split();
    let request = request.map_err(|error| departs("a request that can be sent", error.to_string()))?;
    let asked = match request.url().query() {
        Some(query) => format!("{} {}?{query}", request.method(), request.url().path()),
        None => format!("{} {}", request.method(), request.url().path()),
    };
    let what = format!("an answer to {asked}");
    let response = soon(&what, client.execute(request)).await?.map_err(|error| departs(what, cause(&error)))?;
    Ok((asked, response))
}

/// Sends a request and waits for its whole answer, if that ends.
pub(super) async fn send(request: RequestBuilder) -> Held<Answer> {
    let (request, response) = start(request).await?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let is_stream = is_of_type(&headers, "text/event-stream");
    let body = if is_stream || status == 101 {
        Vec::new()
    } else {
        let what = format!("the whole answer to {request}");
        let body = soon(&what, response.bytes()).await?.map_err(|error| departs(what, cause(&error)))?;
        body.to_vec()
    };
    Answer { request, status, headers, body }.uncoded()
}

/// The innermost cause of an error, which says what happened rather than who noticed.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("an error: {innermost}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_a_path_and_a_query() {
        let topic = "news".parse().unwrap();
        assert_eq!(subscription(&topic, Transport::Sse, &[]), "/topics/news/sse");
        let query = [("after", "k3f9:4"), ("wait", "1")];
        assert_eq!(subscription(&topic, Transport::LongPoll, &query), "/topics/news/long-poll?after=k3f9:4&wait=1");
    }
}
