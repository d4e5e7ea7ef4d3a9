//! The scenarios that are shipped, played small, each to its end.

use results::load;
use tempfile::TempDir;

use super::is_written;
use super::redis::{Keeps, Redis};
use super::support::{WIDE_BOUNDS, assert_valid, finish, loadgen, sibling};

#[test]
fn every_shipped_scenario_runs_to_its_end() {
    sibling("feed-server");
    let redis = Redis::start("every_shipped_scenario_runs_to_its_end (restart-behind-redis)", Keeps::Nothing);
    let mut scenarios = vec![("reconnect-storm", "ws", 2), ("slow-readers", "ws", 1), ("rolling-restart", "sse", 2)];
    scenarios.extend(redis.is_some().then_some(("restart-behind-redis", "ws", 2)));
    let broker = redis.as_ref().map(|redis| format!("--broker {}", redis.url()));
    std::thread::scope(|scope| {
        for (name, transport, faults) in scenarios {
            let broker = broker.as_ref().filter(|_| name == "restart-behind-redis");
            scope.spawn(move || {
                let folder = TempDir::new().unwrap();
                let out = folder.path().join(name);
                let mut command = loadgen();
                command.args(["run", "--scenario", name, "--clients", "30", "--settle", "100ms"]).args(WIDE_BOUNDS);
                command.args(broker.iter().flat_map(|broker| ["--server-flags", broker]));
                let (code, stdout, stderr) = finish(command.arg("--out").arg(&out));
                assert_valid(code, &out, &format!("{name}: {stdout}{stderr}"));
                let run = load(&out).unwrap().run;
                assert_eq!(
                    (run.asked.transport.as_str(), run.asked.clients),
                    (transport, 30),
                    "the flag has the last word"
                );
                let recovery = run.measured.recovery.as_ref().unwrap();
                assert_eq!((recovery.faults.len(), recovery.live_at_end), (faults, Some(30)), "{name}");
                assert!(
                    recovery.faults.iter().all(|fault| fault.interrupted > 0 && fault.all_live_s.is_some()),
                    "{name}: {recovery:?}"
                );
                assert_eq!(run.measured.deliveries.duplicated, 0, "{name}");
                assert!(is_written(&out, results::RECOVERY_FILE), "{name}");
                assert!(stdout.contains("recovery ") && stdout.contains("fault 1"), "{stdout}");
            });
        }
    });
}

#[test]
fn a_comparison_plays_a_scenario_over_the_transports_that_are_named() {
    sibling("feed-server");
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("compare");
    let mut command = loadgen();
    command.args(["compare", "--scenario", "reconnect-storm", "--transports", "ws,long-poll", "--clients", "20"]);
    command.args(["--duration", "3s", "--settle", "100ms", "--fault", "cut 50% at 1s"]).args(WIDE_BOUNDS);
    let (code, stdout, stderr) = finish(command.arg("--out").arg(&out));
    assert_valid(code, &out, &format!("{stdout}{stderr}"));
    for transport in ["ws", "long-poll"] {
        let run = load(&out.join(format!("round-1-{transport}"))).unwrap();
        assert_eq!(run.run.measured.recovery.unwrap().faults[0].fault, "cut 50% at 1s");
        assert!(!run.recovery.is_empty());
    }
}

#[test]
fn a_scenario_that_nobody_knows_is_a_usage_error() {
    let (code, _, stderr) = finish(loadgen().args(["run", "--scenario", "storm"]));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("expected one of reconnect-storm"), "{stderr}");
}
