//! Every framing, byte for byte: a change of these files is a change of the contract.

use std::borrow::Cow;
use std::time::Duration;

use feed::encodings::json;
use feed::framings::{chunked, engine_io, poll, socket_io, sse, websocket};
use feed::{BatchHead, Cursor, Gap, Notification, Subscribed};
use serde_json::value::RawValue;

fn cursor(offset: u64) -> Cursor {
    Cursor { epoch: "k3f9".parse().unwrap(), offset }
}

fn notification() -> Vec<u8> {
    let payload = serde_json::from_str::<&RawValue>(r#"{"text":"grüß Gott"}"#).unwrap();
    json::encode(&Notification {
        topic: "news".into(),
        id: 42,
        timestamp_us: 1_795_132_800_000_000,
        content_type: None,
        payload: Cow::Borrowed(payload),
    })
}

fn subscribed() -> Vec<u8> {
    let subscribed = Subscribed { topic: "news".into(), epoch: "k3f9".parse().unwrap(), offset: 41, recovered: true };
    serde_json::to_vec(&subscribed).unwrap()
}

fn gap() -> Vec<u8> {
    serde_json::to_vec(&Gap { topic: "news".into(), oldest: cursor(12) }).unwrap()
}

fn batch(gap: Option<Cursor>) -> Vec<u8> {
    let head = BatchHead {
        topic: "news".into(),
        epoch: "k3f9".parse().unwrap(),
        offset: 42,
        recovered: gap.is_none(),
        gap,
        more: false,
    };
    [&poll::write_head(&head), &notification(), poll::END].concat()
}

/// Compares with `golden/{name}`; `UPDATE_GOLDEN=1` writes it anew, for a reviewer to read the difference.
fn assert_golden(name: &str, actual: &[u8]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read(&path).unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(actual), String::from_utf8_lossy(&expected), "{name}");
    assert_eq!(actual, expected, "{name}");
}

#[test]
fn json_notification() {
    assert_golden("notification.json", &notification());
}

#[test]
fn poll_answers() {
    assert_golden("poll-batch.json", &batch(None));
    assert_golden("poll-batch-after-gap.json", &batch(Some(cursor(12))));
}

#[test]
fn sse_events() {
    let stream = [
        sse::write(Some("subscribed"), Some(cursor(41)), Some(Duration::from_secs(2)), &subscribed()),
        sse::write(None, Some(cursor(42)), None, &notification()),
        sse::HEARTBEAT.to_vec(),
        sse::write(Some("gap"), None, None, &gap()),
    ]
    .concat();
    assert_golden("stream.sse", &stream);
}

#[test]
fn sse_chunks() {
    let event = sse::write(None, Some(cursor(42)), None, &notification());
    assert_golden("event.chunk", &[&chunked::write(&event), chunked::END].concat());
}

#[test]
fn websocket_frames() {
    use websocket::{Opcode, close, close_payload};
    assert_golden("notification.ws", &websocket::write(Opcode::Text, &notification()));
    assert_golden("notification-masked.ws", &websocket::write_masked(Opcode::Text, &notification(), *b"mask"));
    let goodbye = close_payload(close::RESTART, "the server restarts");
    assert_golden("close.ws", &websocket::write(Opcode::Close, &goodbye));
    assert_golden("long.ws", &websocket::write(Opcode::Binary, &[b'.'; 0x1_0000])[..10]);
}

fn event(name: &str, argument: &[u8]) -> Vec<u8> {
    use socket_io::{Kind, MAIN, Packet};
    socket_io::write(&Packet::new(Kind::Event, MAIN, &socket_io::write_event(name, argument)))
}

#[test]
fn engine_io_payloads() {
    use engine_io::Packet;
    let handshake = engine_io::Handshake {
        sid: "lv_VI97HAXpY6yYWAAAC".into(),
        upgrades: vec!["websocket".into()],
        ping_interval: 25_000,
        ping_timeout: 20_000,
        max_payload: 1_000_000,
    };
    let handshake = serde_json::to_vec(&handshake).unwrap();
    assert_golden("handshake.eio", &engine_io::write_payload(&[Packet::Open(&handshake)]));
    let (notification, gap) = (event("notification", &notification()), event("gap", &gap()));
    let poll = [
        Packet::Text(&notification),
        Packet::Text(&gap),
        Packet::Binary(Cow::Borrowed(b"\x00\x1e\xff")),
        Packet::Ping(b""),
        Packet::Noop,
    ];
    assert_golden("poll.eio", &engine_io::write_payload(&poll));
    let moving = [Packet::Ping(engine_io::PROBE), Packet::Pong(engine_io::PROBE), Packet::Upgrade, Packet::Close];
    assert_golden("upgrade.eio", &engine_io::write_payload(&moving));
}

#[test]
fn socket_io_packets() {
    use socket_io::{Kind, MAIN, Packet, write};
    assert_golden("notification.sio", &event("notification", &notification()));
    let question = socket_io::write_event("subscribe", br#"{"topic":"news","after":"k3f9:41"}"#);
    let subscribe = Packet { id: Some(0), ..Packet::new(Kind::Event, MAIN, &question) };
    assert_golden("subscribe.sio", &write(&subscribe));
    let answer = br#"[{"epoch":"k3f9","offset":41,"recovered":true}]"#;
    assert_golden("subscribed.sio", &write(&Packet { id: Some(0), ..Packet::new(Kind::Ack, MAIN, answer) }));
    let packets = [
        Packet::new(Kind::Connect, "/admin", br#"{"token":"123"}"#),
        Packet::new(Kind::ConnectError, "/admin", br#"{"message":"Not authorized"}"#),
        Packet {
            attachments: 1,
            ..Packet::new(Kind::BinaryEvent, "/admin", br#"["news",{"_placeholder":true,"num":0}]"#)
        },
        Packet {
            attachments: 1,
            id: Some(3),
            ..Packet::new(Kind::BinaryAck, MAIN, br#"[{"_placeholder":true,"num":0}]"#)
        },
        Packet::new(Kind::Disconnect, "/admin", b""),
    ];
    assert_golden("namespace.sio", &packets.map(|packet| write(&packet)).join(&b'\n'));
}
