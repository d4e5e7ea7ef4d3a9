//! What holds for every transport alike, put to each of them through the smallest client that can tell.

use feed::{Cursor, TopicName, Transport};

use super::message::{Delivered, Message, Start};
use super::report::Report;
use super::server::Server;
use super::step::{Held, departs, ensure};

/// A subscriber of one transport.
pub(super) trait Reader: Sized {
    /// Which one.
    const TRANSPORT: Transport;

    /// Subscribes, and waits for the first answer.
    async fn open(server: &Server, topic: &TopicName, after: Option<&str>) -> Held<(Self, Start)>;

    /// Waits for the next notification.
    async fn next(&mut self) -> Held<Delivered>;

    /// The cursor to come back with.
    fn cursor(&self) -> Cursor;
}

/// A transport that brings messages one by one.
pub(super) trait Stream {
    /// Waits for the next message.
    async fn message(&mut self) -> Held<Message>;
}

/// Reads what a stream begins with.
pub(super) async fn begin(stream: &mut impl Stream) -> Held<Start> {
    match stream.message().await? {
        Message::Subscribed { cursor, recovered: true } => Ok(Start { cursor, recovered: true, gap: None }),
        Message::Subscribed { cursor, recovered: false } => match stream.message().await? {
            Message::Gap(oldest) => Ok(Start { cursor, recovered: false, gap: Some(oldest) }),
            other => Err(departs("a message of type gap after `recovered` was false", other.name())),
        },
        other => Err(departs("a message of type subscribed before anything else", other.name())),
    }
}

/// What a stream waits for when its first message has or has not come.
pub(super) fn awaited(has_begun: bool) -> &'static str {
    if has_begun { "another message" } else { "a first message, of type subscribed" }
}

/// Goes on to the next notification of a stream.
pub(super) async fn notification(stream: &mut impl Stream) -> Held<Delivered> {
    match stream.message().await? {
        Message::Notification(delivered) => Ok(delivered),
        other => Err(departs("a notification", other.name())),
    }
}

/// The steps that every transport takes.
pub(super) async fn walk<R: Reader>(server: &Server, report: &mut Report<'_>) {
    report.basis("the first answer hands out the cursor, before any notification", first_answer::<R>(server)).await;
    report.basis("what is published arrives, in order", in_order::<R>(server)).await;
    report.step("a payload arrives as it was published, line breaks and all", verbatim::<R>(server)).await;
    report.step("a subscriber hears its own topic and no other", own_topic::<R>(server)).await;
    report.step("after=<cursor> continues with exactly what followed", resumes::<R>(server)).await;
    report.step("after=earliest starts with the oldest that is retained", earliest::<R>(server)).await;
    report.step("a long history comes whole and in order", long_history::<R>(server)).await;
    report.step("who comes back with its last cursor misses nothing and gets nothing twice", once::<R>(server)).await;
    report
        .step("a cursor is continued from while all that follows is retained, else told so", falls_out::<R>(server))
        .await;
    report.step("a cursor of another epoch is told that something is lost", foreign::<R>(server)).await;
    report.step("a cursor ahead of the newest notification is told so too", ahead::<R>(server)).await;
    report.step("the oldest cursor that a gap tells can be continued from", continues::<R>(server)).await;
}

async fn publish(server: &Server, topic: &TopicName, payloads: &[&str]) -> Held<Vec<Cursor>> {
    let mut cursors = Vec::with_capacity(payloads.len());
    for payload in payloads {
        cursors.push(server.publish(topic, payload).await?);
    }
    Ok(cursors)
}

async fn expect<R: Reader>(reader: &mut R, cursors: &[Cursor], payloads: &[&str]) -> Held {
    for (cursor, payload) in cursors.iter().zip(payloads) {
        reader.next().await?.ensure_is(cursor.offset, payload)?;
    }
    Ok(())
}

/// What comes next must be what is published now: whatever else were still to come would come before it.
async fn expect_nothing_else<R: Reader>(server: &Server, topic: &TopicName, reader: &mut R) -> Held {
    let payload = r#""the last""#;
    let cursor = server.publish(topic, payload).await?;
    reader.next().await?.ensure_is(cursor.offset, payload)
}

