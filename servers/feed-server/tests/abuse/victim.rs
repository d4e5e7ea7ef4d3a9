//! A server in a process of its own, so that its descriptors and its memory are its alone.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use feed::Transport;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::lab::{PATIENCE, Raw, Reader};

/// Resident memory by which a server may have grown, bytes: what 300 foes can make it hold (16 KiB of hyper's buffer each, and as
/// much of theirs that waits), what it keeps of allocations, and the same again.
pub(crate) const GROWTH_MAX: u64 = 40 << 20;

pub(crate) struct Victim {
    pub(crate) address: SocketAddr,
    child: Child,
    /// Descriptors, and the most bytes that were resident, before anybody came.
    before: (usize, u64),
}

impl Victim {
    /// Starts one with `flags`.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feed-server"));
        command.args(["--listen", "127.0.0.1:0", "--workers", "2"]).args(flags);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("feed-server listening on http://").unwrap().parse().unwrap();
        let mut victim = Self { address, child, before: (0, 0) };
        // One of everything has been served before counting: what is made once is not a leak.
        victim.while_others_read(async {}).await;
        victim.before = (victim.settled().await, victim.memory());
        victim
    }

    /// Descriptors that the server has open.
    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// The most memory that was ever resident, bytes: what foes were given is counted although it was taken back.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        resident.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap() << 10
    }

    /// The number of descriptors once nobody is connected any more.
    async fn settled(&self) -> usize {
        let mut fewest = self.descriptors();
        for _ in 0..20 {
            sleep(Duration::from_millis(10)).await;
            fewest = fewest.min(self.descriptors());
        }
        fewest
    }

    /// A connection to it.
    pub(crate) async fn dial(&self) -> Raw {
        Raw::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// Has readers over every transport read what is published all the while that `foes` are at work: each gets everything, in order.
    pub(crate) async fn while_others_read<T>(&self, foes: impl Future<Output = T>) -> T {
        let mut readers = Vec::new();
        for transport in [Transport::Ws, Transport::Sse, Transport::LongPoll, Transport::ShortPoll] {
            readers.push((transport, Reader::open(self.address, transport, None).await));
        }
        let http = crate::lab::http();
        let url = format!("http://{}/topics/news", self.address);
        let are_done = Cell::new(false);
        let work = async {
            let outcome = foes.await;
            are_done.set(true);
            outcome
        };
        let publish = async {
            let mut published = 0;
            while published == 0 || !are_done.get() {
                let answer = http.post(&url).body(published.to_string()).timeout(PATIENCE).send().await.unwrap();
                assert_eq!(answer.status(), 201, "publishers are served");
                published += 1;
                // A steady feed: readers are not read until the end, and must not fall out of the history until then.
                sleep(Duration::from_millis(5)).await;
            }
            published
        };
        let (outcome, published) = tokio::join!(work, publish);
        for (transport, mut reader) in readers {
            let read = reader.next(published).await;
            assert!(read.into_iter().eq(0..published as u64), "{transport}: everything, in order");
        }
        outcome
    }

    /// The server has let go of everything: descriptors are what they were, and memory never grew beyond the bound.
    pub(crate) async fn assert_as_before(&self) {
        let (descriptors, memory) = self.before;
        let back = async {
            while self.descriptors() > descriptors {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(PATIENCE, back).await.is_err() {
            panic!("{} descriptors are open, where there were {descriptors}", self.descriptors());
        }
        let now = self.memory();
        assert!(now < memory + GROWTH_MAX, "{now} bytes were resident, where there were {memory} before");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
