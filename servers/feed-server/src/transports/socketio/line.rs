//! What the connections of one session share: its room, and who of them is busy.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Waker};

use tokio::sync::{mpsc, oneshot, watch};

use super::room::Room;
use crate::guards::grants::Pass;

/// One Engine.IO session, as we see it. The library keeps it with the request that opened the session, and drops it at its end.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) room: Room,
    /// What the client showed when the session began, where something is asked for: it holds unless another is shown on entering.
    pub(super) pass: Option<Pass>,
    /// How often it was not let in for its token.
    refused: AtomicUsize,
    posting: AtomicBool,
    wired: AtomicBool,
    /// True from the probe of an upgrade until that has succeeded or failed: polls are then answered with nothing.
    probed: watch::Sender<bool>,
    /// Somebody waits until the library has let the client in.
    entering: Mutex<Option<oneshot::Sender<()>>>,
    hung_up: AtomicBool,
    /// True once it is counted why the server ends it, or the client has left.
    ended: AtomicBool,
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
    pub(super) fn new(bytes_max: usize, pass: Option<Pass>) -> Arc<Self> {
        Arc::new(Self {
            room: Room::new(bytes_max),
            pass,
            refused: AtomicUsize::new(0),
            posting: AtomicBool::new(false),
            wired: AtomicBool::new(false),
            probed: watch::Sender::new(false),
            entering: Mutex::default(),
            hung_up: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            waiting: Mutex::default(),
            listed: OnceLock::new(),
        })
    }

    /// For the one who may post, until it drops this: a post that is cancelled is over as well.
    pub(super) fn post(&self) -> Option<Posting<'_>> {
        (!self.posting.swap(true, Ordering::AcqRel)).then_some(Posting(self))
    }

    /// True for the first who has a reason to end the session, unless the client has left before: it is counted once.
    pub(super) fn ends(&self) -> bool {
        !self.ended.swap(true, Ordering::AcqRel)
    }

    /// The client is not let in: how often that has been, this time included.
    pub(super) fn refuse(&self) -> usize {
        self.refused.fetch_add(1, Ordering::AcqRel) + 1
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

    /// Ends the session as if the client had gone: its WebSocket, or what polls.
    pub(super) fn hang_up(&self) {
        let first = !self.hung_up.swap(true, Ordering::AcqRel);
        lock(&self.waiting).iter_mut().filter_map(Option::take).for_each(Waker::wake);
        if first
            && let Some((lines, sid)) = self.listed.get()
            && let Some(lines) = lines.upgrade()
        {
            // Nobody ends sessions any more only when the server is gone.
            let _ = lines.over.send(sid.clone());
        }
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
            lock(&lines.listed).remove(&sid);
        }
    }
}

/// The one post of a session at a time.
#[derive(Debug)]
pub(super) struct Posting<'a>(&'a Line);

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        self.0.posting.store(false, Ordering::Release);
    }
}

/// The sessions that began with polling, by their id: what comes later names it.
#[derive(Debug)]
pub(super) struct Lines {
    listed: Mutex<HashMap<String, Weak<Line>>>,
    /// Places that are taken and not listed yet.
    reserved: AtomicUsize,
    /// Takes the ids of sessions to end, each once.
    over: mpsc::UnboundedSender<String>,
}

/// A place among the lines, for as long as this is kept.
#[derive(Debug)]
pub(super) struct Place(Arc<Lines>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.reserved.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Lines {
    /// None yet; sessions that are hung up are told to `over`.
    pub(super) fn new(over: mpsc::UnboundedSender<String>) -> Self {
        Self { listed: Mutex::default(), reserved: AtomicUsize::new(0), over }
    }

    /// A place for one more, unless there are `max`; it is kept until that one is listed.
    pub(super) fn reserve(self: &Arc<Self>, max: usize) -> Option<Place> {
        let listed = lock(&self.listed);
        (listed.len() + self.reserved.load(Ordering::Acquire) < max).then(|| {
            self.reserved.fetch_add(1, Ordering::AcqRel);
            Place(self.clone())
        })
    }

    /// Enters `line` until it is dropped.
    pub(super) fn list(self: &Arc<Self>, sid: String, line: &Arc<Line>) {
        lock(&self.listed).insert(sid.clone(), Arc::downgrade(line));
        // A line is listed once, when its session has begun.
        let _ = line.listed.set((Arc::downgrade(self), sid));
    }

    /// The line of a session.
    pub(super) fn find(&self, sid: &str) -> Option<Arc<Line>> {
        lock(&self.listed).get(sid)?.upgrade()
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
        let lines = Arc::new(Lines::new(mpsc::unbounded_channel().0));
        let line = Line::new(1, None);
        lines.list("abc".to_owned(), &line);
        assert!(lines.find("abc").is_some() && lines.find("abd").is_none());
        drop(line);
        assert!(lines.find("abc").is_none());
        assert!(lock(&lines.listed).is_empty());
    }

    #[test]
    fn places_that_are_taken_and_not_listed_yet_count() {
        let lines = Arc::new(Lines::new(mpsc::unbounded_channel().0));
        let (first, second) = (lines.reserve(2), lines.reserve(2));
        assert!(first.is_some() && second.is_some() && lines.reserve(2).is_none());
        drop(first);
        assert!(lines.reserve(2).is_some());
    }

    #[test]
    fn a_session_that_is_hung_up_is_ended_once() {
        let (over, mut ended) = mpsc::unbounded_channel();
        let lines = Arc::new(Lines::new(over));
        let line = Line::new(1, None);
        lines.list("abc".to_owned(), &line);
        line.hang_up();
        line.hang_up();
        assert_eq!((ended.try_recv().ok(), ended.try_recv().ok()), (Some("abc".to_owned()), None));
        assert!(line.ends() && !line.ends());
    }

    #[test]
    fn a_post_that_is_dropped_is_over() {
        let line = Line::new(1, None);
        let post = line.post();
        assert!(post.is_some() && line.post().is_none());
        drop(post);
        assert!(line.post().is_some());
    }
}
