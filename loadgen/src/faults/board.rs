//! Where the clients of a player are told what befalls them: a seat each, which a blow is laid on and taken from.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::{Hit, Sockets};
use crate::clock;

/// What is done to one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// Its connections end with a reset.
    Cut,
    /// It does not read for so long.
    Stall(Duration),
    /// It is heard of no more.
    Vanish,
    /// It leaves properly, and comes back at once.
    Leave,
}

/// The seats of one process's clients, of whom a player has its share.
pub struct Board {
    first: u32,
    seats: Vec<Rc<Seat>>,
    /// Clients done to, by fault.
    done: RefCell<Vec<u64>>,
    /// What vanished: open, and never looked at again.
    graves: RefCell<Vec<Box<dyn Any>>>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").field("seats", &self.seats.len()).field("done", &self.done).finish_non_exhaustive()
    }
}

impl Board {
    /// Seats for `clients`, to whom `faults` faults may happen.
    pub fn new(clients: Range<u32>, faults: usize) -> Self {
        Self {
            first: clients.start,
            seats: clients.map(|_| Rc::default()).collect(),
            done: RefCell::new(vec![0; faults]),
            graves: RefCell::default(),
        }
    }

    /// The seat of a client.
    pub fn seat(&self, client: u32) -> Rc<Seat> {
        Rc::clone(&self.seats[(client - self.first) as usize])
    }

    /// Lays `hits` on their seats as they fall due, the window having begun at `start_ns`. A client that is not live, or still has
    /// to do with the blow before, is passed over.
    pub async fn deal(&self, hits: impl IntoIterator<Item = Hit>, start_ns: u64) {
        let start = clock::instant_at(start_ns);
        for hit in hits {
            clock::sleep_until(start + hit.at).await;
            let seat = &self.seats[(hit.client - self.first) as usize];
            self.done.borrow_mut()[hit.fault] += u64::from(seat.lay(hit.blow));
        }
    }

    /// Clients that each fault was done to.
    pub fn done(&self) -> Vec<u64> {
        self.done.borrow().clone()
    }

    /// Keeps what vanished, open and unread.
    pub fn bury(&self, client: Box<dyn Any>) {
        self.graves.borrow_mut().push(client);
    }

    /// Lets all that vanished go.
    pub fn release(&self) {
        drop(self.graves.take());
    }
}

/// One client's seat.
#[derive(Debug, Default)]
pub struct Seat {
    /// True while its client is live.
    is_taken: Cell<bool>,
    blow: Cell<Option<Blow>>,
    waker: RefCell<Option<Waker>>,
    /// What its client is connected by.
    pub sockets: Sockets,
}

impl Seat {
    /// Takes it, for a client that is live.
    pub fn take(&self) {
        self.is_taken.set(true);
    }

    /// Ready when there is a blow.
    pub async fn struck(&self) {
        poll_fn(|cx| {
            if self.blow.get().is_some() {
                return Poll::Ready(());
            }
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Leaves it, and says what the client was struck with, if it was.
    pub fn leave(&self) -> Option<Blow> {
        self.is_taken.set(false);
        self.waker.take();
        self.blow.take()
    }

    /// Strikes whoever sits here; false where nobody does, or was struck already.
    fn lay(&self, blow: Blow) -> bool {
        if !self.is_taken.get() || self.blow.get().is_some() {
            return false;
        }
        self.blow.set(Some(blow));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blow_finds_who_is_live_and_passes_over_who_is_not() {
        let board = Board::new(10..13, 1);
        let hit = |client| Hit { at: Duration::ZERO, client, fault: 0, blow: Blow::Cut };
        let struck = board.seat(11);
        struck.take();
        board.deal(vec![hit(10), hit(11), hit(11), hit(12)], clock::now_ns()).await;
        assert_eq!(board.done(), [1], "11, once");
        struck.struck().await;
        assert_eq!(struck.leave(), Some(Blow::Cut));
        board.deal(vec![hit(11)], clock::now_ns()).await;
        assert_eq!((board.done(), struck.leave()), (vec![1], None), "it has left its seat");
    }
}
