//! Publishing: numbers are contiguous, and a payload stays what it was.

use feed::TopicName;

use super::message::Delivered;
use super::reading::Reader;
use super::report::Report;
use super::server::{Server, published, publishing};
use super::short_poll::ShortPoll;
use super::step::{Held, departs, ensure, quoted};
use super::wire::Wire;

/// Puts the area's claims to the server.
pub(super) async fn walk(server: &Server, report: &mut Report<'_>) {
    report.enter("publish");
    report.foundation("POST /topics/{topic} answers 201 with id and epoch", accepted(server)).await;
    report.basis("a poll brings it, with type, topic, id, timestamp and payload", readable(server)).await;
    report.step("the ids of a topic are contiguous from 1, in one epoch", contiguous(server)).await;
    report.step("pipelined publications are numbered and answered in their order", pipelined(server)).await;
    report.step("JSON is carried as it was written: digits, escapes, order, duplicates", verbatim(server)).await;
    report.step("every kind of JSON value is a payload", values(server)).await;
    report.step("what says nothing of its type is JSON, and so is the form that curl claims", untyped(server)).await;
    report.step("text of a type is carried as a string, with its content_type", text(server)).await;
    report.step("bytes of a type are carried as base64, with their content_type", bytes(server)).await;
}

async fn accepted(server: &Server) -> Held {
    server.publish(&server.fresh_topic(), r#"{"text":"hello"}"#).await.map(drop)
}

async fn readable(server: &Server) -> Held {
    let payload = r#"{"text":"hello"}"#;
    let topic = server.fresh_topic();
    let cursor = server.publish(&topic, payload).await?;
    first(server, &topic).await?.ensure_is(cursor.offset, payload)
}

async fn contiguous(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let first = server.publish(&topic, "0").await?;
    ensure(first.offset == 1, "id 1 for the first of a topic", format!("id {}", first.offset))?;
    for id in 2..=5 {
        let cursor = server.publish(&topic, "0").await?;
        let is = cursor.offset == id && cursor.epoch == first.epoch;
        ensure(is, format!("id {id}, epoch {}", first.epoch), format!("id {}, epoch {}", cursor.offset, cursor.epoch))?;
    }
    Ok(())
}

async fn pipelined(server: &Server) -> Held {
    const COUNT: u64 = 10;
    let topic = server.fresh_topic();
    let mut wire = Wire::dial(server).await?;
    let mut requests = Vec::new();
    for number in 1..=COUNT {
        let body = format!(r#"{{"number":{number}}}"#);
        let fields = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        requests.extend_from_slice(wire.request(&publishing(&topic), &fields).as_bytes());
        requests.extend_from_slice(body.as_bytes());
    }
    wire.write(&requests).await?;
    for id in 1..=COUNT {
        let cursor = published(&wire.answer(&publishing(&topic)).await?)?;
        ensure(cursor.offset == id, format!("id {id} in the answer in place {id}"), format!("id {}", cursor.offset))?;
    }
    let (mut reader, _) = ShortPoll::open(server, &topic, Some("earliest")).await?;
    for id in 1..=COUNT {
        reader.next().await?.ensure_is(id, &format!(r#"{{"number":{id}}}"#))?;
    }
    Ok(())
}

/// Reads back, by the simplest transport, what was published first.
async fn first(server: &Server, topic: &TopicName) -> Held<Delivered> {
    let (mut reader, _) = ShortPoll::open(server, topic, Some("earliest")).await?;
    reader.next().await
}

async fn verbatim(server: &Server) -> Held {
    let payload = concat!(
        r#"{"z":1.10,"a":12345678901234567890123,"e":1E+2,"minus":-0.0,"escaped":"\u00e4\/\ud83c\udf88","plain":"ä/🎈","#,
        r#""nested":[{"deep":[[],{}]},null,true],"twice":1,"twice":2}"#
    );
    let topic = server.fresh_topic();
    let cursor = server.publish(&topic, payload).await?;
    first(server, &topic).await?.ensure_is(cursor.offset, payload)
}

async fn values(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let payloads = ["null", "false", "0", r#""""#, "[]", "{}"];
    for payload in payloads {
        server.publish(&topic, payload).await?;
    }
    let (mut reader, _) = ShortPoll::open(server, &topic, Some("earliest")).await?;
    for (id, payload) in (1..).zip(payloads) {
        reader.next().await?.ensure_is(id, payload)?;
    }
    Ok(())
}

async fn untyped(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let form = "application/x-www-form-urlencoded";
    let content_types = [None, Some("application/json; charset=utf-8"), Some(form)];
    for content_type in content_types {
        server.publish_as(&topic, content_type, "[1,2]").await?;
    }
    let (mut reader, _) = ShortPoll::open(server, &topic, Some("earliest")).await?;
    for id in 1..=3 {
        let delivered = reader.next().await?;
        delivered.ensure_is(id, "[1,2]")?;
        let seen = delivered.content_type.unwrap_or_default();
        ensure(seen.is_empty(), "no content_type in a notification whose payload is JSON", quoted(seen.as_bytes()))?;
    }
    Ok(())
}

async fn text(server: &Server) -> Held {
    let said = "grüß \"Gott\"\n\\ \u{1f388}";
    let delivered = typed(server, "text/plain; charset=utf-8", said.as_bytes()).await?;
    ensure_string(&delivered, said)
}

async fn bytes(server: &Server) -> Held {
    let delivered = typed(server, "application/octet-stream", &[0, 255, 10, 13, 34]).await?;
    ensure_string(&delivered, "AP8KDSI=")
}

async fn typed(server: &Server, content_type: &str, body: &[u8]) -> Held<Delivered> {
    let topic = server.fresh_topic();
    server.publish_as(&topic, Some(content_type), body).await?;
    let delivered = first(server, &topic).await?;
    let seen = delivered.content_type.as_deref();
    let is = seen == Some(content_type);
    ensure(is, format!("content_type `{content_type}` in the notification"), seen.unwrap_or("none"))?;
    Ok(delivered)
}

fn ensure_string(delivered: &Delivered, expected: &str) -> Held {
    match serde_json::from_str::<String>(&delivered.payload) {
        Ok(payload) if payload == expected => Ok(()),
        _ => Err(departs(
            format!("the JSON string {} as payload", quoted(expected.as_bytes())),
            quoted(delivered.payload.as_bytes()),
        )),
    }
}
