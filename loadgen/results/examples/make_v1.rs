//! Makes the example runs of schema 1: synthetic, seeded, plausible, and small enough to be committed.
//!
//! `cargo run -p results --example make_v1 -- FOLDER [ROUNDS]` writes a comparison of all four transports.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use results::{
    Asked, Bytes, Comparison, ComparisonRun, Connections, CostSource, Deliveries, Ending, FolderError, GeneratorCost,
    LatencyLog, Layers, Machine, Measured, Percentiles, Phase, Polls, Published, Run, RunFolder, SCHEMA, SeriesRow,
    ServerCost, Verdict, new_histogram,
};

const STARTED_AT: &str = "2025-01-15T12:00:00Z";
const STARTED_UNIX_S: u64 = 1_736_942_400;
const CLIENTS: u64 = 500;
const RATE_PER_S: u64 = 4;
const WINDOW_S: u64 = 10;
const PAYLOAD_BYTES: u64 = 128;
/// Rows of the series before measuring: two of connecting, one of settling, two of warm-up.
const LEAD_S: u64 = 5;

/// What makes one transport differ from the next; bytes are per delivery.
struct Shape {
    transport: &'static str,
    median_ms: f64,
    spread: f64,
    poll_interval_ms: f64,
    framing: (u64, u64),
    tcp_ip: (u64, u64),
    cpu_us: f64,
    rss_bytes: f64,
    polls_per_s: u64,
}

const SHAPES: [Shape; 4] = [
    Shape {
        transport: "short-poll",
        median_ms: 1.6,
        spread: 0.35,
        poll_interval_ms: 1_000.0,
        framing: (71, 64),
        tcp_ip: (38, 35),
        cpu_us: 11.8,
        rss_bytes: 17_900.0,
        polls_per_s: 500,
    },
    Shape {
        transport: "long-poll",
        median_ms: 2.4,
        spread: 0.45,
        poll_interval_ms: 0.0,
        framing: (224, 196),
        tcp_ip: (94, 88),
        cpu_us: 27.5,
        rss_bytes: 18_800.0,
        polls_per_s: 2_000,
    },
    Shape {
        transport: "sse",
        median_ms: 1.1,
        spread: 0.40,
        poll_interval_ms: 0.0,
        framing: (104, 0),
        tcp_ip: (53, 52),
        cpu_us: 9.4,
        rss_bytes: 19_400.0,
        polls_per_s: 0,
    },
    Shape {
        transport: "ws",
        median_ms: 0.9,
        spread: 0.40,
        poll_interval_ms: 0.0,
        framing: (74, 0),
        tcp_ip: (52, 52),
        cpu_us: 8.1,
        rss_bytes: 7_300.0,
        polls_per_s: 0,
    },
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("expected FOLDER [ROUNDS]")?;
    let rounds: u32 = words.next().map_or(Ok(1), |word| word.parse())?;
    let folder = Path::new(&folder);
    let mut runs = Vec::new();
    for round in 1..=rounds {
        for shape in &SHAPES {
            let name = if rounds == 1 { shape.transport.to_owned() } else { format!("{}-{round}", shape.transport) };
            write_run(&folder.join(&name), shape, round)?;
            runs.push(ComparisonRun { round, transport: shape.transport.to_owned(), label: None, folder: name });
        }
    }
    let transports = SHAPES.iter().map(|shape| shape.transport.to_owned()).collect();
    let comparison = Comparison { schema: SCHEMA, started_at: STARTED_AT.to_owned(), transports, rounds, runs };
    comparison.write(folder)?;
    Ok(())
}

fn write_run(path: &Path, shape: &Shape, round: u32) -> Result<(), FolderError> {
    let mut rng = SmallRng::seed_from_u64(u64::from(round) * 1_000 + shape.transport.len() as u64);
    let weather = 1.0 + rng.random_range(-0.06..0.06);
    let mut log = LatencyLog::default();
    let mut whole = new_histogram();
    let mut series = lead(shape, &mut rng);
    for second in 0..WINDOW_S {
        let mut histogram = new_histogram();
        for _ in 0..CLIENTS * RATE_PER_S {
            histogram.record(latency_ns(shape, weather, &mut rng)).expect("the latency is in range");
        }
        log.push(None, Duration::from_secs(LEAD_S + second), Duration::from_secs(1), &histogram)
            .expect("a histogram can be encoded");
        series.push(row(shape, LEAD_S + second + 1, "measure", Some(&Percentiles::from(&histogram)), &mut rng));
        whole.add(&histogram).expect("the bounds are equal");
    }
    let run = run(shape, round, weather, Percentiles::from(&whole));
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(STARTED_UNIX_S);
    RunFolder::create(path)?.write(&run, &log, started, &series)
}

