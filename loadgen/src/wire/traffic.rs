//! What all connections of one player carried: stream bytes as they pass, TCP/IP bytes from the kernel.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::ops::Add;
use std::rc::Rc;

use super::tcp_info;

/// Bytes below the stream, by direction: headers, pure ACKs, handshakes, retransmissions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpIp {
    /// Server to client.
    pub received: u64,
    /// Client to server.
    pub sent: u64,
}

impl Add for TcpIp {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { received: self.received + other.received, sent: self.sent + other.sent }
    }
}

/// Counters that the connections of one player share.
#[derive(Debug)]
pub struct Traffic {
    received: Cell<u64>,
    sent: Cell<u64>,
    sealed_received: Cell<u64>,
    sealed_sent: Cell<u64>,
    abandoned: Cell<u64>,
    next_key: Cell<u64>,
    open: RefCell<BTreeMap<u64, Rc<TcpStream>>>,
    /// Of the connections that are closed; `None` once the system did not tell of one.
    closed: Cell<Option<TcpIp>>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            received: Cell::default(),
            sent: Cell::default(),
            sealed_received: Cell::default(),
            sealed_sent: Cell::default(),
            abandoned: Cell::default(),
            next_key: Cell::default(),
            open: RefCell::default(),
            closed: Cell::new(Some(TcpIp::default())),
        }
    }
}

impl Traffic {
    /// Stream bytes received so far.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// Stream bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Bytes that TLS added to those received: its records less what was in them; 0 in the clear.
    pub fn tls_received(&self) -> u64 {
        self.sealed_received.get().saturating_sub(self.received())
    }

    /// The same of those sent. What is sealed and not yet sent counts as sent in the clear, and here once it is.
    pub fn tls_sent(&self) -> u64 {
        self.sealed_sent.get().saturating_sub(self.sent())
    }

    /// Connections that are open.
    pub fn open(&self) -> u64 {
        self.open.borrow().len() as u64
    }

    /// Connections that were given up before the server had ended them, so that it may have sent what nobody counted.
    pub fn abandoned(&self) -> u64 {
        self.abandoned.get()
    }

    pub(super) fn count_abandoned(&self) {
        self.abandoned.set(self.abandoned.get() + 1);
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
    }

    pub(super) fn count_sealed(&self, received: u64, sent: u64) {
        self.sealed_received.set(self.sealed_received.get() + received);
        self.sealed_sent.set(self.sealed_sent.get() + sent);
    }

    /// TCP/IP bytes so far, of open and closed connections; `None` where the system does not tell. One system call per open
    /// connection: for the edges of the window, not for every second.
    pub fn tcp_ip(&self) -> Option<TcpIp> {
        let open = self.open.borrow();
        open.values().map(|tcp| tcp_info::tcp_ip(&**tcp)).try_fold(self.closed.get()?, |sum, one| Some(sum + one?))
    }

    pub(super) fn register(&self, tcp: &Rc<TcpStream>) -> u64 {
        let key = self.next_key.get();
        self.next_key.set(key + 1);
        self.open.borrow_mut().insert(key, Rc::clone(tcp));
        key
    }

    /// Takes the books of a connection over before its socket is closed.
    pub(super) fn unregister(&self, key: u64) {
        if let Some(tcp) = self.open.borrow_mut().remove(&key) {
            let last = tcp_info::tcp_ip_to_the_end(&*tcp);
            self.closed.set(self.closed.get().zip(last).map(|(closed, last)| closed + last));
        }
    }
}
