//! Bad input: each refusal says in JSON what was expected, and the server goes on.

use feed::Transport;
use reqwest::Method;

use super::answer::Answer;
use super::report::Report;
use super::server::{Server, publishing, send, subscription};
use super::step::{Held, ensure};
use super::wire::Wire;
use super::ws;

/// A body that no server should take: far beyond what a notification is.
const OVERSIZED: usize = 16 << 20;
/// What is written of it at a time, bytes.
const PIECE: usize = 64 << 10;
/// Names that need escaping somewhere, and one that is a byte too long.
const BAD_TOPICS: [&str; 4] = ["a%20b", "%C3%A4", "a%22b", LONG_TOPIC];
const LONG_TOPIC: &str = match std::str::from_utf8(&[b'x'; feed::MAX_TOPIC_LEN + 1]) {
    Ok(name) => name,
    Err(_) => unreachable!(),
};

/// Puts the area's claims to the server.
pub(super) async fn walk(server: &Server, report: &mut Report<'_>) {
    report.enter("bad-input");
    for transport in Transport::OWN {
        report.step(format!("{transport}: a malformed cursor is refused"), malformed_cursor(server, transport)).await;
        report
            .step(format!("{transport}: an unknown parameter is refused"), unknown_parameter(server, transport))
            .await;
        report.step(format!("{transport}: a bad topic name is refused"), bad_topic(server, transport)).await;
    }
    report.step("long-poll: a malformed wait is refused", malformed_wait(server)).await;
    report.step("sse: a malformed Last-Event-ID is refused", malformed_id(server)).await;
    report
        .step("publish: a bad topic name is refused, the longest good one is not", publish_to_bad_topic(server))
        .await;
    report.step("publish: what is no JSON but says so is refused", invalid_json(server)).await;
    report.step("publish: a body of 16 MiB is refused with 413", oversized(server)).await;
    report.step("publish: so is one that does not say its length", oversized_in_chunks(server)).await;
    report.step("an unknown path is answered with 404", unknown_path(server)).await;
    report.step("a wrong method is answered with 405, and Allow names the right one", wrong_method(server)).await;
    report.step("what is no HTTP harms nobody", no_http(server)).await;
    report.step("after all this the server is alive, and publishes", alive(server)).await;
}

/// Subscribes with a query that should be refused; by hand where a refusal answers a handshake.
async fn subscribe(server: &Server, topic: &str, transport: Transport, query: &str) -> Held<Answer> {
    let path = format!("/topics/{topic}/{transport}{query}");
    match transport {
        Transport::Ws => ws::shake_hands(server, &path, &ws::thirteen()).await.map(|(_, answer)| answer),
        _ => server.get(&path).await,
    }
}

async fn malformed_cursor(server: &Server, transport: Transport) -> Held {
    let topic = server.fresh_topic();
    for cursor in ["", "k3f9", "K3F9:1", "k3f9:", "k3f9:-1", "k3f9:1x", "k3f9:99999999999999999999", "latest"] {
        subscribe(server, topic.as_str(), transport, &format!("?after={cursor}")).await?.ensure_refusal(400)?;
    }
    Ok(())
}

async fn unknown_parameter(server: &Server, transport: Transport) -> Held {
    let topic = server.fresh_topic();
    subscribe(server, topic.as_str(), transport, "?since=k3f9:1").await?.ensure_refusal(400)?;
    subscribe(server, topic.as_str(), transport, "?after=earliest&colour=blue").await?.ensure_refusal(400)
}

async fn bad_topic(server: &Server, transport: Transport) -> Held {
    for topic in BAD_TOPICS {
        subscribe(server, topic, transport, "").await?.ensure_refusal(400)?;
    }
    Ok(())
}

async fn malformed_wait(server: &Server) -> Held {
    let topic = server.fresh_topic();
    for wait in ["soon", "-1", "", "NaN"] {
        subscribe(server, topic.as_str(), Transport::LongPoll, &format!("?wait={wait}")).await?.ensure_refusal(400)?;
    }
    Ok(())
}

