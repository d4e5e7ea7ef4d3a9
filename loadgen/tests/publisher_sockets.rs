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

/// Two or three fall due while it is opened; the server passes them on in the order in which they come.
#[tokio::test]
async fn what_falls_due_while_a_publishers_socket_is_opened_again_is_published_then_and_in_order() {
    for file in [WS, SOCKETIO] {
        let lets_in_after = Duration::from_millis(250);
        let server = Sayers::start(Manner { closes_after: Some((4, 1000)), lets_in_after, ..Manner::default() }).await;
        let run = measured(&server, file, &["--drain", "5s"]).await.exact(3);
        assert_eq!((run.measured.deliveries.expected, run.measured.deliveries.reordered), (60, 0));
        let longest = Duration::from_nanos(run.measured.latency.max_ns);
        assert!(longest >= Duration::from_millis(150), "nothing waited: {longest:?} at most");
    }
}

#[tokio::test]
async fn a_publishers_socket_that_is_closed_for_idleness_is_open_again_when_the_next_is_due() {
    let idle = Some((Duration::from_millis(300), 1001));
    let server = Sayers::start(Manner { closes_idle: idle, ..Manner::default() }).await;
    let run = measured(&server, WS, &["--rate", "2.5", "--duration", "4s"]).await.exact(3);
    assert_eq!(run.measured.deliveries.expected, 30);
}

/// What the server says of every second notification, which it passes on to nobody.
const REFUSAL: &str = r#"{"error":"rate limited, 5 messages per second"}"#;

fn every_second(number: usize) -> Option<&'static str> {
    (number % 2 == 1).then_some(REFUSAL)
}

/// The file of the server with more lines in `[publish]`.
fn with(file: &str, lines: &str) -> String {
    file.replacen("\n[transports", &format!("\n{lines}\n[transports"), 1)
}

#[tokio::test]
async fn what_a_server_says_on_a_publishers_socket_is_quoted() {
    let manner = Manner { refuses: every_second, greets: Some(r#"{"ok":"joined"}"#), ..Manner::default() };
    let told = measured(&Sayers::start(manner).await, WS, &[]).await.stdout;
    let quoted = format!("of each kind the first: `{{\"ok\":\"joined\"}}`, `{REFUSAL}`\n");
    assert!(told.contains("lost 30") && told.contains(&quoted), "{told}");

    let manner = Manner { refuses: |_| Some(REFUSAL), ..Manner::default() };
    let told = measured(&Sayers::start(manner).await, WS, &[]).await.stdout;
    assert!(told.contains(&format!("on the publisher's own socket the server said first `{REFUSAL}`")), "{told}");

    let manner = Manner { refuses: every_second, ..Manner::default() };
    let told = measured(&Sayers::start(manner).await, SOCKETIO, &[]).await.stdout;
    assert!(told.contains(&format!("of each kind the first: `[\"exception\",{REFUSAL}]`\n")), "{told}");
    let told = measured(&Sayers::start(manner).await, &with(SOCKETIO, "ack = true"), &[]).await.stdout;
    assert!(told.contains(&format!("of each kind the first: `[{{\"ok\":true}}]`, `[{REFUSAL}]`\n")), "{told}");
}

/// 20 are due, every second one is refused.
#[tokio::test]
async fn what_the_target_file_calls_a_refusal_is_one_on_a_publishers_socket_too() {
    let manner = Manner { refuses: every_second, ..Manner::default() };
    let ack = "ack = true\nrefused = \"json /0/error present\"";
    for (file, expected) in [
        (with(WS, "refused = \"json /error present\""), 60),
        (with(SOCKETIO, "refused = \"json /1/error present\""), 60),
        // Which one is refused is told.
        (with(SOCKETIO, ack), 30),
    ] {
        let measured = measured(&Sayers::start(manner).await, &file, &[]).await;
        let told = &measured.stdout;
        assert_eq!(measured.code, 3, "{told}{}", measured.stderr);
        assert!(told.contains("  load-applied: 10 of 20 notifications were accepted"), "{told}");
        assert!(told.contains("publish-not-accepted 10"), "{told}");
        let first = told.lines().find(|line| line.contains("publish-not-accepted, the first: `")).unwrap_or(told);
        assert!(first.contains(REFUSAL), "{first}");
        let books = results::load(&measured.out).unwrap().run.measured.deliveries;
        assert_eq!((books.expected, books.delivered), (expected, 30), "{told}");
    }
}

/// The greeting is no answer; every notification has one.
#[tokio::test]
async fn where_each_message_is_answered_in_order_the_answers_say_which_were_accepted() {
    let answers = |number| Some(if number % 4 == 3 { REFUSAL } else { r#"{"ack":true}"# });
    let manner = Manner { refuses: answers, passes_on: |number| number % 4 != 3, ..Manner::default() };
    let manner = Manner { greets: Some(r#"{"ok":"joined"}"#), ..manner };
    let file = with(WS, "accepted = \"json /ack = true\"\nrefused = \"json /error present\"");
    let measured = measured(&Sayers::start(manner).await, &file, &[]).await;
    let run = results::load(&measured.out).unwrap().run.measured;
    let books = &run.deliveries;
    assert_eq!((books.expected, books.delivered, books.lost), (45, 45, 0), "{}", measured.stdout);
    assert_eq!((run.published.accepted, run.published.refused, run.published.unknown), (15, 5, 0));
    assert!(run.published.publish_time.is_some(), "{:?}", run.published);
}
