//! What it costs to append a notification to a topic's window, and what each reader pays to take it out again.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use feed::{Notification, Payload};
use feed_server::measured_window::MeasuredWindow;

/// Bytes of payload, a usual notification.
const PAYLOAD: usize = 200;
/// Notifications that the window retains; it is full, so each that comes lets one go.
const RETAINED: usize = 1_000;

fn notification(id: u64) -> Notification<'static> {
    let payload = Payload::from_json(format!("\"{}\"", "x".repeat(PAYLOAD - 2)).as_bytes()).unwrap().json;
    let timestamp_us = 1_700_000_000_000_000;
    Notification { topic: "news".into(), id, timestamp_us, content_type: None, payload: Cow::Owned(payload) }
}

fn full() -> MeasuredWindow {
    let mut window = MeasuredWindow::new(RETAINED);
    (1..=RETAINED as u64).for_each(|id| window.push(&notification(id)));
    window
}

fn pushing(c: &mut Criterion) {
    let (mut window, mut next) = (full(), notification(RETAINED as u64));
    c.bench_function("window/push", |b| {
        b.iter(|| {
            next.id += 1;
            window.push(black_box(&next));
        });
    });
}

fn reading(c: &mut Criterion) {
    let window = full();
    let head = RETAINED as u64;
    c.bench_function("window/after, one", |b| b.iter(|| window.frames_after(black_box(head - 1), 64).unwrap()));
    c.bench_function("window/after, 64", |b| b.iter(|| window.frames_after(black_box(head - 64), 64).unwrap()));
    c.bench_function("window/after, nothing", |b| b.iter(|| window.frames_after(black_box(head), 64).unwrap()));
}

/// A second for each: enough to see a few per cent.
fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
}

criterion_group!(name = window; config = short(); targets = pushing, reading);
criterion_main!(window);
