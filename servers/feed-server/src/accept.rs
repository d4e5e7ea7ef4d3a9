//! The door: listens, accepts, bounds how many are inside, and lets them out when the server stops.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::sleep;

use crate::brokers::Broker;
use crate::config::Config;
use crate::connection::{Lobby, serve};
use crate::guards::addresses::Addresses;
use crate::guards::connections::{TURNED_AWAY_AT_ONCE, bound, refusal, turn_away};
use crate::guards::keys::Keys;
use crate::http2::{self, Streams};
use crate::hub::{Habits, Hub};
use crate::line::Line;
use crate::socket::Socket;
use crate::stats::{Meter, Stats};
use crate::tls::{Guest, Porter};

/// Connections that the kernel keeps for us while we are busy: with the usual 128, a burst of clients loses its SYNs and
/// connects a second late.
const BACKLOG: i32 = 4096;
/// Why a send buffer cannot be had. The kernel says nothing, it gives less.
const NARROW: &str = "the kernel gives no --send-buffer as large: ask for less, or raise net.core.wmem_max";
/// Rest after `accept` failed for want of files or memory: long enough for some to be freed.
const REST: Duration = Duration::from_millis(20);

/// A place to listen, how many may come in, and the broker of what they read.
#[derive(Debug)]
pub struct Listening {
    pub(crate) listener: TcpListener,
    pub(crate) porter: Option<Porter>,
    pub(crate) connections_max: usize,
    pub(crate) keys: Option<Keys>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) broker: Broker,
}

impl Listening {
    /// Where clients find it.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Its base URL.
    pub fn url(&self) -> std::io::Result<String> {
        let scheme = if self.porter.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.address()?))
    }
}

/// Does all that can fail before serving: makes room for the connections, reads the keys of tokens, listens on `config.listen`, and connects to
/// `config.broker`.
pub async fn listen(config: &Config) -> anyhow::Result<Listening> {
    let connections_max = bound(config.connections_max)?;
    let audience = config.jwt_audience.as_deref();
    let keys = config.jwt_keys.as_ref().map(|file| Keys::load(file, audience)).transpose()?;
    let porter = config.tls.porter(config.listen.ip(), config.head_timeout)?;
    let listener = bind(config)?;
    let workers = tokio::runtime::Handle::current().metrics().num_workers();
    let habits = Habits { bound: config.history(), workers, coalesce: config.coalesce };
    let hub = Arc::new(Hub::new(config.topics_max, habits));
    let broker = Broker::connect(config, hub.clone()).await?;
    Ok(Listening { listener, porter, connections_max, keys, hub, broker })
}

fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    let address = config.listen;
    let listen = || -> std::io::Result<TcpListener> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restarted server takes its port back at once; on Linux this lets nobody else in.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        // Connections inherit both.
        let send_buffer = config.send_buffer as usize;
        socket.set_send_buffer_size(send_buffer)?;
        if socket.send_buffer_size()? < send_buffer {
            return Err(std::io::Error::new(ErrorKind::InvalidInput, NARROW));
        }
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(config.tcp_user_timeout()))?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    listen().map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow::anyhow!(
            "cannot listen on {address}: another process does already; stop it, or choose another --listen (port 0 takes a \
             free one)"
        ),
        ErrorKind::AddrNotAvailable => {
            anyhow::anyhow!("cannot listen on {address}: no interface of this machine has that address")
        }
        _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
    })
}

/// Where connections come in.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    /// Who shows the certificate, if there is one.
    pub(crate) porter: Option<Porter>,
}

/// Accepts until `shutdown`; every connection is a task.
pub(crate) async fn accept(
    Door { listener, porter }: Door,
    lobby: Arc<Lobby>,
    stats: Arc<Stats>,
    inside: Arc<Inside>,
    addresses: Arc<Addresses>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let door = Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE));
    let mut shutdown = std::pin::pin!(shutdown);
    let mut number = 0;
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut shutdown => return Ok(()),
            accepted = next(&listener) => accepted?,
        };
        // Small answers go out at once; Nagle would hold them until the last one is acknowledged.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        number += 1;
        let (visit, place) = match addresses.enter(peer.ip()) {
            Ok(visit) => (visit, inside.enter().ok_or_else(|| refusal(inside.max()))),
            Err(refusal) => (None, Err(refusal)),
        };
        let meter = Arc::new(Meter::new(stats.clone(), number).of_visit(visit).of_peer(peer));
        match (place, porter.clone()) {
            (Ok(place), None) => {
                tokio::spawn(serve(Socket::new(Line::Clear(stream), meter), lobby.clone(), place));
            }
            (Ok(place), Some(porter)) => {
                let (lobby, stats, inside, addresses) =
                    (lobby.clone(), stats.clone(), inside.clone(), addresses.clone());
                let open = watch::Sender::default();
                let streams = Streams { lobby, stats, inside, addresses, number, peer, open };
                tokio::spawn(async move {
                    match porter.receive(stream).await {
                        Some(Guest::One(line)) => serve(Socket::new(line, meter), streams.lobby, place).await,
                        Some(Guest::Two(stream)) => {
                            Box::pin(http2::answer(*stream, streams)).await;
                            drop(place);
                        }
                        None => {}
                    }
                });
            }
            (Err(refusal), porter) => {
                meter.turned_away(refusal.guard());
                // Nobody may hold up those behind, nor the end of the server: without room for an answer there is none.
                if let Ok(room) = door.clone().try_acquire_owned() {
                    tokio::spawn(async move {
                        let guest = match porter {
                            Some(porter) => porter.receive(stream).await,
                            None => Some(Guest::One(Line::Clear(stream))),
                        };
                        // Who speaks HTTP/2 is only closed.
                        if let Some(Guest::One(line)) = guest {
                            turn_away(Socket::new(line, meter), refusal).await;
                        }
                        drop(room);
                    });
                }
            }
        }
    }
}

async fn next(listener: &TcpListener) -> anyhow::Result<(TcpStream, SocketAddr)> {
    let mut rests = 0_u64;
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                if rests > 0 {
                    tracing::warn!(rests, "accepting again");
                }
                return Ok(accepted);
            }
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                // Said once, however long it lasts.
                if rests == 0 {
                    tracing::warn!(%error, "cannot accept: who comes waits until it can");
                }
                rests += 1;
                sleep(REST).await;
            }
        }
    }
}

/// How many are inside, and how many may be.
#[derive(Debug)]
pub(crate) struct Inside {
    count: AtomicUsize,
    /// The most that were inside since that was last forgotten.
    most: AtomicUsize,
    max: usize,
    left: Notify,
}

impl Inside {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { count: AtomicUsize::new(0), most: AtomicUsize::new(0), max, left: Notify::new() })
    }

    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        let enter = |count| (count < self.max).then_some(count + 1);
        let before = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).ok()?;
        self.most.fetch_max(before + 1, Ordering::Relaxed);
        Some(Place(self.clone()))
    }

    /// Waits until nobody is inside.
    pub(crate) async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            left.await;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// The most that were inside at a time, since it was forgotten.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// From now on, the most are those who are inside.
    pub(crate) fn forget_most(&self) {
        self.most.store(self.count(), Ordering::Relaxed);
    }
}

/// A connection's place inside.
#[derive(Debug)]
pub(crate) struct Place(Arc<Inside>);

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::Release) == 1 {
            self.0.left.notify_waiters();
        }
    }
}
