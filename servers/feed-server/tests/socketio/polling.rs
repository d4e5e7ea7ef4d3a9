//! HTTP long-polling (Engine.IO protocol: sending and receiving data, packet encoding).

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::case::{Case, keeps, run};
use crate::client::{POLLING, Polls};
use crate::lab::{PATIENCE, Server, now};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        keeps("polling: a post is answered with 200 and `ok`, and its packet is taken", run!(one)),
        keeps("polling: several packets in a post, separated by \\x1e, are taken in their order", run!(several_in)),
        keeps("polling: several packets in an answer are separated by \\x1e", run!(several_out)),
        keeps("polling: a poll waits until there is a packet", run!(waits)),
        keeps("polling: text is UTF-8, whole", run!(text)),
        keeps("polling: binary is base64 after `b`, beside text", run!(binary)),
        keeps("polling: a post that is no packet is answered with 400 and closes the session", run!(no_packet)),
        keeps(
            "polling: a packet that a client may not send is answered with 400 and closes the session",
            run!(wrong_packet),
        ),
        keeps("polling: a second poll at a time is answered with 400 and closes the session", run!(two_polls)),
        keeps("polling: a second post at a time is answered with 400 and closes the session", run!(two_posts)),
        keeps("polling: a poll that is cancelled closes the session", run!(cancelled)),
        keeps("polling: a post of more than maxPayload is answered with 413 and closes the session", run!(too_large)),
        keeps("polling: a close packet ends the poll with a noop, and the session", run!(close)),
        keeps("polling: what was posted before a close is taken", run!(last_words)),
    ]
}

async fn one() {
    let server = Server::start(&[]);
    let mut polls = Polls::open(&server).await;
    assert_eq!(polls.send("40").await, (200, "ok".to_owned()));
    polls.next_json("40").await;
}

async fn several_in() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    let publish = |id: u64| format!(r#"42{id}["publish",{{"topic":"news","payload":{id}}}]"#);
    polls.post([publish(0), publish(1), publish(2)].join("\u{1e}")).await;
    for id in 0..3 {
        let published = polls.next_json(&format!("43{id}")).await;
        assert_eq!(published[0]["id"], id + 1);
    }
}

async fn several_out() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    polls.post(r#"420["subscribe",{"topic":"news"}]"#).await;
    polls.next_json("430").await;
    // What was published is on its way to the session, and has not always come together when it polls.
    for published in (3..).step_by(3) {
        assert!(published < 300, "no answer had two of the packets that waited for it");
        server.publish_numbers(published - 2..=published).await;
        let (status, body) = polls.poll().await;
        assert_eq!(status, 200);
        let packets: Vec<_> = body.split('\u{1e}').collect();
        assert!(packets.iter().all(|packet| packet.starts_with(['2', '4']) && !packet.contains("]42")), "{body}");
        if packets.iter().filter(|packet| packet.starts_with(r#"42["notification",{"#)).count() > 1 {
            break;
        }
    }
}

async fn waits() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    polls.post(r#"420["subscribe",{"topic":"news"}]"#).await;
    polls.next_json("430").await;
    polls.settle().await;
    let before = now();
    let (answer, ()) = tokio::join!(polls.poll(), async {
        sleep(Duration::from_millis(300)).await;
        server.publish("news", "1").await;
    });
    assert!(before.elapsed() >= Duration::from_millis(300) && answer.0 == 200, "{answer:?}");
    assert!(answer.1.contains(r#""payload":1}"#), "{answer:?}");
}

async fn text() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    polls.post(r#"420["subscribe",{"topic":"news"}]"#).await;
    polls.next_json("430").await;
    polls.post(r#"42["publish",{"topic":"news","payload":"grüß €😀"}]"#).await;
    assert_eq!(polls.next_json("42").await[1]["payload"], "grüß €😀");
}

async fn binary() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    polls.post(r#"420["subscribe",{"topic":"news"}]"#).await;
    polls.next_json("430").await;
    let event = r#"451-["publish",{"topic":"news","payload":{"_placeholder":true,"num":0}}]"#;
    polls.post(format!("{event}\u{1e}bAQIDBA==")).await;
    let notification = polls.next_json("42").await;
    assert_eq!(notification[1]["payload"], "AQIDBA==");
    assert_eq!(notification[1]["content_type"], "application/octet-stream");
}

async fn no_packet() {
    let server = Server::start(&[]);
    for body in [&b"abc"[..], b"", b"40\x1e", b"40\x1e\x1e40", b"b=AQIDBA", b"4\xff\xfe", b"9"] {
        let polls = Polls::open(&server).await;
        // A separator at the end is let pass: nothing follows that could be no packet.
        if body != b"40\x1e" {
            assert_eq!(polls.send(body).await.0, 400, "{body:?}");
            polls.assert_closed().await;
        }
    }
}

async fn wrong_packet() {
    let server = Server::start(&[]);
    for body in ["0{}", "5", "6"] {
        let polls = Polls::enter(&server).await;
        assert_eq!(polls.send(body).await.0, 400, "{body}");
        polls.assert_closed().await;
    }
}

async fn two_polls() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    polls.settle().await;
    let (first, second) = polls.poll_while(&server, polls.poll()).await;
    assert_eq!(first, (200, "1".to_owned()));
    assert_eq!(second.0, 400, "{second:?}");
    polls.assert_closed().await;
}

async fn two_posts() {
    let server = Server::start(&[]);
    let polls = Polls::enter(&server).await;
    let mut slow = server.dial().await;
    let path = format!("/socket.io/{POLLING}&sid={}", polls.sid);
    let before = server.stats().await.connections["socketio"].bytes_read;
    slow.write(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n42")).await;
    server.stats_when(|stats| stats.connections["socketio"].bytes_read > before + 60).await;
    assert_eq!(polls.send("3").await.0, 400);
    polls.assert_closed().await;
}

async fn cancelled() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    polls.settle().await;
    let mut client = server.dial().await;
    let before = server.stats().await.connections["socketio"].bytes_read;
    client.get(&format!("/socket.io/{POLLING}&sid={}", polls.sid)).await;
    server.stats_when(|stats| stats.connections["socketio"].bytes_read > before).await;
    drop(client);
    let closed = async {
        while polls.send("3").await.0 != 400 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the session is closed");
}

async fn too_large() {
    let server = Server::start(&["--socketio-payload-max", "2000"]);
    let polls = Polls::enter(&server).await;
    let event = |len: usize| format!(r#"420["{}"]"#, "x".repeat(len));
    polls.post(event(1990)).await;
    let (status, error) = polls.send(event(1999)).await;
    assert!(status == 413 && error.contains("--socketio-payload-max"), "{status}: {error}");
    polls.assert_closed().await;
}

async fn close() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    polls.settle().await;
    let (answer, closed) = polls.poll_while(&server, polls.send("1")).await;
    assert_eq!(answer, (200, "6".to_owned()));
    assert_eq!(closed.0, 200);
    polls.assert_closed().await;
}

async fn last_words() {
    let server = Server::start(&[]);
    let polls = Polls::enter(&server).await;
    polls.post("42[\"publish\",{\"topic\":\"news\",\"payload\":1}]").await;
    server.stats_when(|stats| stats.published == 1).await;
    polls.post("1").await;
    let batch: serde_json::Value = server.get("/topics/news/short-poll?after=earliest").await.json().await.unwrap();
    assert_eq!(batch["notifications"][0]["payload"], json!(1));
}
