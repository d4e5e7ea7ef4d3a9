//! A thread that plays its share of the clients, on a runtime and with records of its own.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use feed::Transport;
use results::Deliveries;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};

use crate::clients::{LongPoll, ShortPoll, Site, SocketIo, Sse, Ws};
use crate::clock::{self, Grid};
use crate::faults::{self, Board, Losses};
use crate::plan::Plan;
use crate::reading_room::{Queue, Room};
use crate::recording::{
    Account, ClientGroup, Counters, Moment, PublishOrder, Recorder, Shared, Snapshot, Stack, Windows,
};
use crate::subscriber::Subscriber;
use crate::target::Target;
use crate::wire::{Dialer, Traffic};

/// How often the event loop is asked whether it is on time.
const LAG_PROBE: Duration = Duration::from_millis(10);

/// What the conductor asks of a player.
enum Order {
    /// Start clients, the first of all players' at this instant, at the plan's pace.
    Connect(Instant),
    /// These intended instants (ns) belong to the window.
    Window(Range<u64>),
    /// Hand the records over, with the kernel's counters if true.
    Snapshot(bool, oneshot::Sender<Snapshot>),
    /// Say the counters.
    Counters(oneshot::Sender<Counters>),
    /// Deliveries from then on, ns, are too late.
    TooLate(u64),
    /// The same, if no client has stayed away for a while as it was told.
    DrainBound(u64),
    /// End all clients, and say what of these refused numbers none of them received.
    Leave(Closing, oneshot::Sender<Vec<Vec<u32>>>),
    /// Close the books of those that have ended.
    Close(Closing, oneshot::Sender<Closed>),
}

/// What is needed to close the books of a topic's subscribers.
#[derive(Debug, Clone)]
pub struct Closing {
    /// Number of this process's first publisher.
    pub base: u16,
    /// One past the last sequence number sent, per publisher of this process.
    pub ends: Arc<Vec<u32>>,
    /// Sequence numbers that the server is not known to have accepted, ascending, per publisher; when the books are closed, without
    /// those that some client received all the same.
    pub refused: Arc<Vec<Vec<u32>>>,
    /// In which order they were published, per publisher.
    pub orders: Arc<Vec<PublishOrder>>,
}

/// What a player's clients leave.
#[derive(Debug, Clone)]
pub struct Closed {
    /// Their books, of this process's publishers.
    pub deliveries: Deliveries,
    /// Their ledgers of all publishers, where there are other shards.
    pub stacks: Vec<Stack>,
    /// What those clients received that no fault was aimed at.
    pub clients: Vec<ClientGroup>,
    /// What was heard of the other shards, see [`Recorder::heard`].
    pub heard: Vec<Option<i64>>,
    /// How many of them have lost each notification of the window, in a run with faults.
    pub losses: Losses,
    /// When they were interrupted and resumed, in a run with faults.
    pub moments: Vec<Moment>,
    /// How many of them each fault was done to.
    pub struck: Vec<u64>,
}

/// A player thread as the conductor holds it. Dropping it ends the thread.
#[derive(Debug)]
pub struct Player {
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Player {
    /// Starts player `index` of `players`, which plays every `players`-th client.
    pub fn start(
        index: u32,
        players: u32,
        plan: Arc<Plan>,
        target: Target,
        connect_timeout: Duration,
        shared: Shared,
    ) -> anyhow::Result<Self> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let queue = Queue::new().context("cannot start a player's reading room")?;
        let (started, has_started) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name(format!("player-{index}"))
            .spawn(move || {
                // It belongs to its thread: tasks that wake each other on it need no detour through the kernel.
                let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
                let (runtime, said) =
                    runtime.map_or_else(|error| (None, Err(error)), |runtime| (Some(runtime), Ok(())));
                let _ = started.send(said);
                let Some(runtime) = runtime else { return };
                let floor = Floor::new(index, players, plan, &target, connect_timeout, shared, queue);
                runtime.block_on(floor.work(inbox));
            })
            .context("cannot start a player thread")?;
        has_started
            .recv()
            .context("a player thread has ended early; this is a bug")?
            .context("cannot start a player's event loop")?;
        Ok(Self { orders, thread: Some(thread) })
    }

    /// Starts the clients, the first of all players' at `start`.
    pub fn connect(&self, start: Instant) {
        self.give(Order::Connect(start));
    }

