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

use tokio::sync::Notify;

use crate::recording::Recorder;

/// Requests sent between two looks for answers: some tenths of a millisecond.
const AT_A_TIME: usize = 16;

/// The clients of a player that want to ask again, in the order in which they were answered.
#[derive(Debug, Default)]
pub struct Turns {
    waiting: RefCell<VecDeque<Waker>>,
    wanted: Notify,
}

impl Turns {
    /// Waits for this client's turn. Somebody must [lead](Self::lead).
    pub async fn turn(&self) {
        let mut has_queued = false;
        poll_fn(|cx| {
            if has_queued {
                return Poll::Ready(());
            }
            has_queued = true;
            self.waiting.borrow_mut().push_back(cx.waker().clone());
            self.wanted.notify_one();
            Poll::Pending
        })
        .await;
    }

    /// Gives turns, for as long as it is polled: a few whenever one round of the event loop has brought no answer.
    ///
    /// It cannot starve anybody: while turns are held back, fewer and fewer answers are outstanding.
    pub async fn lead(&self, recorder: &Recorder) {
        loop {
            if self.waiting.borrow().is_empty() {
                self.wanted.notified().await;
            }
            let answered = recorder.counters().polls;
            tokio::task::yield_now().await;
            if recorder.counters().polls == answered {
                let mut waiting = self.waiting.borrow_mut();
                let next = waiting.len().min(AT_A_TIME);
                waiting.drain(..next).for_each(Waker::wake);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    #[tokio::test]
    async fn nobody_asks_while_answers_come_and_all_ask_in_the_end() {
        let turns = Rc::new(Turns::default());
        let recorder = Rc::new(Recorder::new(Rc::default()));
        let asked = Rc::new(Cell::new(0));
        let local = LocalSet::new();
        local.spawn_local({
            let (turns, recorder) = (Rc::clone(&turns), Rc::clone(&recorder));
            async move { turns.lead(&recorder).await }
        });
        local
            .run_until(async {
                let clients: Vec<_> = (0..3 * AT_A_TIME)
                    .map(|_| {
                        let (turns, asked) = (Rc::clone(&turns), Rc::clone(&asked));
                        spawn_local(async move {
                            turns.turn().await;
                            asked.set(asked.get() + 1);
                        })
                    })
                    .collect();
                for _ in 0..50 {
                    recorder.count(|counters| counters.polls += 1);
                    yield_now().await;
                }
                assert_eq!(asked.get(), 0);
                for client in clients {
                    client.await.unwrap();
                }
                assert_eq!(asked.get(), 3 * AT_A_TIME);
            })
            .await;
    }
}
