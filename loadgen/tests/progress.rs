//! Progress without a terminal: each phase is told with the counts of its beginning.

mod support;

use support::{WIDE_BOUNDS, finish, loadgen, sibling};

/// What is told of the clients that are live, of each phase where it is told first.
fn told(stderr: &str, title: &str) -> Vec<(String, String)> {
    let mut told: Vec<(String, String)> = Vec::new();
    for line in stderr.lines().filter_map(|line| line.strip_prefix(title)?.strip_prefix(": ")) {
        let (phase, rest) = line.split_once(' ').unwrap();
        if told.iter().all(|(known, _)| known != phase) {
            told.push((phase.to_owned(), rest.trim_start().split(" live").next().unwrap().to_owned()));
        }
    }
    told
}

#[test]
fn a_phase_is_told_with_the_clients_that_are_live_when_it_begins() {
    sibling("feed-server");
    for (workers, title) in [("1", "ws"), ("2", "ws, 2 workers")] {
        let place = tempfile::tempdir().unwrap();
        let mut command = loadgen();
        command.args(["run", "--transport", "ws", "--clients", "300", "--rate", "5", "--workers", workers]);
        // Shorter than a second: there is no row between two phases.
        command.args(["--settle", "300ms", "--warmup", "300ms", "--duration", "1500ms"]).args(WIDE_BOUNDS);
        let (_, _, stderr) = finish(command.arg("--out").arg(place.path().join("run")));
        let all =
            ["settle", "warm-up", "measure", "drain", "close"].map(|phase| (phase.to_owned(), "300/300".to_owned()));
        let told = told(&stderr, title);
        assert_eq!(told[0], ("connect".to_owned(), "0/300".to_owned()), "{stderr}");
        assert_eq!(told[1..], all, "{stderr}");
    }
}
