//! The generator against a server whose behaviour is known: what it did must be what was measured.

use std::path::Path;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Parser;
use feed::Transport;
use futures_util::future::join_all;
use loadgen::config::{Bounds, Cli, Command as Subcommand};
use loadgen::interrupt::Interrupt;
use loadgen::selftest::{Findings, Trial, examine};
use results::numbers::time_ns;
use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_loadgen");

fn bounds() -> Bounds {
    match Cli::parse_from(["loadgen", "selftest"]).command {
        Subcommand::Selftest(args) => args.bounds,
        other => unreachable!("{other:?}"),
    }
}

async fn findings(trial: &Trial) -> Findings {
    trial.carry_out(Path::new(PROGRAM), &bounds(), &Interrupt::manual()).await.unwrap()
}

/// Every transport against a stub that does what `script` says.
async fn every_transport(script: &[&str]) -> Vec<(Trial, Findings)> {
    every_trial(|transport| Trial::new(transport, script)).await
}

async fn every_trial(make: impl Fn(Transport) -> Trial) -> Vec<(Trial, Findings)> {
    let one = |trial: Trial| async move {
        let findings = findings(&trial).await;
        (trial, findings)
    };
    join_all(Transport::OWN.map(make).map(one)).await
}

/// For who runs a test with `--nocapture`: the percentiles that it looks at.
fn print_latencies(trial: &Trial, findings: &Findings) {
    let measured = &findings.outcome.measured;
    let lag = &measured.published.send_lag;
    for (name, p) in [
        ("intended", Some(&measured.latency)),
        ("actual", measured.latency_from_actual.as_ref()),
        ("send lag", Some(lag)),
    ] {
        let Some(p) = p else { continue };
        let [p50, p90, p95, p99, p999, max] =
            [p.p50_ns, p.p90_ns, p.p95_ns, p.p99_ns, p.p999_ns, p.max_ns].map(time_ns);
        let transport = trial.transport;
        println!(
            "{transport:<10} {name:<9} p50 {p50}  p90 {p90}  p95 {p95}  p99 {p99}  p99.9 {p999}  max {max}  n {}",
            p.count
        );
    }
}

/// All that must be equal is equal.
fn assert_exact(trial: &Trial, findings: &Findings) {
    for row in examine(trial, findings) {
        assert!(row.is_ok || row.can_be_noise, "{}: {row:?}", trial.transport);
    }
}

#[tokio::test]
async fn what_a_server_drops_repeats_and_swaps_is_on_the_books_exactly() {
    for (trial, findings) in every_transport(&["--drop", "20:3", "--repeat", "20:7", "--swap", "20:11"]).await {
        let deliveries = &findings.outcome.measured.deliveries;
        // 20 clients, 80 notifications, 4 of them of each kind.
        assert_eq!((deliveries.expected, deliveries.delivered), (1_600, 1_520), "{}", trial.transport);
        assert_eq!((deliveries.lost, deliveries.duplicated, deliveries.reordered), (80, 80, 80), "{}", trial.transport);
        assert_exact(&trial, &findings);
    }
}

#[tokio::test]
async fn every_byte_is_counted_however_the_stream_is_split() {
    let script = ["--split", "--chatter", "3:0", "--more-delay", "10ms"];
    // So slow that most notifications are written alone, so many that each byte of them has its turn.
    let make = |transport| Trial {
        rate: 10.0,
        clients: 40,
        duration: Duration::from_secs(4),
        // Everything comes in the end, however busy the machine is.
        drain: Duration::from_secs(30),
        ..Trial::new(transport, &script)
    };
    for (trial, findings) in every_trial(make).await {
        assert!(findings.truth.split_everywhere > 0, "{}: {:?}", trial.transport, findings.truth);
        let bytes = findings.outcome.measured.bytes.whole_run.unwrap();
        assert_eq!(bytes.received.stream, findings.truth.bytes_written, "{}", trial.transport);
        assert_eq!(bytes.sent.stream, findings.truth.bytes_read, "{}", trial.transport);
        assert_exact(&trial, &findings);
    }
}

#[tokio::test]
async fn a_client_that_is_cut_off_comes_back_and_misses_nothing() {
    let script = ["--cut", "45", "--cut-connections", "5"];
    let make = |transport| Trial { drain: Duration::from_secs(30), ..Trial::new(transport, &script) };
    for (trial, findings) in every_trial(make).await {
        let measured = &findings.outcome.measured;
        assert_eq!((findings.truth.cut, measured.connections.reconnected), (5, 5), "{}", trial.transport);
        assert_eq!((measured.deliveries.lost, measured.deliveries.duplicated), (0, 0), "{}", trial.transport);
        assert_exact(&trial, &findings);
    }
}

