//! What a server gets wrong is told by the rule that it broke, and what to try follows from what went wrong.

mod foreign;
mod support;

use foreign::{Measured, carry_out, rude};
use support::{WIDE_BOUNDS, loadgen};

/// A token that servers of these tests repeat in what they say.
const TOKEN: &str = "s3cret-4711";

/// A target file of the rude server.
const TARGET: &str = r#"
name = "rude"
[publish]
path = "/say"
body = "{payload}"
[transports.ws]
path = "/ws"
headers = { X-Token = "{token}" }
[transports.sse]
path = "/events"
live = "head"
"#;

/// The same server, published to through its WebSocket.
const TALKED_TO: &str = r#"
name = "rude"
[publish]
via = "ws"
path = "/ws"
message = "{payload}"
[transports.ws]
path = "/ws"
"#;

#[tokio::test]
async fn what_a_handshake_chooses_and_nobody_offered_fails_the_connection() {
    for (field, what, chosen) in [
        ("Sec-WebSocket-Extensions: permessage-deflate", "an extension", "permessage-deflate"),
        ("Sec-WebSocket-Protocol: graphql-ws", "a subprotocol", "graphql-ws"),
    ] {
        let answer = rude::SWITCHING.replace("Upgrade\r\nSec", &format!("Upgrade\r\n{field}\r\nSec"));
        let at_once = measured("ws", vec![answer.clone().into(), answer.clone().into()]).await;
        assert_eq!(at_once.code, 1, "{}{}", at_once.stdout, at_once.stderr);
        let said = format!("{what} that was not offered (RFC 6455 4.1): `{chosen}`");
        assert!(at_once.stderr.contains(&said), "{}", at_once.stderr);
        let later = measured("ws", vec![rude::SWITCHING.into(), answer.into()]).await;
        assert_eq!(later.code, 3, "{}{}", later.stdout, later.stderr);
        assert!(later.stdout.contains(&format!("protocol: {what} that was not offered")), "{}", later.stdout);
    }
}

/// A run of a server with these answers, the first of which lets the probe in; each of the others is for one client.
async fn measured(transport: &str, answers: Vec<Vec<u8>>) -> Measured {
    let clients = (answers.len() - 1).to_string();
    measured_as(TARGET, transport, &clients, answers).await
}

/// The same by another target file.
async fn measured_as(target: &str, transport: &str, clients: &str, answers: Vec<Vec<u8>>) -> Measured {
    let url = rude::serve(answers).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rude.toml");
    std::fs::write(&file, target).unwrap();
    let mut command = loadgen();
    command.args(["run", "--transport", transport, "--target", file.to_str().unwrap(), "--url", &url]);
    command.args(["--token", TOKEN, "--clients", clients, "--rate", "4", "--reconnect", "off", "--pin", "off"]);
    // Who is gone when publishing is to begin is not waited for.
    command.args(["--warmup", "0s", "--settle", "200ms", "--duration", "1s", "--drain", "100ms"]).args(WIDE_BOUNDS);
    command.args(["--connect-rate", "500", "--start-at", "+4s"]);
    command.arg("--out").arg(folder.path().join("run"));
    carry_out(command, folder).await
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    let payload = [&code.to_be_bytes(), reason].concat();
    [&[0x88, payload.len() as u8], &payload[..]].concat()
}