async fn malformed_id(server: &Server) -> Held {
    let path = subscription(&server.fresh_topic(), Transport::Sse, &[]);
    send(server.request(Method::GET, &path).header("last-event-id", "42")).await?.ensure_refusal(400)
}

async fn publish_to_bad_topic(server: &Server) -> Held {
    for topic in BAD_TOPICS {
        server.post(topic, None, "1").await?.ensure_refusal(400)?;
    }
    let longest = format!("{:x<1$}", server.fresh_topic().as_str(), feed::MAX_TOPIC_LEN);
    server.post(&longest, None, "1").await?.with_status(201).map(drop)
}

async fn invalid_json(server: &Server) -> Held {
    let topic = server.fresh_topic();
    for body in [&b""[..], b"{", b"{} {}", b"{'a':1}", b"[1,]", b"\"\xff\"", b"NaN"] {
        server.post(topic.as_str(), Some("application/json"), body).await?.ensure_refusal(400)?;
    }
    let first = server.publish(&topic, "1").await?.offset;
    ensure(first == 1, "id 1 for the first publication that is not refused", format!("id {first}"))
}

async fn oversized(server: &Server) -> Held {
    let request = publishing(&server.fresh_topic());
    let mut wire = Wire::dial(server).await?;
    let fields = format!("Content-Type: application/json\r\nContent-Length: {OVERSIZED}\r\n");
    wire.write(wire.request(&request, &fields).as_bytes()).await?;
    wire.pour(&[b'1'; PIECE], OVERSIZED / PIECE).await?;
    wire.answer(&request).await?.ensure_refusal(413)
}

async fn oversized_in_chunks(server: &Server) -> Held {
    let request = publishing(&server.fresh_topic());
    let mut wire = Wire::dial(server).await?;
    let fields = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    wire.write(wire.request(&request, fields).as_bytes()).await?;
    let chunk = [format!("{PIECE:x}\r\n").as_bytes(), &[b'1'; PIECE], b"\r\n"].concat();
    wire.pour(&chunk, OVERSIZED / PIECE).await?;
    wire.answer(&request).await?.ensure_refusal(413)
}

async fn unknown_path(server: &Server) -> Held {
    let topic = server.fresh_topic();
    for path in [format!("/topics/{topic}/carrier-pigeon"), "/no-such-path".to_owned()] {
        server.get(&path).await?.ensure_refusal(404)?;
    }
    Ok(())
}

async fn wrong_method(server: &Server) -> Held {
    let topic = server.fresh_topic();
    let mut cases = vec![(Method::DELETE, format!("/topics/{topic}"), "POST")];
    for transport in Transport::OWN {
        cases.push((Method::POST, subscription(&topic, transport, &[]), "GET"));
    }
    for (method, path, right) in cases {
        let answer = send(server.request(method, &path)).await?;
        answer.ensure_refusal(405)?;
        let allow = answer.header("allow").unwrap_or_default();
        let names_it = allow.split(',').any(|method| method.trim() == right);
        ensure(names_it, format!("an `allow` with {right}"), answer.seen_header("allow"))?;
    }
    Ok(())
}

/// The answer to what is no HTTP is the library's, not the feed's: 400 without a body, or none at all, will do.
async fn no_http(server: &Server) -> Held {
    let mut wire = Wire::dial(server).await?;
    wire.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 is no HTTP\r\n\r\n").await?;
    match wire.answer("what is no HTTP").await {
        Ok(answer) => ensure((400..500).contains(&answer.status), "400, or the end of the connection", answer.seen()),
        Err(_) => Ok(()),
    }
}

async fn alive(server: &Server) -> Held {
    server.get("/healthz").await?.with_status(200)?;
    server.publish(&server.fresh_topic(), "1").await.map(drop)
}
