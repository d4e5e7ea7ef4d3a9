//! Long polling: an answer waits until there is something to say, and not longer than it was asked to.

use std::time::Duration;

use feed::{Cursor, TopicName, Transport};
use reqwest::Method;
use tokio::time::timeout;

use super::message::{Batch, Delivered, Start};
use super::polling::{Poller, ask};
use super::reading::{self, Reader};
use super::report::Report;
use super::server::{Server, send, soon, subscription};
use super::step::{Held, departs, ensure};
use super::wire::Wire;
use crate::clock;

/// Longest time for an answer that waits for nothing.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How long a held answer is watched, to see that it is held.
const HELD: Duration = Duration::from_millis(300);
/// Least time after which an answer that may wait a second has waited it: clocks and rounding may take a little.
const ALMOST_A_SECOND: Duration = Duration::from_millis(900);

/// A subscriber.
#[derive(Debug)]
pub(super) struct LongPoll(Poller);

impl Reader for LongPoll {
    const TRANSPORT: Transport = Transport::LongPoll;

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
    report.enter("long-poll");
    reading::walk::<LongPoll>(server, report).await;
    report.step("wait=0 is answered at once", no_wait(server)).await;
    report.step("an answer is held until something is published, then comes at once", held(server)).await;
    report.step("all who wait are answered", all_are_answered(server)).await;
    report.step("wait=1 ends after a second with an empty batch, its cursor unmoved", expires(server)).await;
    report.step("a loss is told at once, however long the wait", loss_is_told(server)).await;
    report.step("the ETag is the cursor, and no cache may answer in the server's place", headers(server)).await;
    report.step("If-None-Match with the newest cursor gives 304 when the wait is over", not_modified(server)).await;
    report.step("a request that comes behind a held one is answered after it", pipelined(server)).await;
    report.step("the connection carries another request after an answer that was held", keeps_alive(server)).await;
}

async fn no_wait(server: &Server) -> Held {
    let asked = clock::now();
    let (_, batch) = ask(server, &server.fresh_topic(), Transport::LongPoll, None, Some(0)).await?;
    let took = asked.elapsed();
    ensure(took < AT_ONCE, format!("an answer within {AT_ONCE:?}"), format!("one after {took:.1?}"))?;
    ensure(batch.notifications.is_empty(), "an empty batch", format!("{} notifications", batch.notifications.len()))
}

async fn held(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let head = server.publish(&topic, "1").await?;
    let after = head.to_string();
    let path = subscription(&topic, Transport::LongPoll, &[("after", &after), ("wait", "10")]);
    let mut wire = Wire::dial(server).await?;
    let request = format!("GET {path}");
    wire.write(wire.request(&request, "").as_bytes()).await?;
    if let Ok(answer) = timeout(HELD, wire.answer(&request)).await {
        return Err(departs(format!("no answer to {request} before something is published"), answer?.seen()));
    }
    let published = server.publish(&topic, "2").await?;
    let what = format!("an answer to {request} as soon as something is published");
    let answer = soon(&what, wire.answer(&request)).await??.with_status(200)?;
    let batch = Batch::read(&answer.object()?, &topic)?;
    match &batch.notifications[..] {
        [delivered] => delivered.ensure_is(published.offset, "2"),
        others => Err(departs("one notification", others.len().to_string())),
    }
}

async fn all_are_answered(server: &Server) -> Held {
    const WAITING: usize = 5;
    let topic = server.fresh_topic();
    let after = server.publish(&topic, "1").await?.to_string();
    let request = format!("GET {}", subscription(&topic, Transport::LongPoll, &[("after", &after), ("wait", "10")]));
    let mut wires = Vec::new();
    for _ in 0..WAITING {
        let mut wire = Wire::dial(server).await?;
        wire.write(wire.request(&request, "").as_bytes()).await?;
        wires.push(wire);
    }
    let published = server.publish(&topic, "2").await?;
    for (index, wire) in wires.iter_mut().enumerate() {
        let what = format!("an answer to each of {WAITING} held requests as soon as something is published");
        let answer = wire.answer(&request).await.map_err(|_| departs(what, format!("answers to {index} of them")))?;
        let batch = Batch::read(&answer.with_status(200)?.object()?, &topic)?;
        ensure(batch.notifications.len() == 1, "one notification", batch.notifications.len().to_string())?;
        batch.notifications[0].ensure_is(published.offset, "2")?;
    }
    Ok(())
}

