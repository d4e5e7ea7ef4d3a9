//! A seat in the reading room: a client that is read, and asks, without a task, for as long as that is all it does.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::{Reading, Wish};
use crate::clients::ClientError;
use crate::clock;
use crate::recording::Account;

/// Times in a row that one stream is read before the others: a stream without a pause is read on after them.
pub(super) const READINGS: usize = 4;

/// Why a client left its seat.
pub(super) enum Left {
    /// All clients are to leave.
    Stopped,
    /// Its stream was lost.
    Lost(ClientError),
    /// It has something to do that takes a task: to say what its socket did not take, or what else [it wishes](Wish::ToLeave).
    Aside,
}

/// A client in the room.
pub(super) struct Seat<C> {
    pub(super) client: C,
    pub(super) account: Account,
    left: Option<Left>,
    waker: Option<Waker>,
}

/// What was received.
#[derive(Default)]
pub(super) struct Receipt {
    pub(super) bytes: usize,
    /// True when there may be more.
    pub(super) has_more: bool,
    /// Since when the client wants to ask, ns, if this made it want to.
    pub(super) asks_since: Option<u64>,
}

pub(super) trait Seated {
    /// Receives what came, into `scratch`; `may_have_ended` when the queue may not say once more that something is there.
    fn receive(&self, scratch: &mut [u8], may_have_ended: bool) -> Receipt;

    /// Has the client ask, if that is what it wants; it has waited `since_ns`.
    fn ask(&self, since_ns: u64);
}

impl<C: Reading> Seated for RefCell<Seat<C>> {
    fn receive(&self, scratch: &mut [u8], may_have_ended: bool) -> Receipt {
        let mut seat = self.borrow_mut();
        if seat.left.is_some() {
            return Receipt::default();
        }
        let received = seat.take_in(scratch, may_have_ended);
        // What is left unread is read when it sits down again.
        seat.stay(received).unwrap_or_default()
    }

    fn ask(&self, since_ns: u64) {
        let mut seat = self.borrow_mut();
        // Somebody else may have taken the place meanwhile.
        if seat.left.is_some() || seat.client.wish() != Wish::ToAsk {
            return;
        }
        let Seat { client, account, .. } = &mut *seat;
        account.recorder().record_turn_wait(clock::now_ns().saturating_sub(since_ns));
        let asked = client.ask(account);
        seat.stay(asked);
    }
}

impl<C: Reading> Seat<C> {
    /// Moves a client into a seat.
    #[expect(
        clippy::boxed_local,
        reason = "the boxes go with this call: emptied in a future, they would live as long as that"
    )]
    pub(super) fn take(client: Box<C>, account: Box<Account>) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self { client: *client, account: *account, left: None, waker: None }))
    }

    fn take_in(&mut self, scratch: &mut [u8], may_have_ended: bool) -> Result<Receipt, ClientError> {
        let mut receipt = Receipt::default();
        for _ in 0..READINGS {
            let received = match self.client.connection().receive(scratch) {
                Ok(0) => {
                    self.client.end()?;
                    return Ok(receipt);
                }
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(receipt),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.client.fail(error)?;
                    return Ok(receipt);
                }
            };
            receipt.bytes += received;
            let (at_ns, wished) = (clock::now_ns(), self.client.wish());
            self.client.hear(&scratch[..received], at_ns, &mut self.account)?;
            if wished != Wish::ToAsk && self.client.wish() == Wish::ToAsk {
                receipt.asks_since = Some(at_ns);
            }
            // Less than there was room for is all that there was, but for the end.
            if received < scratch.len() && !may_have_ended {
                return Ok(receipt);
            }
        }
        receipt.has_more = true;
        Ok(receipt)
    }

    /// What it did, unless it leaves its seat because of that.
    fn stay<T>(&mut self, did: Result<T, ClientError>) -> Option<T> {
        let left = match did {
            Err(error) => Left::Lost(error),
            Ok(_) if self.client.connection().owes() || self.client.wish() == Wish::ToLeave => Left::Aside,
            Ok(done) => return Some(done),
        };
        self.left = Some(left);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        None
    }

    pub(super) fn poll_left(&mut self, waker: &Waker) -> Poll<Left> {
        match self.left.take() {
            Some(left) => Poll::Ready(left),
            None => {
                self.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}