/// A log-normal service time, on top of the wait for the next poll; one in a thousand meets a pause.
fn latency_ns(shape: &Shape, weather: f64, rng: &mut SmallRng) -> u64 {
    let sum: f64 = (0..12).map(|_| rng.random_range(0.0..1.0)).sum();
    let service = shape.median_ms * weather * (shape.spread * (sum - 6.0)).exp();
    let wait = rng.random_range(0.0..=1.0) * shape.poll_interval_ms;
    let pause = if rng.random_range(0..1_000) == 0 { rng.random_range(4.0..18.0) } else { 0.0 };
    // Three significant digits are all that the histogram keeps; two deflate better.
    let microseconds = (service + wait + pause) * 1_000.0;
    let step = 10_f64.powf(microseconds.log10().floor() - 1.0);
    ((microseconds / step).round() * step * 1_000.0) as u64
}

fn lead(shape: &Shape, rng: &mut SmallRng) -> Vec<SeriesRow> {
    let phases = ["connect", "connect", "settle", "warm-up", "warm-up"];
    (1..=LEAD_S).zip(phases).map(|(at, phase)| row(shape, at, phase, None, rng)).collect()
}

fn row(shape: &Shape, at: u64, phase: &str, latency: Option<&Percentiles>, rng: &mut SmallRng) -> SeriesRow {
    let open = (at * CLIENTS / 2).min(CLIENTS);
    let publishing = matches!(phase, "warm-up" | "measure");
    let polls = if phase == "connect" { 0 } else { shape.polls_per_s };
    let delivered = if publishing { CLIENTS * RATE_PER_S } else { 0 };
    SeriesRow {
        at_s: at as f64,
        phase: phase.to_owned(),
        open,
        opening: 0,
        in_flight: if shape.transport == "long-poll" { open } else { 0 },
        opened: if phase == "connect" { CLIENTS / 2 } else { 0 },
        published: if publishing { RATE_PER_S } else { 0 },
        delivered,
        p50_us: latency.map(|p| p.p50_ns as f64 / 1e3),
        p99_us: latency.map(|p| p.p99_ns as f64 / 1e3),
        max_us: latency.map(|p| p.max_ns as f64 / 1e3),
        received_bytes: delivered * (PAYLOAD_BYTES + shape.framing.0),
        sent_bytes: delivered * shape.framing.1,
        polls,
        wasted_polls: polls / 50,
        server_cpu_share: Some(delivered as f64 * shape.cpu_us / 1e6 * rng.random_range(0.95..1.05)),
        server_rss_bytes: Some(6_000_000 + (open as f64 * shape.rss_bytes) as u64),
        server_open: Some(open),
        generator_cpu_share: delivered as f64 * 6.2 / 1e6,
        loop_lag_max_us: rng.random_range(80.0_f64..900.0).round(),
        ..SeriesRow::default()
    }
}

fn run(shape: &Shape, round: u32, weather: f64, latency: Percentiles) -> Run {
    Run {
        schema: SCHEMA,
        id: format!("{:08x}", 0xe1a0_0000_u32 + round * 16 + shape.transport.len() as u32),
        started_at: STARTED_AT.to_owned(),
        ending: Ending::Complete,
        verdict: Verdict::default(),
        assertions: Vec::new(),
        asked: asked(shape),
        machine: Machine {
            os: "Linux 6.1.0".to_owned(),
            cpu: "Example CPU (synthetic run)".to_owned(),
            cores: 4,
            memory_bytes: 16 << 30,
            file_descriptors: 20_000,
            tool: "loadgen 0.1.0".to_owned(),
            build: "release".to_owned(),
            allocator: "system".to_owned(),
        },
        measured: measured(shape, weather, latency),
        shards: Vec::new(),
    }
}

fn asked(shape: &Shape) -> Asked {
    Asked {
        command: ["loadgen", "compare", "--clients", "500", "--rate", "4"].map(str::to_owned).to_vec(),
        transport: shape.transport.to_owned(),
        target: None,
        server_flags: Vec::new(),
        url: None,
        clients: CLIENTS as u32,
        rate_per_s: RATE_PER_S as f64,
        payload_bytes: PAYLOAD_BYTES as u32,
        topics: 1,
        topic: "news".to_owned(),
        arrival: "constant".to_owned(),
        seed: 1,
        duration_s: WINDOW_S as f64,
        warmup_s: 2.0,
        drain_s: 5.0,
        connect_rate_per_s: 250.0,
        poll_interval_s: 1.0,
        wait_s: 25.0,
        connection: "reuse".to_owned(),
        publish_connections: None,
        publish_pipelined: false,
        socketio: None,
        reconnect: None,
        faults: Vec::new(),
        pin: "auto".to_owned(),
        shard: None,
    }
}

