//! Where a player reads its streams and held polls: one queue of events for all, one `recv` a delivery, and no task in between.
//!
//! A client that listens has nothing to wait for: it is read when something came. As tasks, 10,000 WebSocket clients cost 1.58
//! times what the floor's reader costs a delivery; read in this room, 1.31 times (medians of two interleaved rounds, 20,000 deliveries a
//! second). One that asks again once it is answered has one `send` more, in its turn. As tasks, 1,000 long-polling clients cost 1.58 times
//! what the floor's reader costs a request; from their seats, 1.29 times (medians of five interleaved rounds, 5,000 requests a second).

mod seat;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Registry, Token};
use slab::Slab;
use tokio::io::unix::AsyncFd;

use self::seat::{Left, Seat, Seated};
use crate::clients::{ClientError, Questions, Stopped};
use crate::recording::Account;
use crate::wire::Connection;

/// Events taken at once, and receipts between two looks at everything else that the player does: about a millisecond.
const AT_A_TIME: usize = 256;
/// Bytes received between two such looks, for streams that bring much at once: about a millisecond, too.
const BYTES_AT_A_TIME: usize = 1 << 20;
/// What rings at a tick.
const TICK: Token = Token(usize::MAX - 1);
/// Bytes read at once: more than any burst that the kernel holds for one of thousands of clients.
const SCRATCH: usize = 64 * 1024;

/// A client that is read here.
#[allow(async_fn_in_trait)]
pub trait Reading: Sized + 'static {
    /// Does what takes a task: waits for what comes before the stream, or for what [kept](Wish::ToLeave) it from being read here.
    async fn begin(&mut self, _: &mut Account) -> Result<(), ClientError> {
        Ok(())
    }

    /// Its connection.
    fn connection(&mut self) -> &mut Connection;

    /// Enters what `bytes`, received at `at_ns`, bring. An error ends the stream.
    fn hear(&mut self, bytes: &[u8], at_ns: u64, account: &mut Account) -> Result<(), ClientError>;

    /// What it wants to do next.
    fn wish(&self) -> Wish {
        Wish::ToListen
    }

    /// Asks, because its turn has come.
    fn ask(&mut self, _: &mut Account) -> Result<(), ClientError> {
        Ok(())
    }

    /// Takes note that nothing more will come. An error ends the stream.
    fn end(&mut self) -> Result<(), ClientError> {
        Err(ClientError::Ended(None))
    }

    /// Takes note that the socket has failed. An error ends the stream.
    fn fail(&mut self, error: io::Error) -> Result<(), ClientError> {
        Err(error.into())
    }
}

/// What a client wants to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To hear more.
    ToListen,
    /// To ask, when it is its turn.
    ToAsk,
    /// To have a task of its own [begin](Reading::begin) anew.
    ToLeave,
}

/// The kernel's queue of sockets that have something to read.
#[derive(Debug)]
pub struct Queue {
    poll: mio::Poll,
    registry: Registry,
}

impl Queue {
    /// An empty queue.
    pub fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        Ok(Self { poll, registry })
    }
}

/// The streams of one player.
pub struct Room {
    registry: Registry,
    /// Until somebody leads.
    poll: RefCell<Option<mio::Poll>>,
    seats: RefCell<Slab<Rc<dyn Seated>>>,
    /// Places of those who have more to be read, of which the queue says nothing again.
    unread: RefCell<Vec<usize>>,
    /// Places of those who want to ask: see [`Turns`](crate::clients::Turns) for why they wait.
    questions: RefCell<Questions<usize>>,
    /// Clients that there will be, once that is known.
    expected: Cell<usize>,
    /// True when something rings here from time to time.
    has_bell: Cell<bool>,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("seats", &self.seats.borrow().len()).finish_non_exhaustive()
    }
}

impl Room {
    /// An empty room.
    pub fn new(queue: Queue) -> Self {
        Self {
            registry: queue.registry,
            poll: RefCell::new(Some(queue.poll)),
            seats: RefCell::default(),
            unread: RefCell::default(),
            questions: RefCell::default(),
            expected: Cell::new(usize::MAX),
            has_bell: Cell::new(false),
        }
    }

    /// Reads `client` until its stream is lost, and says why; `None` when `stopped` before. Somebody must [lead](Self::lead).
    pub async fn listen<C: Reading>(
        &self,
        mut client: Box<C>,
        mut account: Box<Account>,
        mut stopped: Stopped<'_>,
    ) -> (Box<C>, Box<Account>, Option<ClientError>) {
        loop {
            let ready = Box::pin(async {
                client.begin(&mut account).await?;
                // What the client has to say and the socket did not take at once.
                client.connection().write_all(&[]).await?;
                loop {
                    let (kept, at_ns) = client.connection().take_kept();
                    if !kept.is_empty() {
                        client.hear(&kept, at_ns, &mut account)?;
                    }
                    // Of what TLS has taken from the socket, the queue would say nothing.
                    if !client.connection().has_unread() {
                        return Ok(());
                    }
                    if !client.connection().take_in().await? {
                        return client.end();
                    }
                }
            });
            let ready = tokio::select! {
                biased;
                ready = ready => ready,
                () = &mut stopped => return (client, account, None),
            };
            if let Err(error) = ready {
                return (client, account, Some(error));
            }
            if client.wish() != Wish::ToListen {
                continue;
            }
            let left;
            (client, account, left) = self.sit(client, account, stopped.as_mut()).await;
            match left {
                Left::Stopped => return (client, account, None),
                Left::Lost(error) => return (client, account, Some(error)),
                Left::Aside => {}
            }
        }
    }

