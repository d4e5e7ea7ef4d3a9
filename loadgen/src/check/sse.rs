//! Server-Sent Events: one answer that never ends, and that a browser can come back to.

use std::time::Duration;

use feed::{Cursor, TopicName, Transport};
use reqwest::{Method, Response};

use super::answer::{self, ensure_uncoded, is_of_type};
use super::events::{Event, Lines};
use super::message::{Delivered, Message, Start};
use super::reading::{self, Reader, Stream};
use super::report::Report;
use super::server::{PATIENCE, Server, cause, soon, start, subscription};
use super::step::{Held, departs, ensure, quoted};
use crate::clock;

/// Longest time until the first event of an idle topic.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Answers without a message that may follow one another.
const MOST_ENDS: u32 = 10;
/// Largest event that a step has use for, bytes.
const LARGEST: usize = 1 << 20;

/// A subscriber.
#[derive(Debug)]
pub(super) struct Sse {
    server: Server,
    topic: TopicName,
    /// What the stream asked for in the beginning, which is repeated with each request.
    after: Option<String>,
    /// How long to wait before coming back.
    retry: Option<Duration>,
    /// Answers that have ended in an orderly way since the last message.
    ends: u32,
    response: Response,
    lines: Lines,
    cursor: Option<Cursor>,
}

impl Reader for Sse {
    const TRANSPORT: Transport = Transport::Sse;

    async fn open(server: &Server, topic: &TopicName, after: Option<&str>) -> Held<(Self, Start)> {
        Self::open_with(server, topic, after, None).await
    }

    async fn next(&mut self) -> Held<Delivered> {
        reading::notification(self).await
    }

    fn cursor(&self) -> Cursor {
        self.cursor.expect("every stream begins with an event that has a cursor as its id")
    }
}

impl Stream for Sse {
    async fn message(&mut self) -> Held<Message> {
        loop {
            let event = self.event().await?;
            let Some(data) = event.data.as_deref() else { continue };
            let message = match Message::read(data.as_bytes(), &self.topic)? {
                // A stream that goes on begins anew.
                Some(Message::Subscribed { cursor, recovered: true }) if self.cursor == Some(cursor) => continue,
                Some(message) => message,
                None if self.cursor.is_some() => continue,
                None => return Err(departs(reading::awaited(false), quoted(data.as_bytes()))),
            };
            let (name, id) = match &message {
                Message::Subscribed { cursor, .. } => (Some("subscribed"), Some(*cursor)),
                Message::Gap(_) => (Some("gap"), None),
                Message::Notification(delivered) => {
                    (None, self.cursor.map(|cursor| Cursor { offset: delivered.id, ..cursor }))
                }
            };
            // A handler is found by the name; without one, or as `message`, events reach `onmessage`.
            let named = event.name.as_deref().filter(|name| *name != "message");
            let what = message.name();
            let expected = name.map_or_else(|| "no `event:`".to_owned(), |name| format!("`event:{name}`"));
            ensure(named == name, format!("{expected} for {what}"), seen("event", event.name.as_deref()))?;
            if let Some(cursor) = id {
                let is = event.id.as_deref() == Some(&*cursor.to_string());
                ensure(is, format!("`id:{cursor}` for {what}"), seen("id", event.id.as_deref()))?;
                self.cursor = Some(cursor);
            }
            self.ends = 0;
            return Ok(message);
        }
    }
}

fn seen(field: &str, value: Option<&str>) -> String {
    value.map_or_else(|| format!("no `{field}:`"), |value| format!("`{field}:{value}`"))
}

impl Sse {
    async fn open_with(
        server: &Server,
        topic: &TopicName,
        after: Option<&str>,
        last_event_id: Option<&str>,
    ) -> Held<(Self, Start)> {
        let mut this = Self::connect(server, topic, after, last_event_id).await?;
        let start = reading::begin(&mut this).await?;
        Ok((this, start))
    }

    async fn connect(
        server: &Server,
        topic: &TopicName,
        after: Option<&str>,
        last_event_id: Option<&str>,
    ) -> Held<Self> {
        let query: Vec<(&str, &str)> = after.map(|after| ("after", after)).into_iter().collect();
        let mut request = server.request(Method::GET, &subscription(topic, Transport::Sse, &query));
        request = request.header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let (asked, mut response) = start(request).await?;
        let status = response.status().as_u16();
        if status != 200 {
            // The beginning is enough; one that does not come is none.
            let body = tokio::time::timeout(PATIENCE, response.chunk()).await.ok().and_then(Result::ok).flatten();
            return Err(departs("200", answer::seen(&asked, status, response.headers(), &body.unwrap_or_default())));
        }
        ensure_uncoded(&asked, response.headers())?;
        let (server, after) = (server.clone(), after.map(str::to_owned));
        let lines = Lines::default();
        Ok(Self { server, topic: topic.clone(), after, retry: None, ends: 0, response, lines, cursor: None })
    }

