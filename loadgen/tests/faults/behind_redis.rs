//! A server whose history is in Redis is killed, drained, started again: nothing is lost, nothing comes twice, and nobody is told a gap.

use results::{LoadedRun, load};
use tempfile::TempDir;

use super::redis::{Keeps, Redis};
use super::support::{WIDE_BOUNDS, assert_valid, finish, is_sound, loadgen, sibling};
use super::{CLIENTS, run};

/// Runs each transport at the same time, through `fault`, behind one Redis, with more flags for the server and the run.
fn on_all(redis: &Redis, fault: &str, server: &str, more: &[&str], check: impl Fn(&str, &LoadedRun) + Sync) {
    let flags = format!("--broker {} {server}", redis.url());
    std::thread::scope(|scope| {
        for transport in ["ws", "sse", "long-poll", "short-poll"] {
            let (check, flags) = (&check, &flags);
            let more = [&["--server-flags", flags], more].concat();
            scope.spawn(move || check(transport, &run(transport, &[fault], &more)));
        }
    });
}

/// What must be so of every run here, whatever was done to its server.
fn assert_nothing_was_lost(transport: &str, run: &LoadedRun) {
    let (measured, asked) = (&run.run.measured, &run.run.asked);
    let (books, published) = (&measured.deliveries, &measured.published);
    assert_eq!((books.lost, books.duplicated, books.gaps), (0, 0, 0), "{transport}: {books:?}");
    let arrived = published.accepted + published.refused_and_delivered.unwrap();
    assert_eq!(
        books.expected,
        CLIENTS * arrived,
        "{transport}: what was taken is expected of everybody: {published:?}"
    );
    assert_eq!(published.due, published.accepted + published.refused + published.unknown, "{transport}");
    let recovery = measured.recovery.as_ref().unwrap();
    assert_eq!((recovery.live_at_end, recovery.interrupted), (Some(CLIENTS), recovery.resumed), "{transport}");
    assert_eq!(asked.server_flags[0], "--broker", "{transport}: {:?}", asked.server_flags);
}

#[test]
fn a_killed_server_comes_back_behind_its_history_and_nobody_misses_a_thing() {
    let name = "a_killed_server_comes_back_behind_its_history_and_nobody_misses_a_thing";
    let Some(redis) = Redis::start(name, Keeps::Nothing) else { return };
    on_all(
        &redis,
        // Away for so long that each client has noticed before it is back: one that polls notices at its next poll.
        "restart-server for 2s at 1s",
        // And streams come back when there is something to catch up with, rather than at the instant at which it is back.
        "--sse-retry 3s",
        &["--duration", "6s", "--drain", "30s", "--reconnect-longest", "1s"],
        |transport, run| {
            assert_nothing_was_lost(transport, run);
            let recovery = run.run.measured.recovery.as_ref().unwrap();
            assert_eq!((recovery.interrupted, recovery.lowest_live), (CLIENTS, Some(0)), "{transport}");
            assert!(recovery.caught_up >= CLIENTS, "{transport}: each came back to something: {}", recovery.caught_up);
        },
    );
}

#[test]
fn a_drained_server_is_replaced_and_nobody_misses_a_thing() {
    let Some(redis) = Redis::start("a_drained_server_is_replaced_and_nobody_misses_a_thing", Keeps::Nothing) else {
        return;
    };
    let patient = ["--duration", "7s", "--drain", "30s", "--reconnect-longest", "1s"];
    on_all(&redis, "drain-server at 1s", "--drain 2s", &patient, |transport, run| {
        assert_nothing_was_lost(transport, run);
        let recovery = run.run.measured.recovery.as_ref().unwrap();
        let took = recovery.faults[0].until_s.unwrap() - recovery.faults[0].at_s.unwrap();
        assert!(took < 7.5, "{transport}: it was told to drain for 2 s, not for the usual 8 s, and took {took} s");
    });
}

#[test]
fn the_password_of_a_broker_is_written_nowhere() {
    let Some(redis) = Redis::start("the_password_of_a_broker_is_written_nowhere", Keeps::Nothing) else { return };
    // A Redis that asks for no password takes any.
    let url = redis.url().replace("redis://", "redis://default:s3cret@");
    sibling("feed-server");
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("run");
    let mut command = loadgen();
    command.args([
        "run",
        "--transport",
        "ws",
        "--clients",
        "5",
        "--rate",
        "4",
        "--settle",
        "100ms",
        "--duration",
        "1s",
    ]);
    command.args(["--server-flags", &format!("--broker {url} --log info")]).args(WIDE_BOUNDS).arg("--out").arg(&out);
    let (code, stdout, stderr) = finish(&mut command);
    assert_valid(code, &out, &format!("{stdout}{stderr}"));
    let run = load(&out).unwrap().run;
    assert!(is_sound(&run) && !run.measured.reconciliation.is_empty(), "both counted the same: {stdout}");
    let shown = url.replace("default:s3cret", "***");
    assert_eq!(run.asked.server_flags, ["--broker", &shown, "--log", "info"]);
    let written = std::fs::read_dir(&out).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let all = [written.collect::<Vec<_>>().concat(), stdout.into_bytes(), stderr.into_bytes()].concat();
    assert!(!String::from_utf8_lossy(&all).contains("s3cret"), "{}", String::from_utf8_lossy(&all));
}
