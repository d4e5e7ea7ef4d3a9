//! What is published to servers that are slow, close connections, or refuse inside a 200, is measured as what they do to it.

mod foreign;
mod support;

use std::time::Duration;

use foreign::odd_posts::{OddPosts, TARGET};
use foreign::{Measured, carry_out};
use results::Run;
use support::{WIDE_BOUNDS, is_sound, loadgen};
use tokio::task::LocalSet;

/// Four clients of `odd` at `rate`, with the flags `more`.
async fn measure_with(odd: OddPosts, target: &str, rate: &str, more: &[&str], bounds: &[&str]) -> Measured {
    let url = odd.serve().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("odd.toml");
    std::fs::write(&file, target).unwrap();
    let mut command = loadgen();
    command.args(["run", "--transport", "sse", "--clients", "4", "--rate", rate, "--url", &url, "--target"]).arg(&file);
    command.args(["--warmup", "500ms", "--settle", "0s", "--duration", "4s", "--drain", "5s", "--pin", "off"]);
    command.args(bounds).args(more).arg("--out").arg(folder.path().join("run"));
    carry_out(command, folder).await
}

async fn measure(odd: OddPosts, rate: &str, more: &[&str]) -> Measured {
    measure_with(odd, TARGET, rate, more, &WIDE_BOUNDS).await
}

fn run_of(measured: &Measured) -> Run {
    results::load(&measured.out).unwrap_or_else(|e| panic!("{e}: {}{}", measured.stdout, measured.stderr)).run
}

async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

/// 50 ms each, 200 a second: ten are always under way, and one connection alone would do 20.
#[tokio::test]
async fn a_slow_server_answers_as_many_publications_at_once_as_there_are() {
    local(async {
        let slow = OddPosts { delay: Duration::from_millis(50), ..OddPosts::default() };
        let measured = measure(slow.clone(), "200", &[]).await;
        let run = measured.exact(4);
        let published = &run.measured.published;
        assert!(published.most_connections >= 10, "{published:?}");
        // What is measured is the server's 50 ms, not a queue that grows for as long as the run lasts.
        assert!(run.measured.latency.min_ns >= 50_000_000 && run.measured.latency.p50_ns < 500_000_000, "{run:?}");

        let measured = measure(slow, "40", &["--publish-pipelined"]).await;
        let pipelined = run_of(&measured);
        assert!(pipelined.measured.latency.p50_ns > 500_000_000, "one after another: {:?}", pipelined.measured.latency);
    })
    .await;
}

#[tokio::test]
async fn too_few_connections_for_publishing_make_a_run_invalid_by_name() {
    local(async {
        let slow = OddPosts { delay: Duration::from_millis(50), ..OddPosts::default() };
        // A wait counts where it is longer than send lag may be.
        let bounds = ["--max-loop-lag", "10s", "--max-cpu", "64"];
        let measured = measure_with(slow, TARGET, "40", &["--publish-connections", "1"], &bounds).await;
        assert_eq!(measured.code, 3, "{}", measured.stdout);
        assert!(measured.stdout.contains("publish-connections"), "{}", measured.stdout);
        let published = run_of(&measured).measured.published;
        assert_eq!(published.most_connections, 1, "{published:?}");
        assert!(published.waited > published.due / 2, "{published:?}");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_closes_connections_in_order_loses_nothing_of_what_is_published() {
    local(async {
        let after = |requests, says_close| OddPosts { requests: Some(requests), says_close, ..OddPosts::default() };
        let idle = OddPosts { idle: Some(Duration::from_secs(1)), ..OddPosts::default() };
        for (odd, rate) in [(after(1, false), "15"), (after(1, true), "15"), (after(20, true), "100"), (idle, "0.95")] {
            let said = format!("{odd:?}");
            let run = measure(odd, rate, &[]).await.exact(4);
            assert!(run.measured.connections.errors.is_empty(), "{said}: {:?}", run.measured.connections.errors);
        }
    })
    .await;
}

/// Pipelined requests behind an answer that closes were not acted on (RFC 9112, section 9.6).
#[tokio::test]
async fn pipelined_requests_behind_an_answer_that_closes_are_sent_again() {
    local(async {
        let odd =
            OddPosts { requests: Some(20), says_close: true, delay: Duration::from_millis(5), ..OddPosts::default() };
        let measured = measure(odd, "100", &["--publish-pipelined"]).await;
        let run = measured.exact(4);
        assert_eq!(run.measured.published.unknown, 0);
    })
    .await;
}

#[tokio::test]
async fn of_a_publication_without_an_answer_nobody_knows_unless_the_server_recognises_it() {
    local(async {
        let odd = OddPosts { falls_silent: Some(5), ..OddPosts::default() };
        let measured = measure(odd.clone(), "15", &[]).await;
        let run = run_of(&measured);
        let published = &run.measured.published;
        assert_eq!((published.unknown, published.refused, published.sent_again), (12, 0, 0), "{published:?}");
        assert_eq!(published.refused_and_delivered, Some(12), "this server had taken them all");
        assert_eq!(run.measured.deliveries.lost, 0, "{:?}", run.measured.deliveries);
        assert!(measured.stdout.contains("unknown 12"), "{}", measured.stdout);

        // It is told again, and takes what it has for something new, for it knows no keys: it was asked for.
        let key = TARGET.replace("Content-Type", "Idempotency-Key = '{unique}', Content-Type");
        let measured = measure_with(odd, &key, "15", &[], &WIDE_BOUNDS).await;
        let published = run_of(&measured).measured.published;
        assert_eq!((published.accepted, published.unknown), (60, 0), "{published:?}");
        assert!((12..=16).contains(&published.sent_again), "{published:?}");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_inside_a_200_is_a_refusal_where_the_target_says_what_an_acceptance_looks_like() {
    local(async {
        let odd = OddPosts { refuses: Some(2), ..OddPosts::default() };
        let accepted = TARGET.replace("body =", "accepted = 'json /error absent'\nbody =");
        let measured = measure_with(odd, &accepted, "5", &["--min-load", "0.4"], &WIDE_BOUNDS).await;
        let run = run_of(&measured);
        let (published, books) = (&run.measured.published, &run.measured.deliveries);
        assert_eq!((published.due, published.accepted, published.refused), (20, 10, 10), "{published:?}");
        assert_eq!((books.expected, books.delivered, books.lost), (40, 40, 0), "{books:?}");
        let refused = run.measured.connections.errors["publish-not-accepted"];
        assert!((11..=12).contains(&refused), "with the warm-up's: {refused}");
        assert!(is_sound(&run), "{:?}", run.verdict);
    })
    .await;
}
