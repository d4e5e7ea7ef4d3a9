//! What this machine can resolve: how late its timers ring, how late an idle event loop is, how long loopback takes.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;
use results::HIGHEST_LATENCY_NS;
use results::numbers::time_ns;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::{self, Alarm};

/// Measurements of each kind.
const ROUNDS: u32 = 200;
/// How long each timer is set to.
const NAP: Duration = Duration::from_millis(2);

/// The limits of the machine at rest.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// How late the publisher's alarm rings, ns.
    alarm: Histogram<u64>,
    /// How late an event loop with nothing to do runs a timer, ns.
    loop_lag: Histogram<u64>,
    /// A byte to another thread and back over loopback, ns.
    round_trip: Histogram<u64>,
}

impl Resolution {
    /// Measures for a second or so.
    pub async fn measure() -> anyhow::Result<Self> {
        let empty = || Histogram::new_with_bounds(1, HIGHEST_LATENCY_NS, 3).expect("the bounds are constants");
        let mut this = Self { alarm: empty(), loop_lag: empty(), round_trip: empty() };
        let mut alarm = Alarm::new().context("cannot set a timer")?;
        for _ in 0..ROUNDS {
            let due = clock::now() + NAP;
            alarm.sleep_until(due).await?;
            this.alarm.saturating_record(since(due));
            let due = clock::now() + NAP;
            clock::sleep_until(due).await;
            this.loop_lag.saturating_record(since(due));
        }
        let mut line = echo().await?;
        for _ in 0..ROUNDS {
            let sent = clock::now();
            line.write_all(&[1]).await?;
            line.read_exact(&mut [0]).await?;
            this.round_trip.saturating_record(since(sent));
        }
        Ok(this)
    }
}

fn since(instant: std::time::Instant) -> u64 {
    clock::now().saturating_duration_since(instant).as_nanos() as u64
}

/// A loopback connection to a thread that sends everything back.
async fn echo() -> anyhow::Result<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
    let line = TcpStream::connect(listener.local_addr()?).await.context("cannot connect over loopback")?;
    line.set_nodelay(true)?;
    let peer = listener.accept().await?.0.into_std()?;
    peer.set_nonblocking(false)?;
    peer.set_nodelay(true)?;
    std::thread::spawn(move || std::io::copy(&mut &peer, &mut &peer));
    Ok(line)
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = |times: &Histogram<u64>| {
            format!("p50 {}  p99 {}", time_ns(times.value_at_quantile(0.5)), time_ns(times.value_at_quantile(0.99)))
        };
        writeln!(f, "this machine, at rest")?;
        writeln!(f, "  timer granularity    {}", both(&self.alarm))?;
        writeln!(f, "  loop lag             {}", both(&self.loop_lag))?;
        write!(f, "  loopback round trip  {}", both(&self.round_trip))
    }
}
