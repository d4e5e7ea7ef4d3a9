//! Publishes on time, whatever the server does: the open loop at the other end of every latency.
//!
//! One ordered channel, pipelined HTTP/1.1 on a thread of its own: a notification is sent when it is due, answers are
//! matched when they come. What a slow server delays therefore shows in the latencies instead of disappearing
//! (coordinated omission), and what the generator itself delays shows as send lag.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use feed::{POSTMARK_LEN, Postmark, publish_path};
use hdrhistogram::Histogram;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use results::{Percentiles, Published, new_histogram};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{oneshot, watch};
use tokio::task::LocalSet;

use crate::clock::{self, Alarm};
use crate::plan::{Arrive, Plan};
use crate::recording::Departures;
use crate::target::Target;
use crate::wire::http;

/// Smallest payload: a JSON string that holds a postmark, bytes.
pub const MIN_PAYLOAD: usize = POSTMARK_LEN + 2;
/// Pause before a lost publishing channel is opened again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for the last answers.
const ANSWERS_BOUND: Duration = Duration::from_secs(5);

/// What became of everything that was due.
#[derive(Debug)]
pub struct Report {
    /// Counts and times of the window.
    pub published: Published,
    /// One past the last sequence number that was due, per topic.
    pub ends: Vec<u32>,
    /// Sequence numbers that the server is not known to have accepted, ascending, per topic.
    pub refused: Vec<Vec<u32>>,
    /// Actual minus intended instants of the window, ns.
    pub send_lag: Histogram<u64>,
    /// Requests of the window sent until answered, ns.
    pub publish_time: Histogram<u64>,
    /// Times that no histogram holds.
    pub out_of_range: u64,
}

/// The publishing thread as the conductor holds it.
#[derive(Debug)]
pub struct Publisher {
    thread: JoinHandle<anyhow::Result<Report>>,
    begin: oneshot::Sender<Instant>,
    stop: watch::Sender<bool>,
    sent: Arc<AtomicU64>,
}

impl Publisher {
    /// Opens the publishing channel.
    pub async fn start(plan: Arc<Plan>, target: Target, departures: Arc<Departures>) -> anyhow::Result<Self> {
        let (begin, begun) = oneshot::channel();
        let (ready, readiness) = oneshot::channel();
        let (stop, stopped) = watch::channel(false);
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let thread = std::thread::Builder::new()
            .name("publisher".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                LocalSet::new().block_on(&runtime, async {
                    let channel = Channel::open(&plan, target, counter, departures).await;
                    let channel = match channel {
                        Ok(channel) => channel,
                        Err(error) => {
                            let _ = ready.send(Err(error));
                            anyhow::bail!("the publishing channel was not opened");
                        }
                    };
                    let _ = ready.send(Ok(()));
                    let begin = begun.await.unwrap_or_else(|_| clock::now());
                    channel.publish(&plan, begin, stopped).await
                })
            })
            .context("cannot start the publishing thread")?;
        readiness.await.context("the publishing thread ended early; this is a bug")??;
        Ok(Self { thread, begin, stop, sent })
    }

    /// Starts publishing at an instant.
    pub fn begin(self, at: Instant) -> Publishing {
        let _ = self.begin.send(at);
        Publishing { thread: self.thread, stop: self.stop, sent: self.sent }
    }
}

/// A publisher that is at work.
#[derive(Debug)]
pub struct Publishing {
    thread: JoinHandle<anyhow::Result<Report>>,
    stop: watch::Sender<bool>,
    sent: Arc<AtomicU64>,
}

impl Publishing {
    /// Notifications sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Publishes no more, though more may be due.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// True when everything was sent and answered for.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// The account of it all; to be asked for when the publisher [is finished](Self::is_finished).
    pub fn report(self) -> anyhow::Result<Report> {
        self.thread.join().map_err(|_| anyhow::anyhow!("the publishing thread panicked; this is a bug"))?
    }
}

/// A request that has not been answered.
#[derive(Debug)]
struct Pending {
    arrive: Arrive,
    in_window: bool,
    sent_ns: u64,
}