    /// Has `client` read by whoever leads, until it leaves its seat.
    async fn sit<C: Reading>(
        &self,
        mut client: Box<C>,
        account: Box<Account>,
        mut stopped: Stopped<'_>,
    ) -> (Box<C>, Box<Account>, Left) {
        client.connection().unwatch();
        let socket = client.connection().as_fd().as_raw_fd();
        let seat = Seat::take(client, account);
        let place = self.seats.borrow_mut().insert(Rc::clone(&seat) as Rc<dyn Seated>);
        let left = match self.registry.register(&mut SourceFd(&socket), Token(place), Interest::READABLE) {
            Ok(()) => tokio::select! {
                biased;
                left = poll_fn(|cx| seat.borrow_mut().poll_left(cx.waker())) => left,
                () = &mut stopped => Left::Stopped,
            },
            Err(error) => Left::Lost(error.into()),
        };
        // It fails only where registering did.
        let _ = self.registry.deregister(&mut SourceFd(&socket));
        self.seats.borrow_mut().remove(place);
        let Seat { client, account, .. } = Rc::into_inner(seat).expect("its place was given up").into_inner();
        (Box::new(client), Box::new(account), left)
    }

    /// Has `bell` ring in this room, too, for as long as it lives: what else the player does has its turn then.
    pub fn tick(&self, bell: &impl AsRawFd) -> io::Result<()> {
        self.registry.register(&mut SourceFd(&bell.as_raw_fd()), TICK, Interest::READABLE)?;
        self.has_bell.set(true);
        Ok(())
    }

    /// Says how many clients there will be. Once all have a seat, so that nobody connects or leaves, whoever leads waits here for
    /// the next receipt, until the next tick at the latest: that takes one system call where the runtime needs three.
    pub fn expect(&self, clients: usize) {
        self.expected.set(clients);
    }

    /// Reads all streams, for as long as it is polled.
    pub async fn lead(&self) -> io::Result<()> {
        let Some(poll) = self.poll.take() else { return Ok(()) };
        let mut queue = watch(poll)?;
        let mut events = Events::with_capacity(AT_A_TIME);
        let mut scratch = vec![0; SCRATCH];
        loop {
            let mut ready = queue.readable_mut().await?;
            // What comes from here on rings again.
            ready.clear_ready();
            while self.read_once(ready.get_inner_mut(), &mut events, &mut scratch)? {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Reads until others are to have their turn; false when nothing came in between.
    fn read_once(&self, queue: &mut mio::Poll, events: &mut Events, scratch: &mut [u8]) -> io::Result<bool> {
        let (mut receipts, mut bytes) = (0, 0);
        while receipts < AT_A_TIME && bytes < BYTES_AT_A_TIME {
            for place in self.unread.take() {
                receipts += 1;
                // Its end may have come: of that the queue has spoken, and says nothing again either.
                bytes += self.receive(place, scratch, true);
            }
            // Without a bound, because a bound would set the clock anew: the next tick is one.
            let is_seated = self.has_bell.get() && self.seats.borrow().len() >= self.expected.get();
            let is_calm = self.unread.borrow().is_empty() && self.questions.borrow().is_empty();
            let patience = if is_seated && is_calm && receipts > 0 { None } else { Some(Duration::ZERO) };
            match queue.poll(events, patience) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            let is_quiet = events.is_empty() && self.unread.borrow().is_empty();
            let mut has_ticked = false;
            for event in &*events {
                match event.token() {
                    TICK => has_ticked = true,
                    Token(place) => {
                        receipts += 1;
                        bytes += self.receive(place, scratch, event.is_read_closed() || event.is_error());
                    }
                }
            }
            let asked = self.give_turns(is_quiet);
            receipts += asked;
            if has_ticked || is_quiet && asked == 0 {
                break;
            }
        }
        Ok(receipts > 0 || !self.questions.borrow().is_empty())
    }

    /// Has those ask whose turn it is, and says how many places were given one.
    fn give_turns(&self, is_quiet: bool) -> usize {
        let due = self.questions.borrow().due(is_quiet);
        for _ in 0..due {
            let Some((since_ns, place)) = self.questions.borrow_mut().pop() else { break };
            if let Some(seat) = self.seats.borrow().get(place) {
                seat.ask(since_ns);
            }
        }
        due
    }

    /// Has whoever sits in this place receive, and says how many bytes; somebody may have left it meanwhile.
    fn receive(&self, place: usize, scratch: &mut [u8], may_have_ended: bool) -> usize {
        let receipt =
            self.seats.borrow().get(place).map(|seat| seat.receive(scratch, may_have_ended)).unwrap_or_default();
        if receipt.has_more {
            self.unread.borrow_mut().push(place);
        }
        if let Some(since_ns) = receipt.asks_since {
            self.questions.borrow_mut().push(since_ns, place);
        }
        receipt.bytes
    }
}

#[expect(deprecated, reason = "what is owned is what the unsafe successor asks for: the same file until it is dropped")]
fn watch(poll: mio::Poll) -> io::Result<AsyncFd<mio::Poll>> {
    AsyncFd::with_interest(poll, tokio::io::Interest::READABLE)
}