#[tokio::test]
async fn each_rule_of_websocket_that_a_server_breaks_is_named_with_its_section() {
    let cases: [(Vec<u8>, &str); 12] = [
        (vec![0x81, 0x81, 1, 2, 3, 4, b'x'], "a masked frame from the server (RFC 6455 5.1)"),
        (vec![0xc1, 0x00], "a reserved bit is set though no extension was agreed on (RFC 6455 5.2)"),
        (vec![0x83, 0x00], "an unknown opcode (RFC 6455 5.2)"),
        (vec![0x80, 0x00], "a continuation of no message (RFC 6455 5.4)"),
        (vec![0x01, 0x01, b'a', 0x81, 0x01, b'b'], "a new message inside a fragmented one (RFC 6455 5.4)"),
        (vec![0x09, 0x00], "a control frame that is fragmented (RFC 6455 5.5)"),
        (vec![0x89, 0x7e, 0x00, 0x7e], "a control frame of more than 125 bytes (RFC 6455 5.5)"),
        (vec![0x88, 0x01, 0x03], "a close frame with half a code (RFC 6455 5.5.1)"),
        (close(1000, b"\xff"), "a close reason that is not UTF-8 (RFC 6455 5.5.1)"),
        (close(1005, b""), "a close code that may not be sent (RFC 6455 7.4)"),
        (vec![0x81, 0x01, 0xff], "text that is not UTF-8 (RFC 6455 8.1)"),
        (vec![0x82, 0x01, b'x', 0x83, 0x00], "an unknown opcode (RFC 6455 5.2)"),
    ];
    let switching = rude::SWITCHING.as_bytes();
    let answers = std::iter::once(switching.to_vec());
    let broken = cases.iter().map(|(frames, _)| [switching, frames].concat());
    let measured = measured("ws", answers.chain(broken).collect()).await;
    let told = &measured.stdout;
    assert_eq!(measured.code, 3, "{told}{}", measured.stderr);
    for (_, rule) in &cases {
        let count = cases.iter().filter(|(_, other)| other == rule).count();
        assert!(told.contains(&format!("protocol: {rule} {count}")), "{rule}: {told}");
    }
    let live = told.lines().find(|line| line.starts_with("  clients-live: ")).unwrap();
    assert!(
        live.contains("protocol: an unknown opcode (RFC 6455 5.2) 2: the server, or a proxy before it, broke the rule"),
        "{live}"
    );
    assert!(!live.contains("--clients") && live.contains("a packet capture shows the bytes"), "{live}");
}

#[tokio::test]
async fn a_close_code_is_told_with_the_first_reason_that_came_with_it_and_without_the_secret() {
    let reasons = [format!("token {TOKEN} has expired"), "too many".to_owned(), String::new()];
    let switching = rude::SWITCHING.as_bytes();
    let answers = [close(1008, reasons[0].as_bytes()), close(1008, reasons[0].as_bytes()), close(4001, b"")];
    let answers = answers.map(|frame| [switching, &frame].concat());
    let measured = measured("ws", std::iter::once(switching.to_vec()).chain(answers).collect()).await;
    let told = &measured.stdout;
    assert!(told.contains("\nerrors         ended-1008 2, ended-4001 1\n"), "{told}");
    assert!(told.contains("\n               ended-1008, the first: `token *** has expired`\n"), "{told}");
    assert!(!told.contains("ended-4001, the first"), "it gave no reason: {told}");
    assert!(told.contains("ended-1008 2: the server closed WebSockets with this code"), "{told}");
    let run = results::load(&measured.out).unwrap().run;
    assert_eq!(run.measured.quotes["ended-1008"], "token *** has expired");
    assert!(!measured.everything().contains(TOKEN), "{}", measured.everything());
}

#[tokio::test]
async fn what_an_event_stream_gets_wrong_is_named_too() {
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answers = [chunked.to_owned(), format!("{chunked}zz\r\n"), "SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned()];
    let measured = measured("sse", answers.map(String::into_bytes).into()).await;
    let told = &measured.stdout;
    assert!(told.contains("protocol: malformed chunked body: ") && told.contains(" (RFC 9112 7.1) 1"), "{told}");
    assert!(told.contains("protocol: not an HTTP/1.1 answer (RFC 9112 4) "), "{told}");
    assert!(told.contains("(RFC 9112 4), the first: `") && told.contains("SSH-2.0-OpenSSH_9.6"), "{told}");
}

/// The second connection is the publisher's.
#[tokio::test]
async fn what_ends_the_publishers_own_socket_is_named_as_for_clients() {
    let switching = rude::SWITCHING.as_bytes();
    let told = async |end: &[u8]| {
        let answers = vec![switching.to_vec(), [switching, end].concat(), switching.to_vec()];
        measured_as(TALKED_TO, "ws", "1", answers).await
    };
    let masked = told(&[0x81, 0x81, 1, 2, 3, 4, b'x']).await.stdout;
    assert!(masked.contains("publish-protocol: a masked frame from the server (RFC 6455 5.1) 1"), "{masked}");
    let closed = told(&close(1008, format!("{TOKEN} may not publish").as_bytes())).await;
    assert!(closed.stdout.contains("publish-ended-1008 1"), "{}", closed.stdout);
    assert!(closed.stdout.contains("publish-ended-1008, the first: `*** may not publish`"), "{}", closed.stdout);
    assert!(!closed.everything().contains(TOKEN), "{}", closed.everything());
}