    /// Sets which intended instants (ns) belong to the window.
    pub fn set_window(&self, window: Range<u64>) {
        self.give(Order::Window(window));
    }

    /// Collects the records.
    pub async fn snapshot(&self, with_tcp_ip: bool) -> anyhow::Result<Snapshot> {
        let (reply, answer) = oneshot::channel();
        self.give(Order::Snapshot(with_tcp_ip, reply));
        answer.await.context("a player thread has ended early; this is a bug")
    }

    /// Reads the counters alone: cheap enough to be asked often.
    pub async fn counters(&self) -> anyhow::Result<Counters> {
        let (reply, answer) = oneshot::channel();
        self.give(Order::Counters(reply));
        answer.await.context("a player thread has ended early; this is a bug")
    }

    /// Deliveries from an instant on are too late; of several instants the earliest counts.
    pub fn set_too_late_from(&self, instant: Instant) {
        self.give(Order::TooLate(clock::ns_at(instant)));
    }

    /// Deliveries are too late from an instant on that is so much later than this as clients stayed away, as they were told.
    pub fn set_drain_bound(&self, instant: Instant) {
        self.give(Order::DrainBound(clock::ns_at(instant)));
    }

    /// Ends all clients; returns what of the refused numbers none of them received.
    pub async fn leave(&self, closing: Closing) -> anyhow::Result<Vec<Vec<u32>>> {
        let (reply, answer) = oneshot::channel();
        self.give(Order::Leave(closing, reply));
        answer.await.context("a player thread has ended early; this is a bug")
    }

    /// Closes the books of clients that have [left](Self::leave).
    pub async fn close(&self, closing: Closing) -> anyhow::Result<Closed> {
        let (reply, answer) = oneshot::channel();
        self.give(Order::Close(closing, reply));
        answer.await.context("a player thread has ended early; this is a bug")
    }

