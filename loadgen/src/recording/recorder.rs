//! One worker's records. Clients of the worker share it; nobody else sees it but through snapshots.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use hdrhistogram::Histogram;
use results::{Deliveries, LOWEST_LATENCY_NS, new_histogram};

use super::{Counters, Ledger, Snapshot};
use crate::wire::Traffic;

/// The records of one worker.
#[derive(Debug)]
pub struct Recorder {
    traffic: Rc<Traffic>,
    /// Intended instants that belong to the window, ns.
    window: RefCell<Range<u64>>,
    /// True once the drain bound has passed.
    is_too_late: Cell<bool>,
    counters: RefCell<Counters>,
    latency: RefCell<Histogram<u64>>,
    connect: RefCell<Histogram<u64>>,
    loop_lag: RefCell<Histogram<u64>>,
    errors: RefCell<BTreeMap<String, u64>>,
    /// Ledgers of clients that have ended, with their publishers' numbers.
    ledgers: RefCell<Vec<(u16, Ledger)>>,
}

impl Recorder {
    /// Empty records of a worker whose connections count into `traffic`.
    pub fn new(traffic: Rc<Traffic>) -> Self {
        Self {
            traffic,
            window: RefCell::new(0..0),
            is_too_late: Cell::new(false),
            counters: RefCell::default(),
            latency: RefCell::new(new_histogram()),
            connect: RefCell::new(new_histogram()),
            loop_lag: RefCell::new(new_histogram()),
            errors: RefCell::default(),
            ledgers: RefCell::default(),
        }
    }

    /// Sets which intended instants belong to the window, ns.
    pub fn set_window(&self, window: Range<u64>) {
        *self.window.borrow_mut() = window;
    }

    /// True when a notification with this intended instant (ns) belongs to the window.
    pub fn is_in_window(&self, intended_ns: u64) -> bool {
        self.window.borrow().contains(&intended_ns)
    }

    /// From now on, what arrives is too late.
    pub fn set_too_late(&self) {
        self.is_too_late.set(true);
    }

    /// True once the drain bound has passed.
    pub fn is_too_late(&self) -> bool {
        self.is_too_late.get()
    }

    /// Counts something.
    pub fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.borrow_mut());
    }

    /// Records the latency of one delivery, ns. What the histogram cannot hold is counted apart.
    pub fn record_latency(&self, ns: u64) {
        if self.latency.borrow_mut().record(ns.max(LOWEST_LATENCY_NS)).is_err() {
            self.count(|counters| counters.out_of_range += 1);
        }
    }

    /// Records how long it took until a transport was live, ns.
    pub fn record_connect(&self, ns: u64) {
        self.connect.borrow_mut().saturating_record(ns);
    }

    /// Records how late the event loop ran a timer, ns.
    pub fn record_loop_lag(&self, ns: u64) {
        self.loop_lag.borrow_mut().saturating_record(ns);
    }

    /// Counts an error by kind.
    pub fn record_error(&self, kind: &str) {
        let mut errors = self.errors.borrow_mut();
        match errors.get_mut(kind) {
            Some(count) => *count += 1,
            None => {
                errors.insert(kind.to_owned(), 1);
            }
        }
    }

    /// Takes over the ledger of a client that has ended.
    pub fn deposit(&self, publisher: u16, ledger: Ledger) {
        self.ledgers.borrow_mut().push((publisher, ledger));
    }

    /// Closes the books of all clients. `ends` is one past the last number that each publisher sent, `refused` what the
    /// server is not known to have accepted.
    pub fn close_ledgers(&self, ends: &[u32], refused: &[Vec<u32>]) -> Deliveries {
        let mut sum = Deliveries { gaps: self.counters.borrow().gaps, ..Deliveries::default() };
        for (publisher, ledger) in self.ledgers.take() {
            let publisher = usize::from(publisher);
            let books = ledger.close(ends[publisher], &refused[publisher]);
            sum.expected += books.expected;
            sum.delivered += books.delivered;
            sum.lost += books.lost;
            sum.duplicated += books.duplicated;
            sum.reordered += books.reordered;
            sum.late += books.late;
        }
        sum
    }

    /// The counters of this instant.
    pub fn counters(&self) -> Counters {
        Counters {
            bytes_received: self.traffic.received(),
            bytes_sent: self.traffic.sent(),
            abandoned: self.traffic.abandoned(),
            ..*self.counters.borrow()
        }
    }

    /// Hands the records over; histograms start anew. `with_tcp_ip` costs a system call per open connection.
    pub fn snapshot(&self, with_tcp_ip: bool) -> Snapshot {
        Snapshot {
            counters: self.counters(),
            latency: self.latency.replace(new_histogram()),
            connect: self.connect.replace(new_histogram()),
            loop_lag: self.loop_lag.replace(new_histogram()),
            errors: self.errors.borrow().clone(),
            tcp_ip: with_tcp_ip.then(|| self.traffic.tcp_ip()).flatten(),
        }
    }
}