async fn first_answer<R: Reader>(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let (_, start) = R::open(server, &topic, None).await?;
    let seen = format!("offset {}, recovered {}", start.cursor.offset, start.recovered);
    ensure(start.recovered && start.cursor.offset == 0, "offset 0, recovered true, of a topic without history", seen)?;
    let head = server.publish(&topic, "1").await?;
    let (_, start) = R::open(server, &topic, None).await?;
    ensure(start.cursor == head, format!("the cursor {head} of the newest notification"), start.cursor.to_string())
}

async fn in_order<R: Reader>(server: &Server) -> Held {
    let topic = server.fresh_topic();
    publish(server, &topic, &[r#""before""#]).await?;
    let (mut reader, _) = R::open(server, &topic, None).await?;
    let payloads: Vec<String> = (0..10).map(|number| format!(r#"{{"number":{number}}}"#)).collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    let cursors = publish(server, &topic, &payloads).await?;
    expect(&mut reader, &cursors, &payloads).await
}

async fn verbatim<R: Reader>(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let (mut reader, _) = R::open(server, &topic, None).await?;
    let payloads =
        ["{\n  \"text\": \"gr\u{fc}\u{df} Gott \\n \u{1f388}\",\n  \"n\": 1.10\n}", "\"data: id: \\u0000\"", "null"];
    let cursors = publish(server, &topic, &payloads).await?;
    expect(&mut reader, &cursors, &payloads).await
}

async fn own_topic<R: Reader>(server: &Server) -> Held {
    let (topic, other) = (server.fresh_topic(), server.fresh_topic());
    let (mut reader, _) = R::open(server, &topic, None).await?;
    publish(server, &other, &[r#""for somebody else""#]).await?;
    expect_nothing_else(server, &topic, &mut reader).await
}

async fn resumes<R: Reader>(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let payloads = ["1", "2", "3", "4"];
    let cursors = publish(server, &topic, &payloads).await?;
    let (mut reader, start) = R::open(server, &topic, Some(&cursors[1].to_string())).await?;
    ensure(start.recovered, "recovered true", "recovered false")?;
    expect(&mut reader, &cursors[2..], &payloads[2..]).await?;
    expect_nothing_else(server, &topic, &mut reader).await
}

async fn earliest<R: Reader>(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let (_, start) = R::open(server, &topic, Some("earliest")).await?;
    let seen = format!("offset {}, recovered {}", start.cursor.offset, start.recovered);
    ensure(start.recovered && start.cursor.offset == 0, "offset 0, recovered true, of a topic without history", seen)?;
    let payloads = ["1", "2", "3"];
    let cursors = publish(server, &topic, &payloads).await?;
    let (mut reader, start) = R::open(server, &topic, Some("earliest")).await?;
    ensure(start.recovered, "recovered true: who asks for the oldest loses nothing", "recovered false")?;
    expect(&mut reader, &cursors, &payloads).await?;
    expect_nothing_else(server, &topic, &mut reader).await
}

/// More than fits into one answer to a poll, or into the buffers of one connection; how much of it is retained is the
/// server's affair.
async fn long_history<R: Reader>(server: &Server) -> Held {
    const NOTIFICATIONS: usize = 100;
    const BYTES: usize = 16 << 10;
    let topic = server.fresh_topic();
    let payload = format!("\"{}\"", "x".repeat(BYTES));
    let payloads = [payload.as_str(); NOTIFICATIONS];
    let cursors = publish(server, &topic, &payloads).await?;
    let (mut reader, _) = R::open(server, &topic, Some("earliest")).await?;
    let oldest = reader.next().await?;
    let follow = cursors.iter().position(|cursor| cursor.offset == oldest.id).map(|index| &cursors[index + 1..]);
    let seen = format!("id {}", oldest.id);
    let follow = follow.ok_or_else(|| departs(format!("an id from 1 to {NOTIFICATIONS}"), seen))?;
    expect(&mut reader, follow, &payloads).await?;
    expect_nothing_else(server, &topic, &mut reader).await
}

async fn falls_out<R: Reader>(server: &Server) -> Held {
    const NOTIFICATIONS: usize = 100;
    let topic = server.fresh_topic();
    let cursors = publish(server, &topic, &["0"; NOTIFICATIONS]).await?;
    let (mut reader, _) = R::open(server, &topic, Some("earliest")).await?;
    let oldest = reader.next().await?.id;
    let after = cursors[0];
    if oldest <= after.offset + 1 {
        let (mut reader, start) = R::open(server, &topic, Some(&after.to_string())).await?;
        ensure(start.recovered, format!("recovered true in answer to after={after}"), "recovered false")?;
        return reader.next().await?.ensure_is(after.offset + 1, "0");
    }
    let (mut reader, told) = lost::<R>(server, &topic, &after.to_string()).await?;
    let is = told.offset + 1 == oldest;
    ensure(is, format!("the oldest cursor {}:{}, before the oldest id", told.epoch, oldest - 1), told.to_string())?;
    reader.next().await?.ensure_is(oldest, "0")
}

async fn once<R: Reader>(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let (mut reader, _) = R::open(server, &topic, None).await?;
    let payloads = ["1", "2", "3"];
    let cursors = publish(server, &topic, &payloads).await?;
    expect(&mut reader, &cursors, &payloads).await?;
    let last = reader.cursor().to_string();
    drop(reader);
    let payloads = ["4", "5"];
    let cursors = publish(server, &topic, &payloads).await?;
    let (mut reader, start) = R::open(server, &topic, Some(&last)).await?;
    ensure(start.recovered, "recovered true", "recovered false")?;
    expect(&mut reader, &cursors, &payloads).await?;
    expect_nothing_else(server, &topic, &mut reader).await
}

/// Subscribes with a cursor that cannot be continued from, and makes sure that the loss is told as it is.
async fn lost<R: Reader>(server: &Server, topic: &TopicName, after: &str) -> Held<(R, Cursor)> {
    let (reader, start) = R::open(server, topic, Some(after)).await?;
    ensure(!start.recovered, format!("recovered false in answer to after={after}"), "recovered true")?;
    let oldest = start.gap.ok_or_else(|| departs("a gap with the oldest cursor", "none"))?;
    let epoch = start.cursor.epoch;
    ensure(oldest.epoch == epoch, format!("the oldest cursor in the current epoch {epoch}"), oldest.to_string())?;
    Ok((reader, oldest))
}

fn another(epoch: feed::Epoch) -> &'static str {
    if epoch.as_str() == "another" { "foreign" } else { "another" }
}

async fn foreign<R: Reader>(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let payloads = ["1", "2", "3"];
    let cursors = publish(server, &topic, &payloads).await?;
    let (mut reader, oldest) = lost::<R>(server, &topic, &format!("{}:2", another(cursors[0].epoch))).await?;
    ensure(
        oldest.offset == 0,
        "the oldest cursor with offset 0, as all three notifications are retained",
        oldest.to_string(),
    )?;
    expect(&mut reader, &cursors, &payloads).await?;
    expect_nothing_else(server, &topic, &mut reader).await
}

async fn ahead<R: Reader>(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let payloads = ["1", "2", "3"];
    let cursors = publish(server, &topic, &payloads).await?;
    let ahead = Cursor { offset: cursors[2].offset + 1000, ..cursors[2] };
    let (mut reader, _) = lost::<R>(server, &topic, &ahead.to_string()).await?;
    expect(&mut reader, &cursors, &payloads).await
}

async fn continues<R: Reader>(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let payloads = ["1", "2", "3"];
    let cursors = publish(server, &topic, &payloads).await?;
    let (_, oldest) = lost::<R>(server, &topic, &format!("{}:9", another(cursors[0].epoch))).await?;
    let (mut reader, start) = R::open(server, &topic, Some(&oldest.to_string())).await?;
    ensure(start.recovered, format!("recovered true in answer to after={oldest}"), "recovered false")?;
    expect(&mut reader, &cursors, &payloads).await
}