fn measured(shape: &Shape, weather: f64, latency: Percentiles) -> Measured {
    let published = RATE_PER_S * WINDOW_S;
    let deliveries = CLIENTS * published;
    let lag = |ns: u64| Percentiles {
        count: published,
        min_ns: ns / 4,
        mean_ns: ns as f64,
        p50_ns: ns,
        p90_ns: ns * 2,
        p95_ns: ns * 3,
        p99_ns: ns * 5,
        p999_ns: ns * 8,
        max_ns: ns * 10,
    };
    let layers = |payload: u64, framing: u64, tcp_ip: u64| Layers {
        payload: payload * deliveries,
        framing: framing * deliveries,
        tls: 0,
        tcp_ip: Some((tcp_ip as f64 * deliveries as f64 * weather) as u64),
    };
    let phases = [("connect", 0.0, 2.0), ("settle", 2.0, 3.0), ("warm-up", 3.0, 5.0), ("measure", 5.0, 15.0)];
    let cpu_us = shape.cpu_us * weather;
    let rss_before = 6_000_000_u64;
    let rss = |share: f64| rss_before + (CLIENTS as f64 * shape.rss_bytes * weather * share) as u64;
    Measured {
        phases: phases.map(|(name, start_s, end_s)| Phase { name: name.to_owned(), start_s, end_s }).to_vec(),
        latency,
        latency_from_actual: None,
        latency_out_of_range: 0,
        connect: Percentiles { count: CLIENTS, ..lag(850_000) },
        deliveries: Deliveries { expected: deliveries, delivered: deliveries, ..Deliveries::default() },
        misdelivered: None,
        repeated_within_messages: None,
        foreign: None,
        quotes: std::collections::BTreeMap::new(),
        never_learnt: Vec::new(),
        published: Published {
            due: published,
            sent: published,
            accepted: published,
            refused: 0,
            refused_and_delivered: None,
            send_lag: lag(60_000),
            publish_time: Some(lag(400_000)),
            ..Published::default()
        },
        bytes: Bytes {
            deliveries,
            received: layers(PAYLOAD_BYTES, shape.framing.0, shape.tcp_ip.0),
            sent: layers(0, shape.framing.1, shape.tcp_ip.1),
            whole_run: None,
        },
        connections: Connections {
            asked: CLIENTS,
            live_at_start: CLIENTS,
            live_at_end: CLIENTS,
            opened: CLIENTS,
            ..Connections::default()
        },
        polls: (shape.polls_per_s > 0).then(|| Polls {
            answered: shape.polls_per_s * WINDOW_S,
            wasted: if shape.transport == "short-poll" { 90 } else { 0 },
        }),
        server: Some(ServerCost {
            source: CostSource::Stats,
            cpu_s: cpu_us * deliveries as f64 / 1e6,
            cpu_by_process_s: Some(cpu_us * deliveries as f64 / 1e6),
            cpu_user_s: None,
            cpu_system_s: None,
            cpu_us_per_delivery: Some(cpu_us),
            idle_cpu_share: Some(shape.polls_per_s.min(500) as f64 * 9.0 / 1e6 + 0.0002),
            rss_before_bytes: rss_before,
            rss_connected_bytes: rss(0.8),
            rss_end_bytes: rss(1.0),
            rss_per_connection_bytes: shape.rss_bytes * weather,
            rss_per_idle_connection_bytes: shape.rss_bytes * weather * 0.8,
            delivered: Some(deliveries),
            open_at_end: Some(CLIENTS),
            cpus: vec![0],
        }),
        generator: GeneratorCost {
            cpu_s: deliveries as f64 * 6.2 / 1e6,
            cpu_user_s: None,
            cpu_system_s: None,
            cpu_us_per_delivery: Some(6.2),
            cpu_share: 0.02,
            rss_before_bytes: Some(8_000_000),
            rss_end_bytes: Some(12_000_000),
            rss_per_client_bytes: Some(8_000.0),
            loop_lag: Percentiles { count: 10_000, ..lag(50_000) },
            turn_wait: None,
            threads: 2,
            cpus: vec![1, 2, 3],
        },
        reconciliation: Vec::new(),
        recovery: None,
    }
}
