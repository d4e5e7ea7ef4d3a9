//! A server behind TLS: every transport is played, its bytes are told apart, and nobody is believed who is not to be.

mod support;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use results::load;
use support::{WIDE_BOUNDS, assert_valid, finish, loadgen, sibling};

/// A feed-server with a certificate of its own; it ends with this.
struct Secure {
    child: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Secure {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = sibling("feed-server");
        command.args(["--listen", "127.0.0.1:0", "--exit-on-stdin-close", "--tls-self-signed"]);
        let mut child =
            command.arg(folder.path().join("server.pem")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim_end().strip_prefix("feed-server listening on https://").unwrap_or_else(|| panic!("{line}"));
        Self { url: format!("https://{address}"), child, folder }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// A short run of `transport`, whose results go to `out`.
    fn run(&self, transport: &str, out: &str) -> std::process::Command {
        let mut command = loadgen();
        command
            .args(["run", "--transport", transport, "--clients", "20", "--rate", "10", "--payload", "150"])
            .args(["--warmup", "300ms", "--settle", "200ms", "--poll-interval", "400ms", "--duration", "1500ms"])
            .args(["--url", &self.url, "--out"])
            .arg(self.folder.path().join(out))
            .args(WIDE_BOUNDS);
        command
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_transport_is_played_over_tls_and_what_tls_adds_is_told_apart() {
    let secure = Secure::start();
    for transport in ["short-poll", "long-poll", "sse", "ws", "socketio"] {
        let (code, stdout, stderr) = finish(secure.run(transport, transport).arg("--ca").arg(secure.certificate()));
        let out = secure.folder.path().join(transport);
        assert_valid(code, &out, &format!("{transport}: {stdout}{stderr}"));
        let run = load(&out).unwrap().run;
        let (books, bytes) = (&run.measured.deliveries, &run.measured.bytes);
        assert_eq!((books.expected, books.delivered, books.lost, books.duplicated), (300, 300, 0, 0), "{transport}");
        assert_eq!(bytes.received.payload, bytes.deliveries * 150);
        // A record costs 22 bytes (TLS 1.3, AES-GCM or ChaCha20-Poly1305: 5 of header, 1 of type, 16 of tag), and carries one delivery or more.
        assert!(bytes.received.tls >= 22 * 15, "{transport}: {bytes:?}");
        assert!(bytes.received.tls <= 22 * 3 * (bytes.deliveries + 300), "{transport}: {bytes:?}");
        assert_eq!(bytes.sent.tls > 0, transport.ends_with("poll") || bytes.sent.framing > 0, "{transport}: {bytes:?}");
        for row in &run.measured.reconciliation {
            assert_eq!(row.generator, row.server, "{transport}: {}", row.quantity);
        }
        let server = run.measured.server.expect("a feed tells its cost, over TLS, too");
        assert_eq!(server.open_at_end, Some(20), "{transport}");
    }
}

#[test]
fn who_is_not_to_be_believed_is_not_and_the_error_says_what_to_do() {
    let secure = Secure::start();
    let (code, _, stderr) = finish(&mut secure.run("ws", "unknown"));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("certificate") && stderr.contains("--ca"), "{stderr}");
    let (code, stdout, stderr) = finish(secure.run("ws", "insecure").arg("--insecure"));
    assert_valid(code, &secure.folder.path().join("insecure"), &format!("{stdout}{stderr}"));
    let (code, _, stderr) = finish(secure.run("ws", "missing").args(["--ca", "/nowhere/ca.pem"]));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("/nowhere/ca.pem"), "{stderr}");
}

#[test]
fn a_server_that_speaks_no_tls_is_told_from_one_that_is_not_believed() {
    let mut server = sibling("feed-server");
    let mut child = server
        .args(["--listen", "127.0.0.1:0", "--exit-on-stdin-close"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim_end().trim_start_matches("feed-server listening on ").replacen("http", "https", 1);
    let (code, _, stderr) = finish(loadgen().args(["check", &url, "--insecure"]));
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("does it speak TLS?"), "{stderr}");
}

#[test]
fn a_feed_is_checked_over_tls() {
    let secure = Secure::start();
    let mut check = loadgen();
    check.args(["check", &secure.url, "--ca"]).arg(secure.certificate());
    let (code, stdout, stderr) = finish(&mut check);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(!stdout.contains("FAILED") && stdout.contains("ws"), "{stdout}");
}