/// What both halves of the channel write down.
#[derive(Debug)]
struct Books {
    pending: VecDeque<Pending>,
    refused: Vec<Vec<u32>>,
    published: Published,
    send_lag: Histogram<u64>,
    publish_time: Histogram<u64>,
    out_of_range: u64,
    /// How often the channel was lost: what was sent into an old one is never matched to answers of a new one.
    losses: u64,
}

impl Books {
    fn refuse(&mut self, arrive: Arrive, in_window: bool) {
        self.refused[usize::from(arrive.topic)].push(arrive.sequence);
        self.published.refused += u64::from(in_window);
    }

    /// Matches an answer to the oldest request, which HTTP/1.1 guarantees is the right one.
    fn answer(&mut self, status: u16, at_ns: u64) {
        let Some(pending) = self.pending.pop_front() else { return };
        if !(200..300).contains(&status) {
            self.refuse(pending.arrive, pending.in_window);
        } else if pending.in_window {
            self.published.accepted += 1;
            if self.publish_time.record(at_ns.saturating_sub(pending.sent_ns)).is_err() {
                self.out_of_range += 1;
            }
        }
    }

    /// The channel is lost, and with it every answer that has not come.
    fn lose_pending(&mut self) {
        self.losses += 1;
        for pending in std::mem::take(&mut self.pending) {
            self.refuse(pending.arrive, pending.in_window);
        }
    }
}

/// The publishing channel and the requests that go into it.
struct Channel {
    target: Target,
    /// Request per topic, up to and with the payload; the postmark is written into it anew each time.
    requests: Vec<Vec<u8>>,
    payload: usize,
    writer: Rc<RefCell<Option<OwnedWriteHalf>>>,
    books: Rc<RefCell<Books>>,
    sent: Arc<AtomicU64>,
    departures: Arc<Departures>,
}

impl Channel {
    async fn open(
        plan: &Plan,
        target: Target,
        sent: Arc<AtomicU64>,
        departures: Arc<Departures>,
    ) -> anyhow::Result<Self> {
        let requests = plan.topics.iter().map(|topic| {
            let head = format!(
                "POST {}{} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                target.prefix,
                publish_path(topic),
                target.host,
                plan.payload
            );
            [head.as_bytes(), &payload(plan.payload, plan.seed)].concat()
        });
        let books = Books {
            pending: VecDeque::new(),
            refused: vec![Vec::new(); plan.topics.len()],
            published: Published::default(),
            send_lag: new_histogram(),
            publish_time: new_histogram(),
            out_of_range: 0,
            losses: 0,
        };
        let channel = Self {
            requests: requests.collect(),
            payload: plan.payload,
            writer: Rc::default(),
            books: Rc::new(RefCell::new(books)),
            sent,
            departures,
            target,
        };
        let tcp = dial(&channel.target).await.with_context(|| format!("cannot publish to {}", channel.target.url))?;
        let (reader, writer) = tcp.into_split();
        *channel.writer.borrow_mut() = Some(writer);
        tokio::task::spawn_local(keep_reading(
            reader,
            channel.target.clone(),
            Rc::clone(&channel.writer),
            Rc::clone(&channel.books),
        ));
        Ok(channel)
    }