#[tokio::test]
async fn a_delay_that_the_server_imposes_is_what_is_measured() {
    const DELAY_NS: u64 = 80_000_000;
    for (trial, findings) in every_transport(&["--delay", "80ms", "--more-delay", "40ms"]).await {
        let truth = &findings.truth.latency;
        let measured = &findings.outcome.measured.latency;
        assert!(measured.min_ns >= DELAY_NS * 999 / 1_000, "{}: {measured:?}", trial.transport);
        for (truth, measured) in [
            (truth.p50_ns, measured.p50_ns),
            (truth.p90_ns, measured.p90_ns),
            (truth.p99_ns, measured.p99_ns),
            (truth.max_ns, measured.max_ns),
        ] {
            // Nothing is received before it is sent; how much later depends on how busy this machine is, which the run tells.
            assert!(measured >= truth - truth / 500, "{}: {measured} of {truth}", trial.transport);
            let busy_ns = findings.outcome.measured.generator.loop_lag.max_ns;
            assert!(measured <= truth * 3 / 2 + busy_ns, "{}: {measured} of {truth}, {busy_ns}", trial.transport);
        }
    }
}

#[tokio::test]
async fn a_publisher_that_is_held_up_shows_in_latency_send_lag_and_verdict() {
    let trial = Trial {
        rate: 100.0,
        duration: Duration::from_secs(10),
        hold_up: Some(Duration::from_secs(5)..Duration::from_secs(6)),
        ..Trial::new(Transport::Ws, &[])
    };
    let findings = findings(&trial).await;
    let measured = &findings.outcome.measured;
    // A tenth of the window is held up, by a second at first and less and less.
    for times in [&measured.published.send_lag, &measured.latency] {
        assert!(times.p95_ns >= 400_000_000 && times.p99_ns >= 850_000_000, "{times:?}");
        assert!(times.max_ns >= 980_000_000, "{times:?}");
    }
    let from_actual = measured.latency_from_actual.clone().unwrap();
    assert_eq!(from_actual.count, measured.latency.count);
    assert!(from_actual.p95_ns < measured.latency.p95_ns, "{from_actual:?} of {:?}", measured.latency);
    assert!(findings.outcome.verdict.reasons.iter().any(|reason| reason.check == "send-lag"));
    print_latencies(&trial, &findings);
    assert_exact(&trial, &findings);
}

#[tokio::test]
async fn a_server_that_stops_for_a_second_shows_in_the_percentiles() {
    let one = |transport| async move {
        let trial = Trial { rate: 100.0, duration: Duration::from_secs(10), ..Trial::new(transport, &[]) };
        let stub = trial.start_stub(Path::new(PROGRAM)).await.unwrap();
        let pid = Pid::from_raw(stub.pid.cast_signed()).unwrap();
        let stop = async {
            // Within the window of ten seconds, also where it takes seconds to begin.
            tokio::time::sleep(Duration::from_secs(8)).await;
            kill_process(pid, Signal::STOP).unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            kill_process(pid, Signal::CONT).unwrap();
        };
        let (bounds, interrupt) = (bounds(), Interrupt::manual());
        let (findings, ()) = tokio::join!(trial.lead(stub, &bounds, &interrupt), stop);
        (trial, findings.unwrap())
    };
    for (trial, findings) in join_all([Transport::LongPoll, Transport::Sse, Transport::Ws].map(one)).await {
        let measured = &findings.outcome.measured;
        let from_actual = measured.latency_from_actual.as_ref().unwrap();
        // A tenth of all deliveries waits, evenly between nothing and a second: half of these for more than half of it.
        for latency in [&measured.latency, from_actual] {
            assert!(latency.p95_ns >= 400_000_000, "{}: {latency:?}", trial.transport);
            assert!(latency.p99_ns >= 850_000_000, "{}: {latency:?}", trial.transport);
            assert!(latency.max_ns >= 980_000_000, "{}: {latency:?}", trial.transport);
            assert!(latency.p50_ns < latency.p95_ns / 2, "{}: {latency:?}", trial.transport);
        }
        assert_eq!(from_actual.count, measured.latency.count, "{}", trial.transport);
        print_latencies(&trial, &findings);
        assert_exact(&trial, &findings);
    }
}

