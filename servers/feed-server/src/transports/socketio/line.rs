//! What the connections of one session share: its room, and who of them is busy.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Waker};

use tokio::sync::{oneshot, watch};

use super::room::Room;

/// One Engine.IO session, as we see it. The library keeps it with the request that opened the session, and drops it at its end.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) room: Room,
    posting: AtomicBool,
    wired: AtomicBool,
    /// True from the probe of an upgrade until that has succeeded or failed: polls are then answered with nothing.
    probed: watch::Sender<bool>,
    /// Somebody waits until the library has let the client in.
    entering: Mutex<Option<oneshot::Sender<()>>>,
    hung_up: AtomicBool,
    /// Who waits to read from the session's WebSocket, and who to write to it.
    waiting: Mutex<[Option<Waker>; 2]>,
    listed: OnceLock<(Weak<Lines>, String)>,
}

/// Which way a waker waits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    In,
    Out,
}

impl Line {
    /// A session's, with room for `bytes_max` bytes of notifications under way.
    pub(super) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            room: Room::new(bytes_max),
            posting: AtomicBool::new(false),
            wired: AtomicBool::new(false),
            probed: watch::Sender::new(false),
            entering: Mutex::default(),
            hung_up: AtomicBool::new(false),
            waiting: Mutex::default(),
            listed: OnceLock::new(),
        })
    }

    /// True for the one who may post; it says `posted` afterwards.
    pub(super) fn post(&self) -> bool {
        !self.posting.swap(true, Ordering::AcqRel)
    }

    pub(super) fn posted(&self) {
        self.posting.store(false, Ordering::Release);
    }

    /// True for the first WebSocket of a session.
    pub(super) fn wire(&self) -> bool {
        !self.wired.swap(true, Ordering::AcqRel)
    }

    /// The WebSocket came to nothing: there may be another.
    pub(super) fn unwire(&self) {
        self.probed.send_replace(false);
        self.wired.store(false, Ordering::Release);
    }

    /// The client has probed: it polls no more.
    pub(super) fn probed(&self) {
        self.probed.send_replace(true);
    }

    /// The client has upgraded: the library knows from now on what to say to polls.
    pub(super) fn upgraded(&self) {
        self.probed.send_replace(false);
    }

    /// Waits for a probe.
    pub(super) async fn until_probed(&self) {
        // The sender lives as long as this does.
        drop(self.probed.subscribe().wait_for(|probed| *probed).await);
    }

    /// The client is about to enter; what comes out of this is told when it has, and dropped when it does not.
    pub(super) fn enters(&self) -> oneshot::Receiver<()> {
        let (told, entered) = oneshot::channel();
        *lock(&self.entering) = Some(told);
        entered
    }

    /// The client has entered.
    pub(super) fn entered(&self) {
        if let Some(told) = lock(&self.entering).take() {
            // Who waited has gone with the client.
            let _ = told.send(());
        }
    }

    /// Ends the session's WebSocket as if the client had gone.
    pub(super) fn hang_up(&self) {
        self.hung_up.store(true, Ordering::Release);
        lock(&self.waiting).iter_mut().filter_map(Option::take).for_each(Waker::wake);
    }

    /// True when it was hung up; otherwise wakes `cx` when it is.
    pub(super) fn is_hung_up(&self, way: Way, cx: &Context<'_>) -> bool {
        let mut waiting = lock(&self.waiting);
        let place = &mut waiting[way as usize];
        if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *place = Some(cx.waker().clone());
        }
        self.hung_up.load(Ordering::Acquire)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some((lines, sid)) = self.listed.take()
            && let Some(lines) = lines.upgrade()
        {
            lock(&lines.0).remove(&sid);
        }
    }
}

/// The sessions that began with polling, by their id: what comes later names it.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<HashMap<String, Weak<Line>>>);

impl Lines {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        lock(&self.0).len()
    }

    /// Enters `line` until it is dropped.
    pub(super) fn list(self: &Arc<Self>, sid: String, line: &Arc<Line>) {
        lock(&self.0).insert(sid.clone(), Arc::downgrade(line));
        // A line is listed once, when its session has begun.
        let _ = line.listed.set((Arc::downgrade(self), sid));
    }

    /// The line of a session.
    pub(super) fn find(&self, sid: &str) -> Option<Arc<Line>> {
        lock(&self.0).get(sid)?.upgrade()
    }
}

// What is under these locks is whole between any two statements that could panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_listed_as_long_as_somebody_keeps_it() {
        let lines = Arc::new(Lines::default());
        let line = Line::new(1);
        lines.list("abc".to_owned(), &line);
        assert!(lines.find("abc").is_some() && lines.find("abd").is_none());
        drop(line);
        assert!(lines.find("abc").is_none());
        assert_eq!(lines.count(), 0);
    }
}