    /// Asks again when an answer has ended in an orderly way, as an `EventSource` does (WHATWG HTML, section 9.2.3).
    async fn come_back(&mut self) -> Held {
        let what = reading::awaited(self.cursor.is_some());
        self.ends += 1;
        ensure(self.ends <= MOST_ENDS, what, format!("{} answers that ended without a message", self.ends))?;
        let retry = self.retry.unwrap_or(AT_ONCE);
        ensure(retry <= PATIENCE, what, format!("the end of the stream, to come back after {retry:?}"))?;
        tokio::time::sleep(retry).await;
        let last = self.cursor.map(|cursor| cursor.to_string());
        let next = Self::connect(&self.server, &self.topic, self.after.as_deref(), last.as_deref()).await?;
        (self.response, self.lines) = (next.response, Lines::default());
        Ok(())
    }

    fn header(&self, name: &str) -> String {
        let value = self.response.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_ascii_lowercase()
    }

    /// Waits for the next event; comments go by.
    async fn event(&mut self) -> Held<Event> {
        let what = reading::awaited(self.cursor.is_some());
        loop {
            while let Some(block) = self.lines.block() {
                if let Some(event) = Event::read(&block)? {
                    self.retry = event.retry.map(Duration::from_millis).or(self.retry);
                    return Ok(event);
                }
            }
            ensure(self.lines.text.len() <= LARGEST, "an empty line at the end of each event", "none in a mebibyte")?;
            let chunk = soon(what, self.response.chunk()).await?;
            match chunk.map_err(|error| departs(what, cause(&error)))? {
                Some(chunk) => self.lines.push(&chunk),
                None => self.come_back().await?,
            }
        }
    }
}

/// Puts the area's claims to the server.
pub(super) async fn walk(server: &Server, report: &mut Report<'_>) {
    report.enter("sse");
    reading::walk::<Sse>(server, report).await;
    report.step("the content type is text/event-stream", content_type(server)).await;
    report.step("no cache and no proxy may hold it back", unbuffered(server)).await;
    report.step("the first event comes at once, with nothing published", at_once(server)).await;
    report.step("the first event tells how long to wait before coming back", retry(server)).await;
    report.step("Last-Event-ID continues with exactly what followed", last_event_id(server)).await;
    report.step("Last-Event-ID goes before after, which a browser repeats", last_event_id_first(server)).await;
}

async fn content_type(server: &Server) -> Held {
    let stream = Sse::connect(server, &server.fresh_topic(), None, None).await?;
    let found = stream.header("content-type");
    let is = is_of_type(stream.response.headers(), "text/event-stream");
    ensure(is, "`content-type: text/event-stream`", quoted(found.as_bytes()))
}

async fn unbuffered(server: &Server) -> Held {
    let stream = Sse::connect(server, &server.fresh_topic(), None, None).await?;
    let cache = stream.header("cache-control");
    let is = cache.contains("no-cache") || cache.contains("no-store");
    ensure(is, "a `cache-control` with no-cache or no-store", quoted(cache.as_bytes()))?;
    let buffering = stream.header("x-accel-buffering");
    ensure(
        buffering == "no",
        "`x-accel-buffering: no`, for nginx buffers a stream otherwise",
        quoted(buffering.as_bytes()),
    )
}

async fn at_once(server: &Server) -> Held {
    let asked = clock::now();
    Sse::open(server, &server.fresh_topic(), None).await?;
    let took = asked.elapsed();
    ensure(took < AT_ONCE, format!("the first event within {AT_ONCE:?}"), format!("it after {took:.1?}"))
}

async fn retry(server: &Server) -> Held {
    let event = Sse::connect(server, &server.fresh_topic(), None, None).await?.event().await?;
    ensure(event.retry.is_some(), "`retry:` and milliseconds in the first event", "none")
}

async fn last_event_id(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let first = server.publish(&topic, "1").await?;
    let second = server.publish(&topic, "2").await?;
    let (mut stream, start) = Sse::open_with(server, &topic, None, Some(&first.to_string())).await?;
    let seen = format!("recovered {} at {}", start.recovered, start.cursor);
    ensure(start.recovered && start.cursor == first, format!("recovered true at {first}"), seen)?;
    stream.next().await?.ensure_is(second.offset, "2")
}

async fn last_event_id_first(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let first = server.publish(&topic, "1").await?;
    let second = server.publish(&topic, "2").await?;
    let third = server.publish(&topic, "3").await?;
    let (after, id) = (first.to_string(), second.to_string());
    let (mut stream, _) = Sse::open_with(server, &topic, Some(&after), Some(&id)).await?;
    stream.next().await?.ensure_is(third.offset, "3")
}
