//! Every bound and choice of the server, as flags: unit, default and reason.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::brokers::Choice;
use crate::clock;
use crate::guards::origin::AllowedOrigin;
use crate::guards::pace::Pace;
use crate::tls::TlsArgs;
use crate::window::Limit;

/// One notification feed, served over short polling, long polling, Server-Sent Events, WebSocket and Socket.IO.
#[derive(Debug, Clone, Parser)]
#[command(name = "feed-server", version, max_term_width = 110)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one, and the line on stdout says which.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// Whether, and as whom, the server speaks TLS.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// Threads that serve connections [default: the CPUs that this process may use].
    #[arg(long, value_name = "N")]
    pub workers: Option<std::num::NonZeroUsize>,

    /// Publish a steady feed on the topic `demo`, this many notifications a second.
    #[arg(long, value_name = "RATE", num_args = 0..=1, default_missing_value = "1", value_parser = rate)]
    pub demo: Option<f64>,

    /// Say everything back to WebSocket clients of `/echo`, for conformance suites; of no use to anybody else.
    #[arg(long, hide = true)]
    pub echo: bool,

    /// Stop when stdin reaches its end, so that a server never outlives the program that started it.
    #[arg(long)]
    pub exit_on_stdin_close: bool,

    /// What to log on stderr, for example `info` or `feed_server=debug`. Each abnormal end of a connection is a warning, with its reason:
    /// `warn,feed_server::ends=off` leaves these out.
    #[arg(long, default_value = "warn", value_name = "FILTER")]
    pub log: String,

    /// How to log it: a line to read, or a line of JSON.
    #[arg(long, default_value = "human", value_name = "FORMAT")]
    pub log_format: LogFormat,

    /// Who numbers notifications and keeps their history: `memory`, this process alone, or `redis://HOST[:PORT]`, for several
    /// servers that show the same. Servers that share a Redis should be given the same `--history` and `--history-bytes`.
    #[arg(long, default_value = "memory", value_name = "BROKER")]
    pub broker: Choice,

    /// Notifications retained in each topic: how far behind a reader may fall, or stay away, without a loss;
    /// the default covers a minute at 68 a second.
    #[arg(long, default_value_t = 4096, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1 << 32))]
    pub history: u64,

    /// Bytes of JSON retained in each topic, whatever `--history` says; each wire form in use costs about as much again.
    #[arg(long, default_value_t = 16 << 20, value_name = "BYTES")]
    pub history_bytes: usize,

    /// How long a notification waits for those that follow it, so that one write carries them all: milliseconds, or a time with its
    /// unit, up to 10s. Latency grows by up to this, half of it on average where many come; CPU per delivery falls with the number
    /// that come together. Off unless asked for.
    #[arg(long, default_value = "0", value_name = "MS", value_parser = coalesce)]
    pub coalesce: Duration,

    /// Topics that may exist; asking for one more is answered with 503. The default has room for a topic per user of a
    /// large run; without a bound, names that clients make up would fill the memory.
    #[arg(long, default_value_t = 20_000, value_name = "COUNT")]
    pub topics_max: usize,

    /// Connections open at a time, and each stream of HTTP/2 counts as two more, for it takes two files; one more is answered with 503
    /// [default: the limit of open files, less 64].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_max: Option<u32>,

    /// Connections that one address may have open at a time; one more is answered with 429. Off unless asked for: everybody behind a
    /// proxy or a NAT has one address, and so has a load generator with thousands of clients. An HTTP/2 connection counts, and each of its open
    /// streams. An IPv6 address counts by its first 64 bits.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_per_address: Option<u32>,

    /// Requests a second that one address may send, over all of its connections; one more is answered with 429, which says when to come
    /// back. Handshakes and polls are requests. Off unless asked for, for the same reasons.
    #[arg(long, value_name = "RATE", value_parser = pace)]
    pub requests_per_second: Option<f64>,

    /// Requests that one address may send at once before that counts [default: a second's worth].
    #[arg(long, value_name = "COUNT", requires = "requests_per_second", value_parser = clap::value_parser!(u32).range(1..))]
    pub requests_burst: Option<u32>,

    /// Messages a second that a client may send over one WebSocket or in one Socket.IO session, pings included; one more ends it, a
    /// WebSocket with code 1008. Off unless asked for: publishers may have much to say, and what they may say is bounded by the size of a
    /// message and by how fast they are read.
    #[arg(long, value_name = "RATE", value_parser = pace)]
    pub messages_per_second: Option<f64>,

    /// Messages that such a client may send at once before that counts [default: a second's worth].
    #[arg(long, value_name = "COUNT", requires = "messages_per_second", value_parser = clap::value_parser!(u32).range(1..))]
    pub messages_burst: Option<u32>,

    /// Origin whose pages may use this server, for example `https://app.example.com`; repeat it for more, `*` allows all of them. A
    /// request with another `Origin` is answered with 403. Unless told otherwise only pages from this server's own host and port:
    /// browsers let every page that somebody looks at reach it. Who sends no `Origin` is no page, and not asked.
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<AllowedOrigin>,

    /// File of the keys by which tokens are known, a JWK set (RFC 7517): secrets for HS256 (`oct`), public keys for EdDSA (`OKP`, Ed25519).
    /// With it, who reads or publishes has to show a JWT in `Authorization: Bearer`, or as `access_token` in the query, whose claims
    /// `read` and `write` list topics (`user-*` for all that begin so) and whose `exp` ends what it began. Keys of other kinds are skipped
    /// with a warning. Without it, everybody may.
    #[arg(long, value_name = "FILE")]
    pub jwt_keys: Option<PathBuf>,

    /// For whom tokens have to be (claim `aud`). Without it, a token that is for somebody in particular is not taken.
    #[arg(long, value_name = "NAME", requires = "jwt_keys")]
    pub jwt_audience: Option<String>,

    /// Largest body of a publication; a larger one is answered with 413. The default is far more than a notification
    /// needs: what is larger belongs behind a link in it.
    #[arg(long, default_value_t = 64 << 10, value_name = "BYTES")]
    pub body_max: usize,

    /// Largest head of a request: request line and header fields; a larger one is answered with 431. The heads of browsers have one or two
    /// KiB, a token another; it is what each of many slow clients can make the server hold.
    #[arg(long, default_value_t = 16 << 10, value_name = "BYTES", value_parser = head)]
    pub head_max: usize,

    /// Largest answer to a poll; what did not fit is announced by `more`, and comes with the next poll. The default is
    /// a burst of thousands, and bounds what a thousand slow clients hold to 1 GiB.
    #[arg(long, default_value_t = 1 << 20, value_name = "BYTES")]
    pub answer_bytes: usize,

    /// Largest message that a WebSocket client may send; a larger one ends the connection with code 1009. The feed goes
    /// one way, so that the default is plenty; it is what a client can make the server hold.
    #[arg(long, default_value_t = 64 << 10, value_name = "BYTES")]
    pub message_max: usize,

    /// Longest `wait` of a long poll; a longer one is answered with 400.
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = time)]
    pub wait_max: Duration,

    /// How long a client may take to send the head of a request, and again for its body; then the connection is closed.
    /// The default lets a lost packet be sent again three times, and is little to those who trickle bytes to hold a
    /// place.
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = time)]
    pub head_timeout: Duration,

    /// How long a connection may idle before a request; then it is closed. The default is longer than the minute after
    /// which many clients and proxies close, so that they do, and no request meets a connection that is just being
    /// closed.
    #[arg(long, default_value = "75s", value_name = "DURATION", value_parser = time)]
    pub idle_timeout: Duration,

    /// An SSE stream that was silent for this long gets a comment, so that nobody between takes it for dead.
    #[arg(long, default_value = "15s", value_name = "DURATION", value_parser = time)]
    pub heartbeat: Duration,

    /// How long SSE clients are told to wait before they connect again.
    #[arg(long, default_value = "2s", value_name = "DURATION", value_parser = time)]
    pub sse_retry: Duration,

    /// How often a WebSocket client, or one that speaks HTTP/2, is asked whether it is still there. The default is half the minute of silence after
    /// which many proxies cut a connection.
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = time)]
    pub ping_interval: Duration,

    /// How long it may take to answer; then the connection is closed. The default lets a phone on a bad network wake up
    /// and lose a packet or two.
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = time)]
    pub pong_timeout: Duration,

    /// How often a Socket.IO client is asked whether it is still there. The default is that of the protocol's reference.
    #[arg(long, default_value = "25s", value_name = "DURATION", value_parser = time)]
    pub socketio_ping_interval: Duration,

    /// How long it may take to answer; then its session is closed. The default is that of the protocol's reference.
    #[arg(long, default_value = "20s", value_name = "DURATION", value_parser = time)]
    pub socketio_ping_timeout: Duration,

    /// How long a Socket.IO client may take to enter the namespace after its session was opened; then the session is closed.
    /// The default is that of the protocol's reference.
    #[arg(long, default_value = "45s", value_name = "DURATION", value_parser = time)]
    pub socketio_connect_timeout: Duration,

    /// Largest message, or body of a post, of a Socket.IO client (`maxPayload`); a larger one ends the session. Three quarters of
    /// it may be on their way to a client. The default holds a publication of `--body-max` and what surrounds it.
    #[arg(long, default_value_t = 100_000, value_name = "BYTES", value_parser = payload)]
    pub socketio_payload_max: usize,

    /// Socket.IO sessions that began with polling, which outlive their connections; one more is answered with 503. A session
    /// costs about 15 KB, so the default bounds what clients that begin and never come back can make the server hold to 300 MB.
    #[arg(long, default_value_t = 20_000, value_name = "COUNT")]
    pub socketio_sessions_max: usize,

    /// How long a client may take nothing of what is written to it; then the connection is closed. The default
    /// outlasts a tunnel or a change of networks, and bounds how long a dead client holds memory.
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = time)]
    pub write_timeout: Duration,

    /// Bytes that the kernel may hold for one client; what exceeds them waits in the history, not in memory of the client's own. The
    /// kernel counts its bookkeeping as well, up to as much again. Together with 256 KiB and one notification taken from the history, or
    /// one answer to a poll (`--answer-bytes`), that is all that a client which stops reading costs. The default keeps a connection
    /// of 100 ms round-trip time busy at 10 Mbit/s.
    #[arg(long, default_value_t = 128 << 10, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(4096..=1 << 30))]
    pub send_buffer: u32,

    /// How long what was sent to a client may stay without an acknowledgement of its machine; then the connection is closed. It finds
    /// who vanished without a word: a WebSocket after `--ping-interval` and `--pong-timeout`, an SSE stream after
    /// `--heartbeat` and this, a long poll after its `wait` and this. The kernel asks the same of a client that takes nothing, so this should
    /// be longer than `--write-timeout` [default: 5 s longer].
    #[arg(long, value_name = "DURATION", value_parser = time)]
    pub tcp_user_timeout: Option<Duration>,

    /// How long connections may take to end once the server stops. Each is ended at a random instant, so that not all come back at
    /// once; the last 3 seconds, or the last half if that is less, are for the farewells of those that were ended last. The default
    /// is less than the 10 seconds after which container managers kill.
    #[arg(long, default_value = "8s", value_name = "DURATION", value_parser = time)]
    pub drain: Duration,
}

