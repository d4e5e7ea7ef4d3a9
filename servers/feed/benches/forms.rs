//! What it costs to write a notification in each form that travels, and to read it back, per notification of 200 bytes.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use feed::encodings::json;
use feed::framings::{chunked, sse, websocket};
use feed::{Cursor, Epoch, Notification, Payload};

/// Bytes of payload, a usual notification.
const PAYLOAD: usize = 200;
/// Messages that come with one reading of a busy socket.
const AT_ONCE: usize = 16;
/// Largest message that the reader takes, bytes; never reached here.
const MAX_MESSAGE: usize = 1 << 20;

fn notification() -> Notification<'static> {
    let payload = Payload::from_json(format!("\"{}\"", "x".repeat(PAYLOAD - 2)).as_bytes()).unwrap().json;
    Notification {
        topic: "news".into(),
        id: 123_456,
        timestamp_us: 1_700_000_000_000_000,
        content_type: None,
        payload: Cow::Owned(payload),
    }
}

fn encodings(c: &mut Criterion) {
    let notification = notification();
    let encoded = json::encode(&notification);
    c.bench_function("json/encode", |b| b.iter(|| json::encode(black_box(&notification))));
    c.bench_function("json/decode", |b| b.iter(|| json::decode(black_box(&encoded)).unwrap().id));
}

fn websockets(c: &mut Criterion) {
    use websocket::{Opcode, Reader, Role};
    let message = json::encode(&notification());
    c.bench_function("websocket/write", |b| b.iter(|| websocket::write(Opcode::Text, black_box(&message))));
    let write_masked = || websocket::write_masked(Opcode::Text, black_box(&message), [1, 2, 3, 4]);
    c.bench_function("websocket/write masked", |b| b.iter(write_masked));
    let whole = websocket::write(Opcode::Text, &message).repeat(AT_ONCE);
    c.bench_function("websocket/read 16 at once", |b| {
        let mut reader = Reader::new(Role::Client, MAX_MESSAGE);
        b.iter(|| {
            let mut read = 0;
            reader.read(black_box(&whole), |_| read += 1).unwrap();
            assert_eq!(read, AT_ONCE);
        });
    });
    let frame = websocket::write(Opcode::Text, &message);
    let (first, rest) = frame.split_at(frame.len() / 2);
    c.bench_function("websocket/read in halves", |b| {
        let mut reader = Reader::new(Role::Client, MAX_MESSAGE);
        b.iter(|| {
            reader.read(black_box(first), |_| unreachable!("half a frame")).unwrap();
            let mut read = 0;
            reader.read(black_box(rest), |_| read += 1).unwrap();
            assert_eq!(read, 1);
        });
    });
}

fn events(c: &mut Criterion) {
    let message = json::encode(&notification());
    let id = Some(Cursor { epoch: Epoch::from_number(7), offset: 123_456 });
    c.bench_function("sse/write", |b| b.iter(|| sse::write(None, black_box(id), None, black_box(&message))));
    let whole = sse::write(None, id, None, &message).repeat(AT_ONCE);
    c.bench_function("sse/read 16 at once", |b| {
        let mut reader = sse::Reader::default();
        b.iter(|| {
            let mut read = 0;
            reader.read(black_box(&whole), |_| read += 1).unwrap();
            assert_eq!(read, AT_ONCE);
        });
    });
}

fn chunks(c: &mut Criterion) {
    let message = json::encode(&notification());
    c.bench_function("chunked/write", |b| b.iter(|| chunked::write(black_box(&message))));
    let whole = chunked::write(&message).repeat(AT_ONCE);
    c.bench_function("chunked/read 16 at once", |b| {
        let mut reader = chunked::Reader::default();
        b.iter(|| {
            let mut bytes = 0;
            reader.read(black_box(&whole), |piece| bytes += piece.len()).unwrap();
            assert_eq!(bytes, AT_ONCE * message.len());
        });
    });
}

/// A second for each: enough to see a few per cent.
fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
}

criterion_group!(name = forms; config = short(); targets = encodings, websockets, events, chunks);
criterion_main!(forms);