    async fn publish(self, plan: &Plan, begin: Instant, mut stop: watch::Receiver<bool>) -> anyhow::Result<Report> {
        let mut alarm = Alarm::new().context("cannot set the publisher's timer")?;
        let mut ends = vec![0; plan.topics.len()];
        for arrive in plan.arrivals() {
            let due = begin + arrive.offset;
            let stopped = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => true,
                rung = alarm.sleep_until(begin + plan.send_offset(arrive.offset)) => { rung?; false }
            };
            if stopped {
                break;
            }
            ends[usize::from(arrive.topic)] = arrive.sequence + 1;
            // A socket that the server does not read must not keep a stopped publisher from ending.
            tokio::select! {
                biased;
                () = self.send(plan, arrive, due) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        self.await_answers().await;
        let mut books = self.books.borrow_mut();
        books.lose_pending();
        books.published.send_lag = Percentiles::from(&books.send_lag);
        books.published.publish_time = Percentiles::from(&books.publish_time);
        let mut refused = std::mem::take(&mut books.refused);
        refused.iter_mut().for_each(|numbers| numbers.sort_unstable());
        Ok(Report {
            published: books.published.clone(),
            ends,
            refused,
            send_lag: books.send_lag.clone(),
            publish_time: books.publish_time.clone(),
            out_of_range: books.out_of_range,
        })
    }

    /// Sends one notification; waits for room in the socket if need be, never for an answer.
    async fn send(&self, plan: &Plan, arrive: Arrive, due: Instant) {
        let in_window = arrive.offset >= plan.warmup;
        let postmark = Postmark {
            run: plan.run,
            publisher: plan.publisher(arrive.topic),
            sequence: arrive.sequence,
            intended_ns: clock::ns_at(due),
        };
        let mut request = self.requests[usize::from(arrive.topic)].clone();
        let payload_start = request.len() - self.payload;
        postmark.write(&mut request[payload_start + 1..]);
        let writer = self.writer.borrow_mut().take();
        let now = clock::now();
        self.departures.enter(arrive.topic, arrive.sequence, clock::ns_at(now));
        {
            let mut books = self.books.borrow_mut();
            books.published.due += u64::from(in_window);
            if in_window {
                let lag = now.saturating_duration_since(due).as_nanos() as u64;
                if books.send_lag.record(lag).is_err() {
                    books.out_of_range += 1;
                }
            }
            if writer.is_none() {
                books.refuse(arrive, in_window);
                return;
            }
            books.published.sent += u64::from(in_window);
            books.pending.push_back(Pending { arrive, in_window, sent_ns: clock::ns_at(now) });
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        let mut writer = writer.expect("it was just looked at");
        let losses = self.books.borrow().losses;
        if writer.write_all(&request).await.is_ok() && self.books.borrow().losses == losses {
            *self.writer.borrow_mut() = Some(writer);
        }
        // A writer that failed, or whose reading half has ended meanwhile, is dropped: a new channel is on its way.
    }

    async fn await_answers(&self) {
        let bound = clock::now() + ANSWERS_BOUND;
        while !self.books.borrow().pending.is_empty() && clock::now() < bound {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn dial(target: &Target) -> std::io::Result<TcpStream> {
    let tcp = TcpStream::connect(target.address).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Reads answers, and opens the channel again whenever it is lost.
async fn keep_reading(
    mut reader: OwnedReadHalf,
    target: Target,
    writer: Rc<RefCell<Option<OwnedWriteHalf>>>,
    books: Rc<RefCell<Books>>,
) {
    loop {
        read_answers(&mut reader, &books).await;
        writer.borrow_mut().take();
        books.borrow_mut().lose_pending();
        loop {
            tokio::time::sleep(RECONNECT_PAUSE).await;
            if let Ok(tcp) = dial(&target).await {
                let (new_reader, new_writer) = tcp.into_split();
                reader = new_reader;
                books.borrow_mut().lose_pending();
                *writer.borrow_mut() = Some(new_writer);
                break;
            }
        }
    }
}

/// Matches answers to requests until the channel ends or stops making sense.
async fn read_answers(reader: &mut OwnedReadHalf, books: &RefCell<Books>) {
    let mut received = Vec::new();
    while let Ok(1..) = reader.read_buf(&mut received).await {
        let at_ns = clock::now_ns();
        let mut used = 0;
        loop {
            match http::read_whole(&received[used..]) {
                Ok(Some((len, head))) => {
                    books.borrow_mut().answer(head.status, at_ns);
                    used += len;
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        received.drain(..used);
    }
}

/// A JSON string of `len` bytes: room for a postmark, then letters that no compression finds a pattern in.
fn payload(len: usize, seed: u64) -> Vec<u8> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut payload = vec![b'"'; len];
    for byte in &mut payload[1 + POSTMARK_LEN..len - 1] {
        *byte = rng.random_range(b'a'..=b'z');
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_with_its_postmark_is_json_of_the_asked_length() {
        for len in [MIN_PAYLOAD, 200, 5_000] {
            let mut payload = payload(len, 7);
            Postmark { run: 1, publisher: 2, sequence: 3, intended_ns: 4 }.write(&mut payload[1..]);
            assert_eq!(payload.len(), len);
            assert!(serde_json::from_slice::<String>(&payload).is_ok());
        }
    }
}
