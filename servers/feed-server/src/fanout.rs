//! One notification to everybody who waits for it: readers who have seen everything sit down, and what comes is brought to them.
//!
//! A task for each reader would have to be woken, scheduled and polled for every delivery, which costs about a third of the
//! `send` that it is for. One task a row walks from seat to seat instead, with bytes that were encoded once, and its part of a delivery
//! is the system call. A reader's own task sleeps on, until its client says something, a timer comes, or the socket is full.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use feed::Cursor;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::clock;
use crate::hub::{Batch, Head, Log};
use crate::outlet::Outlet;
use crate::socket::Socket;
use crate::stats::{Kind, Tallies};
use crate::window::{Encoded, Limit};

/// What is brought at a time: a burst of hundreds in one `send`, and no more than an empty socket takes.
pub(crate) const ROUND: Limit = Limit { count: 1024, bytes: 64 << 10 };
/// Seats served in a row; then other tasks get their turn. Half a millisecond of system calls.
const TURN: usize = 64;
/// Abandoned seats in a row at which it is cleared, if they are half of it: a topic that is silent while readers come and go would
/// else collect them.
const ABANDONED_MAX: usize = 64;

/// How a reader takes what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As WebSocket frames.
    Frames,
    /// As events in chunks.
    Events,
    /// As events that stand in no chunk.
    BareEvents,
    /// As the answer to a poll, after which HTTP goes on. Its reader is not roused for it, but by what its client says next.
    Answer,
    /// Not at all: it is only called.
    Call,
}

/// All rows of one topic; connections are spread over them, so that several workers can serve them.
#[derive(Debug)]
pub(crate) struct Fanout {
    rows: Box<[Mutex<Row>]>,
}

#[derive(Debug, Default)]
struct Row {
    seats: Vec<Arc<Seat>>,
    /// Seats whose readers have gone for good.
    abandoned: usize,
    /// True while a task serves it.
    is_served: bool,
}

/// A reader's place in a row, for as long as it reads.
#[derive(Debug)]
struct Seat(Mutex<Place>);

#[derive(Debug)]
struct Place {
    /// `None` when the reader has gone.
    outlet: Option<Outlet>,
    /// How it takes what comes, and under which kind that counts; `None` while it stands, and writes itself.
    sits: Option<(Form, Kind)>,
    /// True when it got up because it was answered.
    is_answered: bool,
    waker: Option<Waker>,
}

/// A seat as its reader has it. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Chair {
    seat: Arc<Seat>,
    log: Arc<Log>,
    row: u32,
    is_in_row: bool,
}

/// Why a reader got up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roused {
    /// Somebody called: there are news that it has to see to itself, or were when it wanted to sit down.
    Called,
    /// It has got the answer that it waited for.
    Answered,
    /// The client said something, or went.
    Readable,
    /// There is room to write.
    Writable,
}

impl Fanout {
    /// Rows without seats.
    pub(crate) fn new(rows: usize) -> Self {
        Self { rows: (0..rows.max(1)).map(|_| Mutex::default()).collect() }
    }
}