/// The generator gets the processor for half of the time: it must say that its numbers are not to be believed.
#[tokio::test]
async fn a_generator_that_is_starved_calls_its_run_invalid() {
    let stub = Trial::new(Transport::Ws, &[]).start_stub(Path::new(PROGRAM)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(PROGRAM);
    command.args(["run", "--transport", "ws", "--url", &stub.url, "--clients", "10", "--rate", "20"]);
    command.args(["--duration", "2s", "--warmup", "100ms", "--settle", "0s", "--drain", "500ms"]);
    command.arg("--out").arg(folder.path().join("run")).stdout(Stdio::piped()).stderr(Stdio::null());
    let starved = command.kill_on_drop(true).spawn().unwrap();
    let pid = Pid::from_raw(starved.id().unwrap().cast_signed()).unwrap();
    let mut output = pin!(starved.wait_with_output());
    let output = loop {
        let half_a_turn = Duration::from_millis(40);
        kill_process(pid, Signal::STOP).unwrap();
        tokio::time::sleep(half_a_turn).await;
        kill_process(pid, Signal::CONT).unwrap();
        if let Ok(output) = tokio::time::timeout(half_a_turn, output.as_mut()).await {
            break output.unwrap();
        }
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("INVALID MEASUREMENT") && text.contains("loop-lag"), "{text}");
    stub.stop().await.unwrap();
}

/// Times are left out here: how exact they are is a matter of the machine, which is what the self-test is there to say.
#[test]
fn the_selftest_is_ok_in_all_that_must_be_exact_and_ends_accordingly() {
    let output = Command::new(PROGRAM).args(["selftest", "--transports", "ws"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let is_time = |line: &str| {
        ["latency p", "connect p", "publish time p", "waited"].iter().any(|name| line.trim_start().starts_with(name))
    };
    for line in text.lines().filter(|line| !is_time(line)) {
        assert!(!line.contains("WRONG"), "{text}");
    }
    for quantity in ["lost", "duplicated", "reordered", "bytes received", "bytes sent", "verdict"] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(quantity) && line.ends_with("ok")), "{text}");
    }
    // The odd servers have tables of their own, in which the verdict is exactly what it should be.
    for (server, quantity, truth) in [
        ("serial-posts (ws)", "sent too early", "0"),
        ("end-answers (sse)", "errors", "0"),
        ("deaf (sse)", "verdict", "clients-unheard"),
        ("refuse-inside (ws)", "verdict", "load-applied"),
        ("mixed-topics (ws)", "verdict", "misdelivered"),
        ("close-after (ws)", "unknown", "0"),
        ("close-silently (ws)", "verdict", "valid"),
    ] {
        let table =
            text.lines().skip_while(|line| !line.starts_with(server)).skip(1).take_while(|line| !line.is_empty());
        let row = table.map(str::trim_start).find(|line| line.starts_with(quantity));
        let told = row.unwrap_or_else(|| panic!("{server}: {quantity}: {text}"));
        assert_eq!(told[quantity.len()..].split_whitespace().next(), Some(truth), "{server}: {told}");
    }
    // What is wrong in times alone may be tested once more, and end well.
    let is_wrong = text.lines().any(|line| line.starts_with("NOT OK: "));
    assert!(is_wrong != text.lines().any(|line| line.starts_with("all ok: ")), "{text}");
    assert!(text.contains("WRONG") || !is_wrong, "{text}");
    assert_eq!(output.status.code(), Some(i32::from(is_wrong)), "{text}");
}

#[tokio::test]
async fn what_was_overdue_when_the_user_stops_the_run_was_due() {
    let trial = Trial {
        rate: 100.0,
        duration: Duration::from_secs(60),
        hold_up: Some(Duration::from_millis(500)..Duration::from_secs(60)),
        ..Trial::new(Transport::Ws, &[])
    };
    let interrupt = Interrupt::manual();
    let (bounds, program) = (bounds(), Path::new(PROGRAM));
    let stop = async {
        // Some seconds of the window, however long it takes to begin.
        tokio::time::sleep(Duration::from_secs(9)).await;
        interrupt.want();
    };
    let (findings, ()) = tokio::join!(trial.carry_out(program, &bounds, &interrupt), stop);
    let published = &findings.unwrap().outcome.measured.published;
    assert!(published.due > 100 && published.refused == published.due, "all of it was held up: {published:?}");
}
