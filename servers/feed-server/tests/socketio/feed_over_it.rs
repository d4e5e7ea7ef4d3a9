//! The feed over Socket.IO: the cursor first, recovery, gaps, bounds, and books that are right.

use std::time::Duration;

use feed::Transport;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::client::{POLLING, Polls, Ws, get, opened};
use crate::lab::{PATIENCE, Raw, Server, now};

fn subscribe(rest: &str) -> String {
    format!(r#"420["subscribe",{{"topic":"news"{rest}}}]"#)
}

/// Subscribes and checks that the cursor comes before anything else.
async fn start(ws: &mut Ws, rest: &str) -> Value {
    ws.say(&subscribe(rest)).await;
    let mut answer = ws.next_json("430").await;
    answer[0].take()
}

async fn numbers(ws: &mut Ws, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let event = ws.next_json("42").await;
        assert_eq!(
            (&event[0], &event[1]["type"], &event[1]["topic"]),
            (&json!("notification"), &json!("notification"), &json!("news"))
        );
        numbers.push(event[1]["payload"].as_u64().unwrap());
    }
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cursor_comes_first_then_every_notification_in_order() {
    let server = Server::start(&[]);
    server.publish_numbers(1..=3).await;
    let mut ws = Ws::enter(&server).await;
    assert_eq!(start(&mut ws, "").await["offset"], 3);
    server.publish_numbers(4..=203).await;
    assert_eq!(numbers(&mut ws, 200).await, (4..=203).collect::<Vec<_>>(), "from now on means nothing older");
    let mut polls = Polls::enter(&server).await;
    polls.post(subscribe(r#","after":"earliest""#)).await;
    let answer = polls.next_json("430").await;
    assert_eq!((&answer[0]["offset"], &answer[0]["recovered"]), (&json!(0), &json!(true)));
    for number in 1..=203 {
        assert_eq!(polls.next_json("42").await[1]["payload"], number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_for_no_acknowledgement_is_told_the_cursor_in_an_event() {
    let server = Server::start(&[]);
    let mut ws = Ws::enter(&server).await;
    ws.say(r#"42["subscribe",{"topic":"news"}]"#).await;
    let event = ws.next_json("42").await;
    assert_eq!(event[0], "subscribed");
    assert_eq!(
        (&event[1]["type"], &event[1]["offset"], &event[1]["recovered"]),
        (&json!("subscribed"), &json!(0), &json!(true))
    );
    ws.say(r#"42["subscribe",{"topic":"a b"}]"#).await;
    let event = ws.next_json("42").await;
    assert!(
        event[0] == "refused" && event[1]["error"].as_str().unwrap().starts_with("bad topic name `a b`"),
        "{event}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_back_misses_nothing_and_one_behind_the_window_is_told_the_gap() {
    let server = Server::start(&["--history", "4"]);
    server.publish_numbers(1..=10).await;
    let mut ws = Ws::enter(&server).await;
    let epoch = start(&mut ws, "").await["epoch"].as_str().unwrap().to_owned();
    for (after, rest) in [(6, 4), (9, 1), (10, 0)] {
        let answer = start(&mut ws, &format!(r#","after":"{epoch}:{after}""#)).await;
        assert_eq!((&answer["offset"], &answer["recovered"]), (&json!(after), &json!(true)));
        assert_eq!(numbers(&mut ws, rest).await, (after + 1..=10).collect::<Vec<_>>());
    }
    for lost in [format!("{epoch}:5"), format!("{epoch}:11"), "zzzzzzzz:8".to_owned()] {
        let answer = start(&mut ws, &format!(r#","after":"{lost}""#)).await;
        assert_eq!((&answer["offset"], &answer["recovered"]), (&json!(6), &json!(false)), "{lost}");
        let gap = json!(["gap", { "type": "gap", "topic": "news", "oldest": format!("{epoch}:6") }]);
        assert_eq!(ws.next_json("42").await, gap, "{lost}");
        assert_eq!(numbers(&mut ws, 4).await, [7, 8, 9, 10], "{lost}");
    }
    server.stats_when(|stats| stats.connections["socketio"].gaps == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_with_what_was_expected() {
    let server = Server::start(&["--topics-max", "1", "--body-max", "100"]);
    server.publish_numbers(1..=1).await;
    let mut ws = Ws::enter(&server).await;
    let cases = [
        (r#"["subscribe"]"#, "bad subscribe: "),
        (r#"["subscribe",{"topic":"news","afterwards":1}]"#, "bad subscribe: unknown field `afterwards`"),
        (
            r#"["subscribe",{"topic":"news","after":"42"}]"#,
            "malformed cursor `42`: expected epoch:offset, for example k3f9:42, or `earliest`",
        ),
        (r#"["subscribe",{"topic":"other"}]"#, "1 topics exist already: use one of them, or raise --topics-max"),
        (r#"["publish",{"topic":"news"}]"#, "bad publish: missing field `payload`"),
        (r#"["publish",{"topic":"","payload":1}]"#, "bad topic name ``"),
        (r#"["connect"]"#, "unknown event `connect`: expected subscribe or publish"),
    ];
    for (event, expected) in cases {
        ws.say(&format!("427{event}")).await;
        let answer = ws.next_json("437").await;
        assert!(answer[0]["error"].as_str().unwrap().starts_with(expected), "{event}: {answer}");
    }
    ws.say(&format!(r#"427["publish",{{"topic":"news","payload":"{}"}}]"#, "x".repeat(99))).await;
    let answer = ws.next_json("437").await;
    assert_eq!(answer[0]["error"], "a payload of 101 bytes, more than 100: publish less, or raise --body-max");
    let stats = server.stats().await;
    assert_eq!((stats.published, stats.refused), (1, 3), "what was to be published and was refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_over_socketio_is_the_same_feed_in_the_order_of_one_publisher() {
    let server = Server::start(&[]);
    let mut reader = server.read(Transport::Ws, None).await;
    let mut publisher = Ws::enter(&server).await;
    // In rounds, for a publisher that waits for nothing is refused beyond what may wait.
    for round in 0..8 {
        for number in 1..=100 {
            publisher.say(&format!(r#"42["publish",{{"topic":"news","payload":{}}}]"#, round * 100 + number)).await;
        }
        publisher.say(r#"429["nothing"]"#).await;
        while !publisher.next().await.starts_with("439") {}
    }
    let stats = server.stats().await;
    let batch: Value = server.get("/topics/news/short-poll?after=earliest").await.json().await.unwrap();
    let missing = |number: &u64| !batch["notifications"].as_array().unwrap().iter().any(|n| n["payload"] == *number);
    let missing: Vec<_> = (1..=800).filter(missing).collect();
    assert_eq!((stats.published, stats.refused, missing), (800, 0, vec![]));
    assert_eq!(reader.next(800).await, (1..=800).collect::<Vec<_>>());
}

const HANDSHAKE: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Dials with small socket buffers, so that it is soon stalled, and subscribes.
async fn slow(server: &Server) -> Raw {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut raw = Raw::new(socket.connect(server.address).await.unwrap());
    raw.write(HANDSHAKE).await;
    raw.read_until("maxPayload", 1).await;
    raw.write(masked("40")).await;
    raw.read_until("40{\"sid\"", 1).await;
    raw.write(masked(&subscribe(""))).await;
    raw.read_until("recovered\":true}]", 1).await;
    raw
}

/// A text frame of a client, with a mask of zeros.
fn masked(text: &str) -> Vec<u8> {
    [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], text.as_bytes()].concat()
}

fn large() -> String {
    format!("\"{}\"", "x".repeat(60_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_falls_behind_gets_a_bounded_rest_then_the_gap_then_the_disconnect() {
    let server = Server::start(&["--history", "40"]);
    let mut slow = slow(&server).await;
    let mut fast = Ws::enter(&server).await;
    start(&mut fast, "").await;
    let published = 200;
    for _ in 0..published {
        server.publish("news", &large()).await;
        // In step: it is the other one that falls behind.
        assert!(fast.next().await.starts_with(r#"42["notification","#));
    }
    server.stats_when(|stats| stats.connections["socketio"].ended.get("fell-behind") == Some(&1)).await;
    // The disconnect, in a frame of two bytes.
    let text = slow.read_until("\u{2}41", 1).await;
    let end = &text[text.len() - 100..];
    assert!(end.contains(r#"42["gap",{"type":"gap","topic":"news","oldest":""#), "{end}");
    let notifications = text.matches(r#"42["notification""#).count();
    let whole = text.matches("xxxx\"}]").count();
    assert_eq!(whole, notifications, "none is broken by what follows it");
    assert!(notifications < 150, "{notifications} of {published}: it stayed behind in the log");
    let stats =
        server.stats_when(|stats| stats.connections["socketio"].delivered == published + notifications as u64).await;
    assert_eq!(stats.connections["socketio"].gaps, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_is_ended_in_time() {
    let server = Server::start(&["--write-timeout", "300ms"]);
    let _slow = slow(&server).await;
    for _ in 0..150 {
        server.publish("news", &large()).await;
    }
    let stats = server
        .stats_when(|stats| {
            let socketio = &stats.connections["socketio"];
            socketio.ended.contains_key("write-timeout") && socketio.open == 0
        })
        .await;
    assert_eq!(stats.connections["socketio"].ended["write-timeout"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_that_keeps_reading_gets_everything() {
    let server = Server::start(&[]);
    let mut slow = slow(&server).await;
    for _ in 0..100 {
        server.publish("news", &large()).await;
    }
    slow.read_until(r#"42["notification","#, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_poll_outlasts_the_bounds_on_requests() {
    let server = Server::start(&["--head-timeout", "1s", "--idle-timeout", "1s"]);
    let mut polls = Polls::enter(&server).await;
    polls.post(subscribe("")).await;
    polls.next_json("430").await;
    polls.settle().await;
    let before = now();
    let (answer, ()) = tokio::join!(polls.poll(), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        server.publish("news", "1").await;
    });
    assert!(before.elapsed() >= Duration::from_secs(3) && answer.1.contains("notification"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_deliveries_and_connections_are_counted_to_the_last_one() {
    let server = Server::start(&[]);
    let mut raw = slow(&server).await;
    let sent = HANDSHAKE.len() + masked("40").len() + masked(&subscribe("")).len();
    server.publish_numbers(1..=5).await;
    raw.read_until(r#""payload":5}]"#, 1).await;
    let received = raw.received;
    let stats = server.stats_when(|stats| stats.connections["socketio"].bytes_written >= received).await;
    let stats = &stats.connections["socketio"];
    assert_eq!((stats.bytes_read, stats.bytes_written), (sent as u64, received));
    assert_eq!((stats.open, stats.opened, stats.delivered), (1, 1, 5));
    drop(raw);
    server.stats_when(|stats| stats.connections["socketio"].open == 0).await;

    // A session that polls outlives the connection that it began on.
    let mut raw = server.dial().await;
    raw.get(&format!("/socket.io/{POLLING}")).await;
    let answer = raw.read_until("maxPayload\":100000}", 1).await;
    let sid = opened(answer.split_once("\r\n\r\n").unwrap().1)["sid"].as_str().unwrap().to_owned();
    drop(raw);
    server.stats_when(|stats| stats.connections["socketio"].open == 0).await;
    let mut raw = server.dial().await;
    raw.get(&format!("/socket.io/{POLLING}&sid={sid}")).await;
    assert!(raw.read_until("\r\n\r\n2", 1).await.starts_with("HTTP/1.1 200 "));
    drop(raw);

    let mut polls = Polls::enter(&server).await;
    polls.post(subscribe("")).await;
    polls.next_json("430").await;
    server.publish_numbers(6..=8).await;
    for number in 6..=8 {
        assert_eq!(polls.next_json("42").await[1]["payload"], number);
    }
    let stats = server.stats_when(|stats| stats.connections["socketio"].delivered >= 8).await;
    let stats = &stats.connections["socketio"];
    assert_eq!(stats.delivered, 8);
    assert!(stats.answered >= 2 && stats.empty < stats.answered, "{stats:?}");
    drop(polls);
    server.stats_when(|stats| stats.connections["socketio"].open == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_poll_are_bounded_and_their_end_makes_room() {
    let server = Server::start(&["--socketio-sessions-max", "2"]);
    let (first, _second) = (Polls::enter(&server).await, Polls::open(&server).await);
    let (status, body) = get(&server, POLLING).await;
    assert_eq!(status, 503, "{body}");
    first.post("1").await;
    let begins = async {
        while get(&server, POLLING).await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, begins).await.expect("there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_polls_and_takes_no_answers_is_ended_and_counted_once() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    for topic in 0..20 {
        polls.post(format!(r#"420["subscribe",{{"topic":"news{topic}"}}]"#)).await;
        polls.next_json("430").await;
    }
    let events: Vec<_> =
        (0..1000).map(|id| format!(r#"42{id}["publish",{{"topic":"news{}","payload":{id}}}]"#, id % 20)).collect();
    // What it is answered depends on whether the session ends before the last event is read.
    polls.send(events.join("\u{1e}")).await;
    let ends = async { while polls.poll().await.0 == 200 {} };
    timeout(PATIENCE, ends).await.expect("the session ends");
    server.publish("news0", "1").await;
    server.ended("socketio", "sent-too-much", 1).await;
}
