//! Short polling: every answer comes at once, and its `ETag` spares the empty ones.

use std::time::Duration;

use feed::{Cursor, TopicName, Transport};
use reqwest::Method;

use super::answer::Answer;
use super::message::{Batch, Delivered, Start};
use super::polling::{Poller, ask};
use super::reading::{self, Reader};
use super::report::Report;
use super::server::{Server, send, subscription};
use super::step::{Held, ensure, quoted};
use super::wire::Wire;
use crate::clock;

/// Longest time for an answer that waits for nothing.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A subscriber.
#[derive(Debug)]
pub(super) struct ShortPoll(Poller);

impl Reader for ShortPoll {
    const TRANSPORT: Transport = Transport::ShortPoll;

    async fn open(server: &Server, topic: &TopicName, after: Option<&str>) -> Held<(Self, Start)> {
        let (poller, start) = Poller::open(server, topic, Self::TRANSPORT, after).await?;
        Ok((Self(poller), start))
    }

    async fn next(&mut self) -> Held<Delivered> {
        self.0.next().await
    }

    fn cursor(&self) -> Cursor {
        self.0.cursor()
    }
}

/// Puts the area's claims to the server.
pub(super) async fn walk(server: &Server, report: &mut Report<'_>) {
    report.enter("short-poll");
    reading::walk::<ShortPoll>(server, report).await;
    report.step("with nothing new, an empty batch comes at once, its cursor unmoved", empty(server)).await;
    report.step("the answer is JSON, its ETag the cursor in quotes", etag(server)).await;
    report.step("no cache may answer in the server's place", uncached(server)).await;
    report.step("If-None-Match with the newest cursor gives 304", not_modified(server)).await;
    report.step("If-None-Match is the cursor where there is no after", cursor_of_etag(server)).await;
    report.step("304 has no body", bodiless(server)).await;
    report.step("If-None-Match with an older cursor gives 200 and what followed", modified(server)).await;
}

async fn empty(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let head = server.publish(&topic, "1").await?;
    let asked = clock::now();
    let (_, batch) = ask(server, &topic, Transport::ShortPoll, Some(&head.to_string()), None).await?;
    let took = asked.elapsed();
    ensure(took < AT_ONCE, format!("an answer within {AT_ONCE:?}"), format!("one after {took:.1?}"))?;
    let seen = format!("{} notifications and the cursor {}", batch.notifications.len(), batch.start.cursor);
    let is = batch.notifications.is_empty() && batch.start.cursor == head;
    ensure(is, format!("0 notifications and the cursor {head}"), seen)
}

async fn etag(server: &Server) -> Held {
    let topic = server.fresh_topic();
    server.publish(&topic, "1").await?;
    let (answer, batch) = ask(server, &topic, Transport::ShortPoll, Some("earliest"), None).await?;
    let is_json = answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    ensure(is_json, "`content-type: application/json`", answer.seen_header("content-type"))?;
    answer.ensure_header("etag", &format!("\"{}\"", batch.start.cursor))
}

async fn uncached(server: &Server) -> Held {
    let (answer, _) = ask(server, &server.fresh_topic(), Transport::ShortPoll, None, None).await?;
    answer.ensure_uncached()
}

async fn not_modified(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let head = server.publish(&topic, "1").await?.to_string();
    let etag = format!("\"{head}\"");
    let path = subscription(&topic, Transport::ShortPoll, &[("after", &head)]);
    let answer = send(server.request(Method::GET, &path).header("if-none-match", &etag)).await?.with_status(304)?;
    answer.ensure_header("etag", &etag)
}

async fn cursor_of_etag(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let older = server.publish(&topic, "1").await?;
    let newer = server.publish(&topic, "2").await?;
    let path = subscription(&topic, Transport::ShortPoll, &[]);
    let get =
        |cursor: Cursor| send(server.request(Method::GET, &path).header("if-none-match", format!("\"{cursor}\"")));
    let answer = get(older).await?.with_status(200)?;
    ensure_only(&answer, &topic, newer)?;
    get(newer).await?.with_status(304).map(drop)
}

async fn bodiless(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let head = server.publish(&topic, "1").await?.to_string();
    let request = format!("GET {}", subscription(&topic, Transport::ShortPoll, &[("after", &head)]));
    let mut wire = Wire::dial(server).await?;
    let fields = format!("If-None-Match: \"{head}\"\r\nConnection: close\r\n");
    wire.write(wire.request(&request, &fields).as_bytes()).await?;
    wire.answer(&request).await?.with_status(304)?;
    let rest = wire.rest().await?;
    ensure(rest.is_empty(), "nothing after the head of a 304", quoted(&rest))
}

async fn modified(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let older = server.publish(&topic, "1").await?.to_string();
    let newer = server.publish(&topic, "2").await?;
    let path = subscription(&topic, Transport::ShortPoll, &[("after", &older)]);
    let request = server.request(Method::GET, &path).header("if-none-match", format!("\"{older}\""));
    let answer = send(request).await?.with_status(200)?;
    ensure_only(&answer, &topic, newer)
}

fn ensure_only(answer: &Answer, topic: &TopicName, cursor: Cursor) -> Held {
    let batch = Batch::read(&answer.object()?, topic)?;
    let ids: Vec<u64> = batch.notifications.iter().map(|delivered| delivered.id).collect();
    ensure(ids == [cursor.offset], format!("the one notification with id {}", cursor.offset), format!("ids {ids:?}"))
}
