//! What the server counts: every connection under what it carries, on counters spread so that threads seldom meet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use feed::{ConnectionStats, Transport};
use tokio::time::Instant;

use crate::clock;
use crate::guards::addresses::Visit;
use crate::guards::count::{Guard, Refusals};

/// Under which abnormal ends are logged, a line each, so that a filter can leave them out: `--log warn,feed_server::ends=off`.
const ENDS: &str = "feed_server::ends";
/// Copies of all counters; a connection counts on one of them, a reader adds them up.
const SHARDS: usize = 16;

/// What a connection carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    ShortPoll,
    LongPoll,
    Sse,
    Ws,
    SocketIo,
    /// Publishers, metrics, pages, and what is not yet known.
    Other,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::ShortPoll, Self::LongPoll, Self::Sse, Self::Ws, Self::SocketIo, Self::Other];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ShortPoll => Transport::ShortPoll.name(),
            Self::LongPoll => Transport::LongPoll.name(),
            Self::Sse => Transport::Sse.name(),
            Self::Ws => Transport::Ws.name(),
            Self::SocketIo => Transport::SocketIo.name(),
            Self::Other => "other",
        }
    }
}

/// Why the server ended a connection or a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Its cursor fell out of the window.
    FellBehind,
    /// It took nothing of what was written for too long.
    WriteTimeout,
    /// It did not answer a ping.
    PongTimeout,
    /// Its machine acknowledged nothing for too long, or cannot be reached.
    Vanished,
    /// It broke the protocol.
    ProtocolError,
    /// It sent more than is taken.
    TooMuch,
    /// There were too many connections already.
    ConnectionsMax,
    /// There were too many from its address already.
    ConnectionsPerAddress,
    /// Its messages came too often.
    MessagesPerSecond,
    /// The token that let it in has expired.
    TokenExpired,
    /// The server stops.
    Shutdown,
}

impl Reason {
    pub(crate) const ALL: [Self; 11] = [
        Self::FellBehind,
        Self::WriteTimeout,
        Self::PongTimeout,
        Self::Vanished,
        Self::ProtocolError,
        Self::TooMuch,
        Self::ConnectionsMax,
        Self::ConnectionsPerAddress,
        Self::MessagesPerSecond,
        Self::TokenExpired,
        Self::Shutdown,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::FellBehind => "fell-behind",
            Self::WriteTimeout => "write-timeout",
            Self::PongTimeout => "pong-timeout",
            Self::Vanished => "vanished",
            Self::ProtocolError => "protocol-error",
            Self::TooMuch => "sent-too-much",
            Self::ConnectionsMax => "connections-max",
            Self::ConnectionsPerAddress => "connections-per-address",
            Self::MessagesPerSecond => "messages-per-second",
            Self::TokenExpired => "token-expired",
            Self::Shutdown => "shutdown",
        }
    }

    /// True for the end of what went on well until then: it is worth a line in the log. Who is not let in is counted alone, so that
    /// strangers cannot fill a disk, and a server that stops says so itself.
    const fn is_abnormal(self) -> bool {
        match self {
            Self::FellBehind
            | Self::WriteTimeout
            | Self::PongTimeout
            | Self::Vanished
            | Self::ProtocolError
            | Self::TooMuch
            | Self::MessagesPerSecond
            | Self::TokenExpired => true,
            Self::ConnectionsMax | Self::ConnectionsPerAddress | Self::Shutdown => false,
        }
    }
}

/// All counters of the process.
#[derive(Debug)]
pub(crate) struct Stats {
    pub(crate) started: Instant,
    pub(crate) published: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) refusals: Refusals,
    shards: [Shard; SHARDS],
}

// 128 bytes: two cache lines, which is what x86 prefetches at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard([Counters; Kind::ALL.len()]);

#[derive(Debug, Default)]
struct Counters {
    open: AtomicU64,
    opened: AtomicU64,
    delivered: AtomicU64,
    answered: AtomicU64,
    empty: AtomicU64,
    gaps: AtomicU64,
    ignored: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    ended: [AtomicU64; Reason::ALL.len()],
}

