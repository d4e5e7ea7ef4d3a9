//! Every bound and choice of the server, as flags: unit, default and reason.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;

/// One notification feed, served over short polling, long polling, Server-Sent Events and WebSocket.
#[derive(Debug, Clone, Parser)]
#[command(name = "feed-server", version, max_term_width = 110)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one, and the line on stdout says which.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// Threads that serve connections [default: the CPUs that this process may use].
    #[arg(long, value_name = "N")]
    pub workers: Option<std::num::NonZeroUsize>,

    /// Publish a steady feed on the topic `demo`, this many notifications a second.
    #[arg(long, value_name = "RATE", num_args = 0..=1, default_missing_value = "1", value_parser = rate)]
    pub demo: Option<f64>,

    /// Stop when stdin reaches its end, so that a server never outlives the program that started it.
    #[arg(long)]
    pub exit_on_stdin_close: bool,

    /// What to log on stderr, for example `info` or `feed_server=debug`.
    #[arg(long, default_value = "warn", value_name = "FILTER")]
    pub log: String,

    /// Notifications retained in each topic: how far behind a reader may fall, or stay away, without a loss.
    #[arg(long, default_value_t = 4096, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1 << 32))]
    pub history: u64,

    /// Bytes of JSON retained in each topic, whatever `--history` says; each wire form in use costs about as much again.
    #[arg(long, default_value_t = 16 << 20, value_name = "BYTES")]
    pub history_bytes: usize,

    /// Topics that may exist; asking for one more is answered with 503.
    #[arg(long, default_value_t = 20_000, value_name = "COUNT")]
    pub topics_max: usize,

    /// Connections open at a time; one more is answered with 503 [default: the limit of open files, less 64].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_max: Option<u32>,

    /// Largest body of a publication; a larger one is answered with 413.
    #[arg(long, default_value_t = 64 << 10, value_name = "BYTES")]
    pub body_max: usize,

    /// Largest answer to a poll; what did not fit is announced by `more`, and comes with the next poll.
    #[arg(long, default_value_t = 1 << 20, value_name = "BYTES")]
    pub answer_bytes: usize,

    /// Largest message that a WebSocket client may send; a larger one ends the connection with code 1009.
    #[arg(long, default_value_t = 64 << 10, value_name = "BYTES")]
    pub message_max: usize,

    /// Longest `wait` of a long poll; a longer one is answered with 400.
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub wait_max: Duration,

    /// How long a client may take to send the head of a request, and again for its body; then the connection is closed.
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub head_timeout: Duration,

    /// How long a connection may idle before a request; then it is closed.
    #[arg(long, default_value = "75s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub idle_timeout: Duration,

    /// An SSE stream that was silent for this long gets a comment, so that nobody between takes it for dead.
    #[arg(long, default_value = "15s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub heartbeat: Duration,

    /// How long SSE clients are told to wait before they connect again.
    #[arg(long, default_value = "2s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub sse_retry: Duration,

    /// How often a WebSocket client is asked whether it is still there.
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub ping_interval: Duration,

    /// How long it may take to answer; then the connection is closed.
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub pong_timeout: Duration,

    /// How long a client may take nothing of what is written to it; then the connection is closed.
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub write_timeout: Duration,

    /// How long connections may take to end once the server stops.
    #[arg(long, default_value = "5s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub drain: Duration,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 10_000.0 => Ok(rate),
        _ => Err("expected notifications per second, more than 0 and up to 10000".to_owned()),
    }
}
