//! Socket.IO of our own server: exact ledgers, and the same counts on both sides, whatever carries it.

mod support;

use std::io::Write;

use support::{WIDE_BOUNDS, finish, loadgen, sibling};

#[test]
fn both_sides_have_counted_the_same_over_every_carrier() {
    let (_, help, _) = finish(sibling("feed-server").arg("--help"));
    if !help.contains("--socketio") {
        // Past the test harness, which keeps what a passing test prints to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED socketio-feed: this feed-server does not speak Socket.IO");
        return;
    }
    for (carrier, opened, kept) in [("polling", 2, 2), ("websocket", 1, 1), ("upgrade", 3, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let mut command = loadgen();
        command
            .args(["run", "--transport", "socketio", "--socketio", carrier, "--clients", "20", "--rate", "10"])
            .args(["--payload", "150", "--settle", "200ms", "--warmup", "500ms", "--duration", "2s"])
            .args(WIDE_BOUNDS);
        let (code, stdout, stderr) = finish(command.arg("--out").arg(&out));
        assert!(code == 0 || code == 3, "{carrier}: {stdout}{stderr}");
        let run = results::load(&out).unwrap().run;
        // A busy machine may be late, which makes a run invalid, but nothing is lost by that.
        let is_late = |check: &str| ["send-lag", "loop-lag"].contains(&check);
        assert!(run.verdict.reasons.iter().all(|reason| is_late(&reason.check)), "{carrier}: {stdout}");
        let books = &run.measured.deliveries;
        assert_eq!((books.expected, books.delivered, books.lost, books.duplicated), (400, 400, 0, 0), "{carrier}");
        assert_eq!(run.measured.connections.opened, 20 * opened, "{carrier}");
        assert_eq!(run.measured.server.as_ref().expect("it tells its cost").open_at_end, Some(20 * kept), "{carrier}");
        assert!(run.measured.reconciliation.len() >= 7, "{carrier}");
        for row in &run.measured.reconciliation {
            assert_eq!(row.generator, row.server, "{carrier}: {}", row.quantity);
        }
    }
}