/// What was brought to connections of one kind, counted where it is brought, and told to the counters at once: one by one, each delivery
/// would have to look up its connection's meter, which of thousands is in no cache.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) delivered: u64,
    /// Polls that were answered with something.
    pub(crate) answered: u64,
    pub(crate) bytes_written: u64,
}

/// A [`Tally`] for each kind.
#[derive(Debug, Default)]
pub(crate) struct Tallies([Tally; Kind::ALL.len()]);

impl Tallies {
    pub(crate) fn of(&mut self, kind: Kind) -> &mut Tally {
        &mut self.0[kind as usize]
    }
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            started: clock::now(),
            published: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            refusals: Refusals::default(),
            shards: Default::default(),
        }
    }

    /// The counters of one kind, added up.
    pub(crate) fn connections(&self, kind: Kind) -> ConnectionStats {
        let mut sum = ConnectionStats::default();
        for shard in &self.shards {
            let counters = &shard.0[kind as usize];
            sum.open += counters.open.load(Relaxed);
            sum.opened += counters.opened.load(Relaxed);
            sum.delivered += counters.delivered.load(Relaxed);
            sum.answered += counters.answered.load(Relaxed);
            sum.empty += counters.empty.load(Relaxed);
            sum.gaps += counters.gaps.load(Relaxed);
            sum.bytes_read += counters.bytes_read.load(Relaxed);
            sum.bytes_written += counters.bytes_written.load(Relaxed);
            for reason in Reason::ALL {
                let count = counters.ended[reason as usize].load(Relaxed);
                if count > 0 {
                    *sum.ended.entry(reason.name().to_owned()).or_default() += count;
                }
            }
        }
        sum
    }

    /// The server ended a session of `kind`, whatever connections it had.
    pub(crate) fn ended(&self, kind: Kind, reason: Reason) {
        self.shards[0].0[kind as usize].ended[reason as usize].fetch_add(1, Relaxed);
        if reason.is_abnormal() {
            tracing::warn!(target: ENDS, transport = kind.name(), reason = reason.name(), "session ended");
        }
    }

    /// A session of `kind` was told a gap.
    pub(crate) fn gap(&self, kind: Kind) {
        self.shards[0].0[kind as usize].gaps.fetch_add(1, Relaxed);
    }

    /// Counts what was tallied, as if it had been brought to the connection of this `number`, and begins anew.
    pub(crate) fn settle(&self, tallies: &mut Tallies, number: u32) {
        for (counters, tally) in self.shards[number as usize % SHARDS].0.iter().zip(&mut tallies.0) {
            let Tally { delivered, answered, bytes_written } = std::mem::take(tally);
            for (counter, count) in [
                (&counters.delivered, delivered),
                (&counters.answered, answered),
                (&counters.bytes_written, bytes_written),
            ] {
                if count > 0 {
                    counter.fetch_add(count, Relaxed);
                }
            }
        }
    }

    /// Messages of clients that were ignored by rule.
    pub(crate) fn ignored(&self, kind: Kind) -> u64 {
        self.shards.iter().map(|shard| shard.0[kind as usize].ignored.load(Relaxed)).sum()
    }
}

/// Counts one connection, from when it was accepted until this is dropped.
#[derive(Debug)]
pub(crate) struct Meter {
    stats: Arc<Stats>,
    number: u32,
    /// Whose connection it is, for the log.
    peer: Option<SocketAddr>,
    kind: AtomicU8,
    /// Bytes read since the last request was labelled: they belong to the request that comes.
    unlabelled: AtomicU64,
    /// True when the HTTP layer has written out everything that it was given; see `detour.rs`.
    flushed: AtomicBool,
    /// Its place among the connections of its address, where somebody watches those.
    visit: Option<Arc<Visit>>,
    /// True for a stream of HTTP/2.
    is_stream: bool,
}

impl Meter {
    /// Counts the `number`th connection, as `other` until it is labelled.
    pub(crate) fn new(stats: Arc<Stats>, number: u64) -> Self {
        let meter = Self {
            stats,
            number: number as u32,
            peer: None,
            kind: AtomicU8::new(Kind::Other as u8),
            unlabelled: AtomicU64::new(0),
            flushed: AtomicBool::new(true),
            visit: None,
            is_stream: false,
        };
        meter.counters().open.fetch_add(1, Relaxed);
        meter.counters().opened.fetch_add(1, Relaxed);
        meter
    }

