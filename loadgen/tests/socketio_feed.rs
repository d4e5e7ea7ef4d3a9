//! Socket.IO of our own server: exact ledgers, and the same counts on both sides, whatever carries it.

mod support;

use support::skip::skipped;
use support::{WIDE_BOUNDS, assert_valid, finish, loadgen, sibling};

#[test]
fn both_sides_have_counted_the_same_over_every_carrier() {
    let (_, help, _) = finish(sibling("feed-server").arg("--help"));
    if !help.contains("--socketio") {
        return skipped(
            "both_sides_have_counted_the_same_over_every_carrier",
            "this feed-server does not speak Socket.IO",
        );
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
        assert_valid(code, &out, &format!("{carrier}: {stdout}{stderr}"));
        let run = results::load(&out).unwrap().run;
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
