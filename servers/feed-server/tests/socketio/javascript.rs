//! The official JavaScript client, over polling, over WebSocket, and from the one to the other.

use std::process::Command;

use crate::lab::{Server, npm, skip};

/// What the client prints, the way apart.
const TRANSCRIPT: &str = "\
connected
{upgraded}subscribed at offset 0, recovered true
received 40 notifications, in order: true, text whole: true
acknowledged 40, in order: true
continued at offset 38, recovered true
another epoch: recovered false, gap before offset 0
binary as application/octet-stream: AQID
refused: bad topic name `a b`: expected 1 to 128 letters, digits, dots, underscores or hyphens
another namespace: Invalid namespace
still over {last}
disconnected: io client disconnect
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_client_sends_and_receives_over_every_transport() {
    let place = match tokio::task::spawn_blocking(|| npm::set_up("socketio/js", "socketio-js")).await.unwrap() {
        Ok(place) => place,
        Err(reason) => {
            return skip::skipped("the_official_client_sends_and_receives_over_every_transport", &reason);
        }
    };
    for (way, first, last) in [
        ("polling", "polling", "polling"),
        ("websocket", "websocket", "websocket"),
        ("upgrade", "polling", "websocket"),
    ] {
        let server = Server::start(&[]);
        let (url, place) = (server.url(""), place.clone());
        let run = move || npm::run(Command::new("node").args(["client.mjs", &url, way]).current_dir(place));
        let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
        let transcript = String::from_utf8(output.stdout).unwrap();
        println!("--- socket.io-client, {way}\n{transcript}");
        let upgraded = if way == "upgrade" { "upgraded to websocket\n" } else { "" };
        let expected = TRANSCRIPT.replace("{upgraded}", upgraded).replace("{last}", last);
        assert_eq!(transcript, format!("session begun over {first}\n{expected}"), "{way}");
        let stats = server.stats().await;
        // 40 as they came, 2 once more from a cursor, all 40 once more after a gap, one binary.
        let delivered = stats.connections["socketio"].delivered;
        assert_eq!((stats.published, stats.refused, delivered), (41, 1, 83), "{way}");
    }
}
