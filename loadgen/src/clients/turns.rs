//! Answers first, then the next questions: who asks again waits until no answer is left unread.
//!
//! One notification answers thousands of held polls within milliseconds, and every client wants to ask again at once. Sending a
//! request costs the kernel twice what reading an answer does (8.5 us against 4, 10,000 clients on one core), so clients that
//! ask while answers wait stamp those late: the player's loop lag was 35 ms at the 99th percentile. With turns, answers are
//! read and stamped as they come, and requests go out in the gaps.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock;
use crate::recording::Recorder;

/// Requests sent between two looks for answers: some tenths of a millisecond.
const AT_A_TIME: usize = 16;
/// Longest time for which a turn is put off. To read the answers of 50,000 clients takes a player 200 ms, so only a stream of answers
/// that does not end comes near it; then clients ask all the same, and answers that wait behind them show as loop lag.
const LONGEST_PUT_OFF: Duration = Duration::from_millis(250);

/// Those who want to ask again, in the order in which they were answered.
#[derive(Debug)]
pub struct Questions<T> {
    /// With the instants since which they have waited, ns.
    waiting: VecDeque<(u64, T)>,
}

impl<T> Default for Questions<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

impl<T> Questions<T> {
    /// True when nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Has somebody wait, `since_ns`.
    pub fn push(&mut self, since_ns: u64, who: T) {
        self.waiting.push_back((since_ns, who));
    }

    /// How many are to ask now: a few while it `is_quiet`, so that no answer is left unread, and otherwise those who have waited for
    /// as long as anybody may.
    pub fn due(&self, is_quiet: bool) -> usize {
        if is_quiet {
            return self.waiting.len().min(AT_A_TIME);
        }
        let Some(&(first, _)) = self.waiting.front() else { return 0 };
        let now = clock::now_ns();
        let is_overdue = |since: u64| now.saturating_sub(since) >= LONGEST_PUT_OFF.as_nanos() as u64;
        if is_overdue(first) { self.waiting.partition_point(|&(since, _)| is_overdue(since)) } else { 0 }
    }

    /// Takes the first, with the instant (ns) since which it has waited.
    pub fn pop(&mut self) -> Option<(u64, T)> {
        self.waiting.pop_front()
    }
}

/// The clients of a player that want to ask again in a task of their own: because they connect, or something has gone other than usual.
/// Who sits in the [reading room](crate::reading_room) has its turn there.
#[derive(Debug, Default)]
pub struct Turns {
    waiting: RefCell<Questions<Waker>>,
    wanted: Notify,
}

impl Turns {
    /// Waits for this client's turn, and records for how long. Somebody must [lead](Self::lead).
    pub async fn turn(&self, recorder: &Recorder) {
        let since = clock::now_ns();
        let mut has_queued = false;
        poll_fn(|cx| {
            if has_queued {
                return Poll::Ready(());
            }
            has_queued = true;
            self.waiting.borrow_mut().push(since, cx.waker().clone());
            self.wanted.notify_one();
            Poll::Pending
        })
        .await;
        recorder.record_turn_wait(clock::now_ns().saturating_sub(since));
    }

    /// Gives turns, for as long as it is polled: a few whenever one round of the event loop has brought no answer, and to
    /// everybody who has waited for `LONGEST_PUT_OFF`.
    ///
    /// While turns are held back, fewer and fewer answers are outstanding, so that bound is for who is answered all the time.
    pub async fn lead(&self, recorder: &Recorder) {
        loop {
            if self.waiting.borrow().is_empty() {
                self.wanted.notified().await;
            }
            let answered = recorder.counters().polls;
            tokio::task::yield_now().await;
            let is_quiet = recorder.counters().polls == answered;
            let mut waiting = self.waiting.borrow_mut();
            for _ in 0..waiting.due(is_quiet) {
                if let Some((_, client)) = waiting.pop() {
                    client.wake();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;
    use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};

    const CLIENTS: usize = 3 * AT_A_TIME;

    /// A player whose clients all want their turn at once.
    struct Scene {
        recorder: Rc<Recorder>,
        asked: Rc<Cell<usize>>,
        clients: Vec<JoinHandle<()>>,
    }

    impl Scene {
        fn begin() -> Self {
            let turns = Rc::new(Turns::default());
            let (recorder, asked) = (Rc::new(Recorder::new(Rc::default())), Rc::new(Cell::new(0)));
            let (led, leader) = (Rc::clone(&turns), Rc::clone(&recorder));
            spawn_local(async move { led.lead(&leader).await });
            let client = |_| {
                let (turns, recorder, asked) = (Rc::clone(&turns), Rc::clone(&recorder), Rc::clone(&asked));
                spawn_local(async move {
                    turns.turn(&recorder).await;
                    asked.set(asked.get() + 1);
                })
            };
            let clients = (0..CLIENTS).map(client).collect();
            Self { recorder, asked, clients }
        }

        /// One round of the event loop that brings an answer.
        async fn answer(&self) {
            self.recorder.count(|counters| counters.polls += 1);
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn nobody_asks_while_answers_come_and_all_ask_in_the_end() {
        let scene = async {
            let scene = Scene::begin();
            for _ in 0..50 {
                scene.answer().await;
            }
            assert_eq!(scene.asked.get(), 0);
            for client in scene.clients {
                client.await.unwrap();
            }
            assert_eq!(scene.asked.get(), CLIENTS);
            assert_eq!(scene.recorder.snapshot(false).turn_wait.len(), CLIENTS as u64, "each wait is on the books");
        };
        LocalSet::new().run_until(scene).await;
    }

    #[tokio::test]
    async fn answers_that_never_end_put_nobody_off_for_longer_than_the_bound() {
        let scene = async {
            let scene = Scene::begin();
            let began = clock::now();
            while scene.asked.get() < CLIENTS {
                scene.answer().await;
                assert!(clock::now() < began + LONGEST_PUT_OFF * 40, "{} have asked", scene.asked.get());
            }
            let waits = scene.recorder.snapshot(false).turn_wait;
            assert!(waits.min() >= LONGEST_PUT_OFF.as_nanos() as u64 * 999 / 1_000, "{}", waits.min());
        };
        LocalSet::new().run_until(scene).await;
    }
}