    /// The same, of an address that is watched.
    pub(crate) fn of_visit(mut self, visit: Option<Arc<Visit>>) -> Self {
        self.visit = visit;
        self
    }

    /// The counters of the process.
    pub(crate) fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    pub(crate) fn visit(&self) -> Option<&Visit> {
        self.visit.as_deref()
    }

    /// The same, of a stream of HTTP/2, which is asked one thing and ends with the answer.
    pub(crate) fn of_stream(mut self) -> Self {
        self.is_stream = true;
        self
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Says whose connection it is.
    pub(crate) fn of_peer(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Tells connections apart: this is the `number`th since the server started, less 2^32 for each time that so many were.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    fn of(&self, kind: u8) -> &Counters {
        &self.stats.shards[self.number as usize % SHARDS].0[usize::from(kind)]
    }

    fn counters(&self) -> &Counters {
        self.of(self.kind.load(Relaxed))
    }

    /// Says what the request that was just read is for. The connection, and what was read of this request, move to `kind`.
    pub(crate) fn label(&self, kind: Kind) {
        let read = self.unlabelled.swap(0, Relaxed);
        let before = self.kind.swap(kind as u8, Relaxed);
        if before == kind as u8 {
            return;
        }
        let (from, to) = (self.of(before), self.of(kind as u8));
        from.open.fetch_sub(1, Relaxed);
        to.open.fetch_add(1, Relaxed);
        if before == Kind::Other as u8 {
            from.opened.fetch_sub(1, Relaxed);
        }
        to.opened.fetch_add(1, Relaxed);
        from.bytes_read.fetch_sub(read, Relaxed);
        to.bytes_read.fetch_add(read, Relaxed);
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.counters().bytes_read.fetch_add(bytes as u64, Relaxed);
        self.unlabelled.fetch_add(bytes as u64, Relaxed);
    }

    /// What the connection carries by now.
    pub(crate) fn kind(&self) -> Kind {
        Kind::ALL[usize::from(self.kind.load(Relaxed))]
    }

    /// Bytes of an answer to a request of `kind`, which need not be the last that was labelled.
    pub(crate) fn written(&self, kind: Kind, bytes: usize) {
        self.of(kind as u8).bytes_written.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn delivered(&self, notifications: usize) {
        self.counters().delivered.fetch_add(notifications as u64, Relaxed);
    }

    /// A poll was answered with so many notifications.
    pub(crate) fn answered(&self, notifications: usize) {
        self.counters().answered.fetch_add(1, Relaxed);
        if notifications == 0 {
            self.counters().empty.fetch_add(1, Relaxed);
        }
        self.delivered(notifications);
    }

    pub(crate) fn gap(&self) {
        self.counters().gaps.fetch_add(1, Relaxed);
    }

    pub(crate) fn ignored(&self) {
        self.counters().ignored.fetch_add(1, Relaxed);
    }

    /// The server ends the connection, or what it carries.
    pub(crate) fn ended(&self, reason: Reason) {
        self.counters().ended[reason as usize].fetch_add(1, Relaxed);
        if reason.is_abnormal() {
            let (transport, peer) = (self.kind().name(), self.peer.map(tracing::field::display));
            tracing::warn!(target: ENDS, transport, reason = reason.name(), peer, "connection ended");
        }
    }

    /// The connection was turned away at the door.
    pub(crate) fn turned_away(&self, guard: Option<Guard>) {
        self.ended(match guard {
            Some(Guard::ConnectionsPerAddress) => Reason::ConnectionsPerAddress,
            _ => Reason::ConnectionsMax,
        });
        if let Some(guard) = guard {
            self.stats.refusals.add(guard);
        }
    }

    /// A request of the connection was refused before it was one.
    pub(crate) fn refused(&self, guard: Guard) {
        self.stats.refusals.add(guard);
    }

    pub(crate) fn set_flushed(&self, flushed: bool) {
        self.flushed.store(flushed, Relaxed);
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.flushed.load(Relaxed)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.counters().open.fetch_sub(1, Relaxed);
    }
}