/// What `--tcp-user-timeout` is longer than `--write-timeout` unless it is given: who takes nothing is then told from who is gone.
const BEYOND_WRITING: Duration = Duration::from_secs(5);

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// For programs: one JSON object, with `timestamp`, `level`, `target` and `fields`.
    Json,
}

impl Config {
    /// How long what was sent may stay without an acknowledgement.
    pub(crate) fn tcp_user_timeout(&self) -> Duration {
        self.tcp_user_timeout.unwrap_or(self.write_timeout + BEYOND_WRITING)
    }

    /// What each topic retains.
    pub(crate) fn history(&self) -> Limit {
        Limit { count: self.history as usize, bytes: self.history_bytes }
    }

    /// How often an address may ask, if that is bounded.
    pub(crate) fn requests(&self) -> Option<Pace> {
        self.requests_per_second.map(|rate| Pace::new(rate, self.requests_burst, clock::now()))
    }

    /// How often a client may send a message, if that is bounded; counted from now.
    pub(crate) fn messages(&self) -> Option<Pace> {
        self.messages_per_second.map(|rate| Pace::new(rate, self.messages_burst, clock::now()))
    }
}

/// A time that something takes: with none, a loop would spin; with ages, an instant would overflow.
fn time(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(24 * 3600);
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() && time <= LONGEST => Ok(time),
        _ => Err("expected a time with its unit, above zero and up to 24h, for example 500ms, 20s or 2min".to_owned()),
    }
}

/// A time that may be none, in milliseconds where no unit is named.
fn coalesce(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(10);
    let time = text.parse().map(Duration::from_millis).or_else(|_| humantime::parse_duration(text));
    match time {
        Ok(time) if time <= LONGEST => Ok(time),
        _ => Err("expected milliseconds, or a time with its unit, up to 10s, for example 5 or 20ms".to_owned()),
    }
}

/// A payload that holds the packets of a handshake at least.
fn payload(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if (1024..=1 << 30).contains(&bytes) => Ok(bytes),
        _ => Err("expected bytes, 1024 to 1073741824".to_owned()),
    }
}

/// A head that hyper can be told to take.
fn head(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if (8192..=1 << 20).contains(&bytes) => Ok(bytes),
        _ => Err("expected bytes, 8192 to 1048576".to_owned()),
    }
}

fn pace(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=1e6).contains(&rate) => Ok(rate),
        _ => Err("expected how many a second, 0.001 to 1000000".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 10_000.0 => Ok(rate),
        _ => Err("expected notifications per second, more than 0 and up to 10000".to_owned()),
    }
}