async fn expires(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let head = server.publish(&topic, "1").await?;
    let asked = clock::now();
    let (_, batch) = ask(server, &topic, Transport::LongPoll, Some(&head.to_string()), Some(1)).await?;
    let took = asked.elapsed();
    ensure(took >= ALMOST_A_SECOND, "an answer after one second", format!("one after {took:.1?}"))?;
    let seen = format!("{} notifications and the cursor {}", batch.notifications.len(), batch.start.cursor);
    let is = batch.notifications.is_empty() && batch.start.cursor == head;
    ensure(is, format!("0 notifications and the cursor {head}"), seen)
}

async fn loss_is_told(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let (_, batch) = ask(server, &topic, Transport::LongPoll, Some("another:7"), Some(10)).await?;
    ensure(!batch.start.recovered, "recovered false in answer to after=another:7", "recovered true")
}

async fn headers(server: &Server) -> Held {
    let topic = server.fresh_topic();
    server.publish(&topic, "1").await?;
    let (answer, batch) = ask(server, &topic, Transport::LongPoll, Some("earliest"), Some(1)).await?;
    answer.ensure_header("etag", &format!("\"{}\"", batch.start.cursor))?;
    answer.ensure_uncached()
}

async fn not_modified(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let etag = format!("\"{}\"", server.publish(&topic, "1").await?);
    let path = subscription(&topic, Transport::LongPoll, &[("wait", "0")]);
    let answer = send(server.request(Method::GET, &path).header("if-none-match", &etag)).await?.with_status(304)?;
    answer.ensure_header("etag", &etag)
}

async fn pipelined(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let head = server.publish(&topic, "1").await?.to_string();
    let path = |wait| subscription(&topic, Transport::LongPoll, &[("after", &head), ("wait", wait)]);
    let requests = [format!("GET {}", path("10")), format!("GET {}", path("0"))];
    let mut wire = Wire::dial(server).await?;
    let both = requests.each_ref().map(|request| wire.request(request, "")).concat();
    wire.write(both.as_bytes()).await?;
    if let Ok(answer) = timeout(HELD, wire.answer(&requests[0])).await {
        return Err(departs(format!("no answer to {} before something is published", requests[0]), answer?.seen()));
    }
    let published = server.publish(&topic, "2").await?;
    for request in &requests {
        let answer = wire.answer(request).await?.with_status(200)?;
        let cursor = Batch::read(&answer.object()?, &topic)?.start.cursor;
        ensure(cursor == published, format!("the cursor {published} in answer to {request}"), cursor.to_string())?;
    }
    Ok(())
}

async fn keeps_alive(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let after = server.publish(&topic, "1").await?.to_string();
    let request = format!("GET {}", subscription(&topic, Transport::LongPoll, &[("after", &after), ("wait", "10")]));
    let mut wire = Wire::dial(server).await?;
    wire.write(wire.request(&request, "").as_bytes()).await?;
    let published = server.publish(&topic, "2").await?;
    let held = wire.answer(&request).await?.with_status(200)?;
    wire.write(wire.request(&request, "").as_bytes()).await?;
    let another = wire.answer(&request).await?.with_status(200)?;
    for answer in [held, another] {
        let batch = Batch::read(&answer.object()?, &topic)?;
        ensure(batch.start.cursor == published, format!("the cursor {published}"), batch.start.cursor.to_string())?;
    }
    Ok(())
}