impl Chair {
    /// A chair for the `number`th connection, with its outlet; nobody sits on it yet.
    pub(crate) fn new(log: Arc<Log>, outlet: Outlet, number: usize) -> Self {
        let row = (number % log.fanout().rows.len()) as u32;
        let place = Place { outlet: Some(outlet), sits: None, is_answered: false, waker: None };
        Self { seat: Arc::new(Seat(Mutex::new(place))), log, row, is_in_row: false }
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Does something with the outlet, for a reader who stands.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Outlet) -> T) -> T {
        let mut place = lock(&self.seat.0);
        debug_assert!(place.sits.is_none(), "who sits does not write");
        act(place.outlet.as_mut().expect("it is there until its reader goes"))
    }

    /// The socket, for a reader who goes.
    pub(crate) fn into_socket(self) -> Option<Socket> {
        lock(&self.seat.0).outlet.take().map(|outlet| outlet.socket)
    }

    /// Sits down, if nothing has been announced that this has not seen, and stays until something comes for which it has to get up.
    /// `is_told` says that it knows of a server that stops. `also` is polled as well, and rouses when it is ready.
    pub(crate) async fn sit(
        &mut self,
        form: Form,
        is_told: bool,
        listens: bool,
        mut also: impl FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> Option<Roused> {
        if !self.take_seat(form, is_told) {
            return Some(Roused::Called);
        }
        let roused = std::future::poll_fn(|cx| {
            let mut place = lock(&self.seat.0);
            let place = &mut *place;
            let outlet = place.outlet.as_ref().expect("it is there until its reader goes");
            if place.sits.is_none() {
                return Poll::Ready(Some(Roused::Called));
            }
            if also(cx).is_ready() {
                return Poll::Ready(None);
            }
            if listens && outlet.socket.poll_read_ready(cx).is_ready() {
                return Poll::Ready(Some(Roused::Readable));
            }
            if outlet.blocked.is_some() && outlet.socket.poll_write_ready(cx).is_ready() {
                return Poll::Ready(Some(Roused::Writable));
            }
            match &mut place.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await;
        let mut place = lock(&self.seat.0);
        place.sits = None;
        if std::mem::take(&mut place.is_answered) { Some(Roused::Answered) } else { roused }
    }

    fn take_seat(&mut self, form: Form, is_told: bool) -> bool {
        let mut row = lock(&self.log.fanout().rows[self.row as usize]);
        // Under the lock under which a round takes its seats, and after which it has read what it brings: whatever is
        // announced from here on finds us here.
        let mut watch = None;
        let head =
            if row.is_served { self.log.announced() } else { *watch.insert(self.log.watch()).borrow_and_update() };
        let counted = {
            let mut place = lock(&self.seat.0);
            let Place { outlet, sits, .. } = &mut *place;
            let outlet = outlet.as_ref().expect("it is there until its reader goes");
            if (head.closing && !is_told) || (outlet.blocked.is_none() && head.is_beyond(outlet.cursor)) {
                return false;
            }
            let meter = outlet.socket.meter();
            *sits = Some((form, meter.kind()));
            watch.as_ref().map(|_| (meter.stats().clone(), meter.number()))
        };
        if !self.is_in_row {
            row.seats.push(self.seat.clone());
            self.is_in_row = true;
        }
        if let (Some(watch), Some((stats, shard))) = (watch, counted) {
            row.is_served = true;
            let count = move |tallies: &mut Tallies| stats.settle(tallies, shard);
            tokio::spawn(serve(self.log.clone(), self.row as usize, watch, head.cursor, count));
        }
        true
    }
}

impl Drop for Chair {
    fn drop(&mut self) {
        drop(lock(&self.seat.0).outlet.take());
        if !self.is_in_row {
            return;
        }
        let mut row = lock(&self.log.fanout().rows[self.row as usize]);
        row.abandoned += 1;
        if row.abandoned >= ABANDONED_MAX && 2 * row.abandoned >= row.seats.len() {
            row.seats.retain(|seat| !seat.is_abandoned());
            row.abandoned = 0;
        }
    }
}

/// Brings everything that is announced after what `head` has `seen` to everybody in a row, until it is empty, and has it counted.
async fn serve(
    log: Arc<Log>,
    row: usize,
    mut head: watch::Receiver<Head>,
    mut seen: Cursor,
    count: impl Fn(&mut Tallies),
) {
    let row = &log.fanout().rows[row];
    let mut tallies = Tallies::default();
    let mut has_told = false;
    while head.changed().await.is_ok() {
        let Head { cursor, closing } = *head.borrow_and_update();
        // That the server stops, everybody has to hear once, to know when to go.
        let mut tells = closing && !has_told;
        has_told = closing;
        loop {
            let parcel = Parcel::read(&log, seen, cursor);
            // The seats are taken after the news were read: who sits down from now on has seen them.
            let mut seats = std::mem::take(&mut lock(row).seats);
            let mut next = 0;
            while next < seats.len() {
                let now = clock::now();
                let turn = next + TURN;
                while next < seats.len().min(turn) {
                    if seats[next].is_abandoned() {
                        seats.swap_remove(next);
                        continue;
                    }
                    match &parcel {
                        Some(parcel) if !tells => seats[next].bring(parcel, now, &mut tallies),
                        _ => seats[next].call(),
                    }
                    next += 1;
                }
                count(&mut tallies);
                yield_now().await;
            }
            tells = false;
            let mut row = lock(row);
            seats.append(&mut row.seats);
            row.seats = seats;
            row.abandoned = 0;
            if row.seats.is_empty() {
                row.is_served = false;
                return;
            }
            match parcel {
                Some(parcel) if parcel.batch.cursor != cursor => seen = parcel.batch.cursor,
                _ => break,
            }
        }
        seen = cursor;
    }
}

/// What is brought in one round: the same bytes to everybody who takes them in the same form.
struct Parcel {
    log: Arc<Log>,
    from: Cursor,
    batch: Batch,
    frames: OnceLock<Bytes>,
    events: OnceLock<Bytes>,
    bare: OnceLock<Bytes>,
    answer: OnceLock<Bytes>,
}

impl Parcel {
    /// What lies between two cursors; `None` when that is lost, or nothing.
    fn read(log: &Arc<Log>, from: Cursor, to: Cursor) -> Option<Self> {
        let count = to.offset.checked_sub(from.offset).filter(|count| *count > 0 && to.epoch == from.epoch)?;
        let limit = Limit { count: ROUND.count.min(count as usize), ..ROUND };
        let batch = log.after(from, limit).ok()?;
        let log = log.clone();
        let [frames, events, bare, answer] = [const { OnceLock::new() }; 4];
        Some(Self { log, from, batch, frames, events, bare, answer })
    }

    fn frames(&self) -> &Bytes {
        self.frames.get_or_init(|| self.joined(Encoded::frame))
    }

    fn events(&self) -> &Bytes {
        self.events.get_or_init(|| self.joined(Encoded::sse))
    }

    fn bare_events(&self) -> &Bytes {
        self.bare.get_or_init(|| self.joined(Encoded::event))
    }

    fn answer(&self) -> &Bytes {
        self.answer.get_or_init(|| Answer::of(&self.log, self.batch.clone()).to_bytes(None, true).into())
    }

    fn joined(&self, encoded: fn(&Encoded) -> Bytes) -> Bytes {
        match &self.batch.entries[..] {
            [entry] => encoded(entry),
            entries => entries.iter().map(|entry| encoded(entry)).collect::<Vec<_>>().concat().into(),
        }
    }
}

impl Seat {
    /// True when only the row still knows of it.
    fn is_abandoned(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
    }

    /// Rouses whoever sits here.
    fn call(&self) {
        let mut place = lock(&self.0);
        if place.sits.take().is_some() || place.is_answered {
            place.wake();
        }
    }

    /// Brings what comes after its cursor to whoever sits here; rouses them when there is something left for them to do.
    fn bring(&self, parcel: &Parcel, now: Instant, tallies: &mut Tallies) {
        let mut place = lock(&self.0);
        let Place { outlet: Some(outlet), sits: Some((form, kind)), .. } = &mut *place else { return };
        let (form, tally, to) = (*form, tallies.of(*kind), parcel.batch.cursor);
        if outlet.cursor.epoch == to.epoch && outlet.cursor.offset >= to.offset {
            return;
        }
        let entries = &parcel.batch.entries;
        let is_done = match form {
            _ if outlet.cursor != parcel.from => false,
            Form::Frames => outlet.carry(parcel.frames(), entries.iter().map(|entry| entry.frame()), now, tally),
            Form::Events => outlet.carry(parcel.events(), entries.iter().map(|entry| entry.sse()), now, tally),
            Form::BareEvents => {
                outlet.carry(parcel.bare_events(), entries.iter().map(|entry| entry.event()), now, tally)
            }
            Form::Answer => {
                let took_all = outlet.answer(parcel.answer(), entries.len(), to, now, tally);
                (place.sits, place.is_answered) = (None, true);
                took_all
            }
            Form::Call => false,
        };
        if !is_done {
            place.sits = None;
            place.wake();
        }
    }
}

impl Place {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

// Nothing that could panic is done halfway under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
