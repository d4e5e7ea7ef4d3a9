//! What a server does and says on a publisher's own socket: it closes it in order, or refuses what is published.

mod foreign;
mod support;

use std::time::Duration;

use foreign::sayers::{Manner, SOCKETIO, Sayers, WS};
use foreign::{Measured, carry_out};
use support::{WIDE_BOUNDS, loadgen};

/// A run of 3 clients and 20 notifications: 60 deliveries.
async fn measured(server: &Sayers, file: &str, more: &[&str]) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sayers.toml");
    std::fs::write(&path, file).unwrap();
    let transport = if file.contains("[transports.socketio]") { "socketio" } else { "ws" };
    let mut command = loadgen();
    command.env_remove("WIRELAB_TOKEN").args(["run", "--transport", transport, "--url", &server.url, "--target"]);
    command.arg(path).args(["--clients", "3", "--warmup", "0s", "--settle", "200ms", "--connect-rate", "200"]);
    command.args(["--socketio", "websocket", "--pin", "off"]).args(WIDE_BOUNDS);
    for (flag, usual) in [("--rate", "10"), ("--duration", "2s")] {
        if !more.contains(&flag) {
            command.args([flag, usual]);
        }
    }
    command.args(more).arg("--out").arg(folder.path().join("run"));
    carry_out(command, folder).await
}

#[tokio::test]
async fn a_publishers_socket_that_is_closed_in_order_is_opened_again_at_once_and_nothing_is_lost() {
    for (file, code) in [(WS, 1000), (WS, 1001), (SOCKETIO, 1000), (SOCKETIO, 1012)] {
        let server = Sayers::start(Manner { closes_after: Some((4, code)), ..Manner::default() }).await;
        let measured = measured(&server, file, &[]).await;
        let run = measured.exact(3);
        assert_eq!(run.measured.deliveries.expected, 60, "{code}");
        assert!(server.publishers() >= 5, "{code}: {} sockets", server.publishers());
        assert_eq!(server.answered()[..4], [code; 4], "each close frame is answered (RFC 6455, section 5.5.1)");
        // The last of five ends may come when the publisher is leaving already.
        let errors = &run.measured.connections.errors;
        let counted = errors.get(&format!("publish-ended-{code}")).copied().unwrap_or(0);
        assert!(if code == 1000 { errors.is_empty() } else { counted >= 4 }, "{errors:?}");
    }
}

#[tokio::test]
async fn a_publishers_socket_that_is_closed_for_idleness_is_open_again_when_the_next_is_due() {
    let idle = Some((Duration::from_millis(300), 1001));
    let server = Sayers::start(Manner { closes_idle: idle, ..Manner::default() }).await;
    let run = measured(&server, WS, &["--rate", "2.5", "--duration", "4s"]).await.exact(3);
    assert_eq!(run.measured.deliveries.expected, 30);
}
