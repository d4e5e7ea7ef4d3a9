//! Clients that wait as the server tells them, by `retry` of an event stream or by `Retry-After`, lose nothing of what they wait out.

mod foreign;
mod support;

use std::time::Duration;

use foreign::raw::{Manner, Raw, target};
use foreign::{Measured, carry_out};
use support::{WIDE_BOUNDS, loadgen};

/// A run of 4 clients and 20 notifications over event streams, one answer an event: 80 deliveries.
async fn measure(server: &Raw, more: &[&str]) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.toml");
    std::fs::write(&path, target("")).unwrap();
    let mut command = loadgen();
    command.env_remove("WIRELAB_TOKEN").args(["run", "--transport", "sse", "--url", &server.url, "--target"]);
    command.arg(path).args(["--clients", "4", "--warmup", "0s", "--settle", "300ms", "--connect-rate", "200"]);
    command.args(["--rate", "10", "--duration", "2s", "--drain", "1s", "--pin", "off"]).args(WIDE_BOUNDS).args(more);
    command.arg("--out").arg(folder.path().join("run"));
    carry_out(command, folder).await
}

#[tokio::test]
async fn what_is_published_while_clients_wait_as_retry_says_is_waited_for() {
    let server = Raw::serve(Manner { retry_ms: 5_000, gives_all: true, ..Manner::default() }).await;
    let run = measure(&server, &[]).await.exact(4);
    assert_eq!(run.measured.deliveries.expected, 80);
    assert!(run.measured.latency.max_ns >= Duration::from_secs(1).as_nanos() as u64, "{:?}", run.measured.latency);
    assert!(server.requests().len() < 4 * 5, "they waited: {:?}", server.requests());
}

#[tokio::test]
async fn the_pause_before_the_next_request_is_waited_out_where_the_stream_does_not_say_how_long() {
    let server = Raw::serve(Manner { retry_ms: 0, gives_all: true, ..Manner::default() }).await;
    let more = ["--reconnect", "backoff", "--reconnect-first", "5s"];
    let run = measure(&server, &more).await.exact(4);
    assert_eq!(run.measured.deliveries.expected, 80);
}

#[tokio::test]
async fn what_clients_wait_out_for_longer_than_anybody_waits_makes_the_run_invalid_and_names_retry() {
    let server = Raw::serve(Manner { retry_ms: 60_000, gives_all: true, ..Manner::default() }).await;
    let measured = measure(&server, &["--reconnect-longest", "1s"]).await;
    assert_eq!(measured.code, 3, "{}", measured.stdout);
    let told = "told to wait   1m at most, by `retry` or `Retry-After`: longer than --reconnect-longest";
    assert!(measured.stdout.contains(told), "{}", measured.stdout);
}
