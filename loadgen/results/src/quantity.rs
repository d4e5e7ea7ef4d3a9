//! The five quantities in which contenders are compared; of each, less is better.

use crate::{Percentiles, Run};

/// One quantity. Bytes with and without TCP/IP are different quantities: a run has one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Median delivery latency, nanoseconds.
    P50,
    /// 99th percentile of delivery latency, nanoseconds.
    P99,
    /// Bytes on the wire per delivery, both directions.
    WireBytes,
    /// Bytes of the stream per delivery, where TCP/IP was not measured.
    StreamBytes,
    /// Server CPU time per delivery, nanoseconds.
    ServerCpu,
    /// Server memory per connection at the end of measuring, bytes.
    ServerRss,
}

/// What a quantity is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Time.
    Nanoseconds,
    /// Size.
    Bytes,
}

impl Quantity {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 6] =
        [Self::P50, Self::P99, Self::WireBytes, Self::StreamBytes, Self::ServerCpu, Self::ServerRss];

    /// As tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::WireBytes => "bytes",
            Self::StreamBytes => "stream bytes",
            Self::ServerCpu => "server CPU",
            Self::ServerRss => "server RSS",
        }
    }

    /// As it is told in full.
    pub fn definition(self) -> &'static str {
        match self {
            Self::P50 => "median latency",
            Self::P99 => "99th percentile of latency",
            Self::WireBytes => "bytes on the wire per delivery",
            Self::StreamBytes => "bytes of the stream per delivery, TCP/IP not measured",
            Self::ServerCpu => "server CPU per delivery",
            Self::ServerRss => "server memory per connection",
        }
    }

    /// What it is counted in.
    pub fn unit(self) -> Unit {
        match self {
            Self::P50 | Self::P99 | Self::ServerCpu => Unit::Nanoseconds,
            Self::WireBytes | Self::StreamBytes | Self::ServerRss => Unit::Bytes,
        }
    }

    /// How finely it is known in one run: CPU that a server counts in whole ticks of 10 ms is known to the tick, memory to
    /// the page. Zero where nothing coarser than the noise is known of it.
    pub fn resolution(self, run: &Run) -> f64 {
        const TICK_S: f64 = 0.01;
        const PAGE_BYTES: f64 = 4096.0;
        let measured = &run.measured;
        let Some(server) = measured.server.as_ref() else { return 0.0 };
        match self {
            Self::ServerCpu => {
                let ticks = server.cpu_s / TICK_S;
                let is_coarse = (ticks - ticks.round()).abs() < 1e-6;
                if is_coarse { TICK_S * 1e9 / (measured.bytes.deliveries as f64).max(1.0) } else { 0.0 }
            }
            Self::ServerRss => PAGE_BYTES / f64::from(run.asked.clients.max(1)),
            Self::P50 | Self::P99 | Self::WireBytes | Self::StreamBytes => 0.0,
        }
    }

    /// Its value in one run; `None` where it was not measured.
    pub fn of(self, run: &Run) -> Option<f64> {
        let measured = &run.measured;
        let percentile = |of: &Percentiles, ns: u64| (of.count > 0).then_some(ns as f64);
        let bytes = &measured.bytes;
        let on_the_wire = bytes.received.wire().is_some() && bytes.sent.wire().is_some();
        let value = match self {
            Self::P50 => percentile(&measured.latency, measured.latency.p50_ns),
            Self::P99 => percentile(&measured.latency, measured.latency.p99_ns),
            Self::WireBytes => bytes.per_delivery().filter(|_| on_the_wire),
            Self::StreamBytes => bytes.per_delivery().filter(|_| !on_the_wire),
            Self::ServerCpu => measured.server.as_ref()?.cpu_us_per_delivery.map(|us| us * 1e3),
            Self::ServerRss => Some(measured.server.as_ref()?.rss_per_connection_bytes),
        };
        value.filter(|value| value.is_finite())
    }
}
