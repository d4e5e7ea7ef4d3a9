//! What it costs to find a delivery's postmark and to enter it on the books, per notification of 200 bytes.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use feed::{POSTMARK_LEN, Postmark, postmarks};
use loadgen::recording::{Account, Ledger, Recorder};

/// Bytes of a message, a usual notification with its envelope.
const MESSAGE: usize = 280;
/// Which run the postmarks are of.
const RUN: u32 = 0xc0ff_ee00;
/// How late the deliveries are, ns.
const LATENCY_NS: u64 = 1_500_000;

fn postmark(sequence: u32) -> Postmark {
    Postmark { run: RUN, publisher: 0, sequence, intended_ns: u64::from(sequence) * 1_000 }
}

fn finding(c: &mut Criterion) {
    let mut message = vec![b'x'; MESSAGE];
    postmark(7).write(&mut message[90..90 + POSTMARK_LEN]);
    c.bench_function("postmark/find", |b| b.iter(|| postmarks(black_box(&message)).next().unwrap().sequence));
    let mut token = [0; POSTMARK_LEN];
    c.bench_function("postmark/write", |b| b.iter(|| postmark(black_box(7)).write(black_box(&mut token))));
}

fn ledgers(c: &mut Criterion) {
    c.bench_function("ledger/enter in order", |b| {
        let (mut ledger, mut sequence) = (Ledger::new(0), 0);
        b.iter(|| {
            sequence += 1;
            ledger.enter(black_box(sequence), false, |_| None)
        });
    });
}

fn deliveries(c: &mut Criterion) {
    c.bench_function("account/message", |b| {
        let recorder = Rc::new(Recorder::new(Rc::default()));
        recorder.set_window(0..u64::MAX);
        let mut account = Account::alone(RUN, 0..u32::MAX, recorder);
        let mut message = vec![b'x'; MESSAGE];
        let mut sequence = 0;
        b.iter(|| {
            let postmark = postmark(sequence);
            postmark.write(&mut message[90..90 + POSTMARK_LEN]);
            sequence += 1;
            assert_eq!(account.message(black_box(&message), postmark.intended_ns + LATENCY_NS), 1);
        });
    });
    c.bench_function("recorder/latency", |b| {
        let recorder = Recorder::new(Rc::default());
        let postmark = postmark(7);
        b.iter(|| recorder.record_latency(black_box(&postmark), postmark.intended_ns + LATENCY_NS, false));
    });
}

/// A second for each: enough to see a few per cent.
fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
}

criterion_group!(name = books; config = short(); targets = finding, ledgers, deliveries);
criterion_main!(books);