    fn give(&self, order: Order) {
        // A player that has gone is noticed where its answer is awaited.
        let _ = self.orders.send(order);
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let (closed, _) = mpsc::unbounded_channel();
        self.orders = closed;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The player's own side.
struct Floor {
    index: u32,
    players: u32,
    site: Rc<Site>,
    room: Rc<Room>,
    recorder: Rc<Recorder>,
    windows: Arc<Windows>,
    /// Whether a fault is aimed at each client of the run, in a run that has such.
    struck: Option<Vec<bool>>,
    connect_timeout: Duration,
    stop: watch::Sender<bool>,
}

impl Floor {
    fn new(
        index: u32,
        players: u32,
        plan: Arc<Plan>,
        target: &Target,
        connect_timeout: Duration,
        Shared { windows, departures, live, longest_pause }: Shared,
        queue: Queue,
    ) -> Self {
        let traffic = Rc::new(Traffic::default());
        let dialer = Dialer::new(target, plan.run, plan.ports_per_client(), Rc::clone(&traffic));
        let struck = plan.struck();
        let board = struck.is_some().then(|| Rc::new(Board::new(plan.own_clients(), plan.faults.len())));
        let dialer = board.into_iter().fold(dialer, Dialer::known_to);
        let longest = plan.reconnection.longest;
        let site = Site::new(plan, dialer, target);
        let has_faults = !site.plan.faults.is_empty();
        let recorder = Recorder::of_run(traffic, departures, live)
            .waiting_for(longest_pause, longest)
            .hiding(target.token.clone());
        let recorder = if has_faults { recorder.keeping_changes() } else { recorder };
        let recorder = if struck.is_some() { recorder.telling_struck_apart() } else { recorder };
        Self {
            index,
            players,
            site: Rc::new(site),
            room: Rc::new(Room::new(queue)),
            recorder: Rc::new(recorder),
            windows,
            struck,
            connect_timeout,
            stop: watch::Sender::new(false),
        }
    }

    /// Obeys until the conductor lets go.
    async fn work(self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let floor = Rc::new(self);
        let mut duties = JoinSet::new();
        duties.spawn_local(Rc::clone(&floor).watch_lag());
        duties.spawn_local(Rc::clone(&floor).give_turns());
        duties.spawn_local(Rc::clone(&floor).read());
        let (mut clients, mut has_dealt) = (None, false);
        while let Some(order) = await_order(&mut inbox, &mut duties, &mut clients).await {
            match order {
                Order::Connect(start) => clients = Some(tokio::task::spawn_local(Rc::clone(&floor).connect(start))),
                Order::Window(window) => {
                    // A run that is stopped sets its window again.
                    if !std::mem::replace(&mut has_dealt, true) {
                        duties.spawn_local(Rc::clone(&floor).strike(window.start));
                    }
                    floor.recorder.set_window(window);
                }
                Order::Snapshot(with_tcp_ip, reply) => {
                    let _ = reply.send(floor.recorder.snapshot(with_tcp_ip));
                }
                Order::Counters(reply) => {
                    let _ = reply.send(floor.recorder.counters());
                }
                Order::TooLate(from_ns) => floor.recorder.set_too_late_from(from_ns),
                Order::DrainBound(bound_ns) => floor.recorder.set_drain_bound(bound_ns),
                Order::Leave(closing, reply) => {
                    floor.stop.send_replace(true);
                    await_end(&mut clients).await;
                    if let Some(board) = floor.site.dialer.board() {
                        board.release();
                    }
                    let _ = reply.send(floor.recorder.unheard(closing.base, &closing.refused));
                }
                Order::Close(closing, reply) => drop(reply.send(floor.close(&closing))),
            }
        }
    }

    fn close(&self, closing: &Closing) -> Closed {
        let plan = &self.site.plan;
        let firsts: Vec<u32> = self.windows.of_shard(plan.shard).iter().map(|window| window.sequences.start).collect();
        let losses = match plan.faults.is_empty() {
            true => Losses::default(),
            false => self.recorder.losses(closing.base, &firsts, &closing.ends, &closing.refused),
        };
        Closed {
            losses,
            moments: self.recorder.moments(),
            struck: self.site.dialer.board().map(Board::done).unwrap_or_default(),
            stacks: if self.site.plan.shard.is_whole() { Vec::new() } else { self.recorder.stacks() },
            clients: self.recorder.take_clients(),
            heard: self.recorder.heard(),
            deliveries: self.recorder.close_ledgers(closing.base, &closing.ends, &closing.refused, &closing.orders),
        }
    }

    /// Has faults befall this player's clients, the window beginning at `start_ns`.
    async fn strike(self: Rc<Self>, start_ns: u64) {
        let Some(board) = self.site.dialer.board() else { return };
        let (plan, first) = (&self.site.plan, self.site.plan.own_clients().start);
        let is_own =
            |hit: &faults::Hit| hit.client.checked_sub(first).is_some_and(|place| place % self.players == self.index);
        let hits = faults::aim(&plan.faults, plan.clients, plan.duration, plan.seed);
        board.deal(hits.filter(is_own), start_ns).await;
    }

    /// Starts this player's clients at the plan's pace, and waits for their end.
    async fn connect(self: Rc<Self>, start: Instant) {
        let mut clients = JoinSet::new();
        let mut stop = self.stop.subscribe();
        let own = self.site.plan.own_clients();
        for client in own.clone().skip(self.index as usize).step_by(self.players as usize) {
            let due =
                start + Duration::from_secs_f64(f64::from(client - own.start) / self.site.plan.own_connect_rate());
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                () = clock::sleep_until(due) => {}
            }
            let (plan, topic) = (&self.site.plan, self.site.plan.topic_of(client));
            let account =
                Account::new(plan.run, topic, plan.shard, Arc::clone(&self.windows), Rc::clone(&self.recorder));
            let is_struck = self.struck.as_ref().is_some_and(|struck| struck[client as usize]);
            let account = Box::new(account.struck(is_struck).expecting(self.site.replies()));
            let subscriber =
                Subscriber::new(Rc::clone(&self.site), Rc::clone(&self.room), client, self.connect_timeout);
            let mut stop = self.stop.subscribe();
            let stopped = Box::pin(async move {
                let _ = stop.wait_for(|stop| *stop).await;
            });
            match self.site.plan.transport {
                Transport::ShortPoll => clients.spawn_local(subscriber.run::<ShortPoll>(account, stopped)),
                Transport::LongPoll => clients.spawn_local(subscriber.run::<LongPoll>(account, stopped)),
                Transport::Sse => clients.spawn_local(subscriber.run::<Sse>(account, stopped)),
                Transport::Ws => clients.spawn_local(subscriber.run::<Ws>(account, stopped)),
                Transport::SocketIo => clients.spawn_local(subscriber.run::<SocketIo>(account, stopped)),
            };
        }
        self.room.expect(clients.len());
        while let Some(ended) = clients.join_next().await {
            panic_with(ended);
        }
    }

    /// Has clients ask again when no answer waits to be read.
    async fn give_turns(self: Rc<Self>) {
        self.site.turns.lead(&self.recorder).await;
    }

    /// Reads the streams of all clients.
    async fn read(self: Rc<Self>) {
        if let Err(error) = self.room.lead().await {
            self.recorder.record_error(&format!("reading-room: {error}"));
        }
    }

    /// Records by how much the event loop is late. Probes are due on a grid: one that could not run while the loop was held up
    /// is recorded with its own lateness, or a freeze of a second would count as one late probe among hundreds.
    async fn watch_lag(self: Rc<Self>) {
        let mut due = clock::now() + LAG_PROBE;
        let mut grid = match Grid::new(LAG_PROBE) {
            Ok(grid) => grid,
            Err(error) => return self.recorder.record_error(&format!("loop-lag: {error}")),
        };
        // Where the grid cannot ring in the room, the room never waits by itself.
        #[cfg(target_os = "linux")]
        if let Err(error) = self.room.tick(&grid) {
            self.recorder.record_error(&format!("reading-room: {error}"));
        }
        while grid.next().await.is_ok() {
            let now = clock::now();
            while due <= now {
                self.recorder.record_loop_lag(now.saturating_duration_since(due).as_nanos() as u64);
                due += LAG_PROBE;
            }
        }
    }
}

/// Waits for the next order; `None` when there will be none. Panics as soon as a task has.
async fn await_order(
    inbox: &mut mpsc::UnboundedReceiver<Order>,
    duties: &mut JoinSet<()>,
    clients: &mut Option<JoinHandle<()>>,
) -> Option<Order> {
    loop {
        tokio::select! {
            biased;
            Some(ended) = duties.join_next() => panic_with(ended),
            () = await_end(clients), if clients.is_some() => {}
            order = inbox.recv() => return order,
        }
    }
}

/// Waits for the end of the clients, if there are some that have not been waited for.
async fn await_end(clients: &mut Option<JoinHandle<()>>) {
    if let Some(running) = clients {
        let ended = running.await;
        *clients = None;
        panic_with(ended);
    }
}

/// Panics if that is how a task has ended: what it was to hear is on no books, so its player must not go on as if it had never been, and
/// the conductor says that it did not.
fn panic_with(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;
    use crate::target::{TargetFile, Trust};

    #[tokio::test]
    async fn a_client_that_panics_ends_its_player_which_the_conductor_is_told() {
        const PATIENCE: Duration = Duration::from_secs(30);
        // A target without the plan's transport, which a run is not begun with, is more than a client can bear.
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/targets/examples/chat.toml");
        let file = Arc::new(TargetFile::named(example).unwrap());
        let target = Target::resolve_as("http://127.0.0.1:9", file, None, &Trust::default()).unwrap();
        let plan = Arc::new(Plan { transport: Transport::ShortPoll, ..plan() });
        let shared = Shared::of(&plan);
        let player = Player::start(0, 1, plan, target, PATIENCE, shared).unwrap();
        player.connect(clock::now());
        let told = async {
            loop {
                match player.counters().await {
                    Ok(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                    Err(error) => return error,
                }
            }
        };
        let error = tokio::time::timeout(PATIENCE, told).await.expect("the player ends");
        assert!(error.to_string().contains("a player thread has ended early"), "{error}");
    }

    #[tokio::test]
    async fn a_duty_that_panics_ends_its_player_whatever_else_there_is_to_do() {
        let ended = async {
            let (orders, mut inbox) = mpsc::unbounded_channel();
            orders.send(Order::TooLate(0)).unwrap();
            drop(orders);
            let (mut duties, mut clients) = (JoinSet::new(), None);
            duties.spawn_local(async {});
            duties.spawn_local(async { panic!("what was read was more than the reader can bear") });
            tokio::task::yield_now().await;
            let obeying = async move { while await_order(&mut inbox, &mut duties, &mut clients).await.is_some() {} };
            tokio::task::spawn_local(obeying).await
        };
        assert!(tokio::task::LocalSet::new().run_until(ended).await.unwrap_err().is_panic());
    }
}
