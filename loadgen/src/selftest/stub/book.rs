//! The stub's book: it enters everything that it does, when it does it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use results::{Percentiles, new_histogram};

use crate::selftest::truth::Truth;

/// What the stub writes down. One thread, no locks.
#[derive(Debug)]
pub(super) struct Book {
    counts: RefCell<Truth>,
    latency: RefCell<Histogram<u64>>,
    connect: RefCell<Histogram<u64>>,
    publish_time: RefCell<Histogram<u64>>,
    /// How often a first notification of each length was split, which says where it is split next.
    splits: RefCell<BTreeMap<usize, usize>>,
    connections: Cell<u64>,
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            counts: RefCell::default(),
            latency: RefCell::new(new_histogram()),
            connect: RefCell::new(new_histogram()),
            publish_time: RefCell::new(new_histogram()),
            splits: RefCell::default(),
            connections: Cell::new(0),
        }
    }

    /// Changes some counts.
    pub(super) fn count(&self, change: impl FnOnce(&mut Truth)) {
        change(&mut self.counts.borrow_mut());
    }

    /// The number of a new subscriber's connection, from 0.
    pub(super) fn open(&self, bytes_read: usize) -> u64 {
        let number = self.connections.replace(self.connections.get() + 1);
        self.count(|truth| {
            truth.opened += 1;
            truth.open += 1;
            truth.bytes_read += bytes_read as u64;
        });
        number
    }

    pub(super) fn record_latency(&self, ns: u64) {
        self.latency.borrow_mut().saturating_record(ns);
        self.count(|truth| truth.delivered += 1);
    }

    pub(super) fn record_connect(&self, ns: u64) {
        self.connect.borrow_mut().saturating_record(ns);
    }

    pub(super) fn record_publish_time(&self, ns: u64) {
        self.publish_time.borrow_mut().saturating_record(ns);
    }

    /// Where a write of `len` bytes, of which the first notification takes `first` (0: there is none), is split in three this time: each time a
    /// byte further in both halves of the first notification, and now and then somewhere behind it.
    pub(super) fn next_split(&self, first: usize, len: usize) -> [usize; 2] {
        const ANYWHERE_EVERY: u64 = 4;
        let last = len - 1;
        let mut turn = 0;
        self.count(|truth| {
            truth.split += 1;
            turn = truth.split;
        });
        if first == 0 || turn.is_multiple_of(ANYWHERE_EVERY) {
            let place = 1 + turn as usize % last;
            return [place, (place + 1).min(last)];
        }
        let mut splits = self.splits.borrow_mut();
        let before = splits.entry(first).or_default();
        let half = half_of(first);
        let place = 1 + *before % half;
        *before += 1;
        [place.min(last), (place + half).min(last)]
    }

    /// All of it.
    pub(super) fn truth(&self) -> Truth {
        let splits = self.splits.borrow();
        Truth {
            split_everywhere: splits.iter().filter(|&(&len, &times)| times >= half_of(len)).count() as u64,
            latency: Percentiles::from(&*self.latency.borrow()),
            connect: Percentiles::from(&*self.connect.borrow()),
            publish_time: Percentiles::from(&*self.publish_time.borrow()),
            ..self.counts.borrow().clone()
        }
    }
}

fn half_of(len: usize) -> usize {
    len.div_ceil(2)
}
