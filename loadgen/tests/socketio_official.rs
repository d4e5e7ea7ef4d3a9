//! Our Socket.IO client against the official server, which npm sets up: nothing is lost or doubled, whatever carries it.

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use results::{Measured, Run};
use support::skip::skipped;
use support::{WIDE_BOUNDS, assert_valid, finish, loadgen};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/socketio");

/// The official server as a process of its own. It ends when its standard input does.
struct Official {
    url: String,
    child: Child,
}

impl Official {
    /// Starts one; `None`, having said why, where it cannot be set up.
    fn start(test: &str, words: &[&str]) -> Option<Self> {
        if !is_set_up(test) {
            return None;
        }
        let mut node = Command::new("node");
        node.arg("server.js").args(words).current_dir(FOLDER).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = node.spawn().expect("node starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("the server says where it listens").to_owned();
        Some(Self { url, child })
    }

    /// Measures the feed on it over `carrier`, exactly.
    fn measure(&self, carrier: &str, rate: &str) -> Measured {
        let run = measure(run_of(carrier, rate).args(["--url", &self.url]));
        assert_eq!((run.asked.transport.as_str(), run.asked.socketio.as_deref()), ("socketio", Some(carrier)));
        assert_eq!(run.measured.connections.failed, 0, "{carrier}");
        run.measured
    }
}

/// A run of a moment.
fn run_of(carrier: &str, rate: &str) -> Command {
    let mut command = loadgen();
    command
        .args(["run", "--transport", "socketio", "--socketio", carrier, "--clients", "20", "--rate", rate])
        .args(["--payload", "150", "--settle", "200ms", "--warmup", "300ms", "--duration", "2s"])
        .args(WIDE_BOUNDS);
    command
}

/// Carries a run out, in which nothing may be lost or doubled.
fn measure(command: &mut Command) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let (code, stdout, stderr) = finish(command.arg("--out").arg(&out));
    assert_valid(code, &out, &format!("{stdout}{stderr}"));
    let run = results::load(&out).unwrap().run;
    let books = &run.measured.deliveries;
    assert_eq!((books.lost, books.duplicated, books.reordered, books.late), (0, 0, 0, 0), "{stdout}");
    assert_eq!(books.delivered, books.expected, "{stdout}");
    run
}

/// Whether the official server is there; says why, where it is not.
fn is_set_up(test: &str) -> bool {
    static SET_UP: OnceLock<Result<(), String>> = OnceLock::new();
    let set_up = SET_UP.get_or_init(set_up);
    if let Err(reason) = set_up {
        skipped(test, reason);
    }
    set_up.is_ok()
}

impl Drop for Official {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Installs the pinned server beside its `package.json`, unless it is there already.
fn set_up() -> Result<(), String> {
    if Path::new(FOLDER).join("node_modules/socket.io/package.json").is_file() {
        return Command::new("node").arg("--version").output().map(drop).map_err(|error| format!("no node: {error}"));
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(FOLDER).stdin(Stdio::null());
    let output = npm.output().map_err(|error| format!("no npm: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
    output.status.success().then_some(()).ok_or_else(|| format!("npm ci failed: {last}"))
}

#[test]
fn every_carrier_delivers_each_notification_of_the_official_server_once() {
    let Some(server) = Official::start("socketio-carriers", &[]) else { return };
    for (carrier, connections) in [("polling", 2), ("websocket", 1), ("upgrade", 3)] {
        let measured = server.measure(carrier, "20");
        assert_eq!(measured.deliveries.expected, 20 * 40, "{carrier}");
        assert_eq!(measured.connections.opened, 20 * connections, "{carrier}");
        assert!(measured.connections.errors.is_empty(), "{carrier}: {:?}", measured.connections.errors);
        assert_eq!(measured.polls.is_some(), carrier == "polling");
        assert_eq!(measured.bytes.received.payload, measured.bytes.deliveries * 150);
    }
}

#[test]
fn notifications_in_attachments_are_found() {
    let Some(server) = Official::start("socketio-attachments", &["--binary"]) else { return };
    for carrier in ["polling", "websocket", "upgrade"] {
        assert_eq!(server.measure(carrier, "20").deliveries.expected, 20 * 40, "{carrier}");
    }
}

#[test]
fn a_server_without_websocket_is_polled_on_and_that_is_told() {
    let Some(server) = Official::start("socketio-no-upgrade", &["--no-upgrade"]) else { return };
    let measured = server.measure("upgrade", "20");
    assert_eq!(measured.connections.errors, [("upgrade-not-offered".to_owned(), 20)].into());
    assert_eq!(measured.connections.opened, 20 * 2);
}

#[test]
fn pings_of_the_official_server_are_answered_in_time() {
    // A ping every second that must be answered within a second: a client that does not answer is thrown out.
    let Some(server) = Official::start("socketio-pings", &["--ping-interval", "1000"]) else { return };
    for carrier in ["polling", "websocket", "upgrade"] {
        let measured = server.measure(carrier, "1");
        assert!(measured.connections.errors.is_empty(), "{carrier}: {:?}", measured.connections.errors);
        assert!(measured.bytes.sent.framing > 0, "{carrier}: pongs");
    }
}

#[test]
fn who_is_thrown_out_comes_back_and_misses_nothing() {
    for carrier in ["polling", "websocket", "upgrade"] {
        let Some(server) = Official::start("socketio-thrown-out", &["--throw-out-after", "600"]) else { return };
        let measured = server.measure(carrier, "20");
        assert_eq!(measured.connections.reconnected, 20, "{carrier}: {:?}", measured.connections.errors);
        assert_eq!(measured.deliveries.expected, 20 * 40, "{carrier}");
    }
}

#[test]
fn rooms_of_a_chat_are_measured_by_a_built_in_target() {
    let Some(server) = Official::start("socketio-chat", &[]) else { return };
    for carrier in ["polling", "upgrade"] {
        let run = measure(run_of(carrier, "20").args(["--target", "socketio", "--topics", "3", "--url", &server.url]));
        assert_eq!(run.measured.published.publish_time, None, "nobody answers for what is said in a chat");
        assert_eq!(run.measured.deliveries.expected, 20 * 40, "{carrier}");
    }
}

#[test]
fn a_namespace_behind_a_door_is_measured_as_its_target_file_says() {
    if !is_set_up("socketio-members") {
        return;
    }
    let members = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/socketio/members.toml");
    let run = measure(run_of("upgrade", "20").args(["--target", members]).env("WIRELAB_TOKEN", "open-sesame"));
    let published = &run.measured.published;
    assert_eq!((published.due, published.accepted, published.refused), (40, 40, 0));
    assert_eq!(published.publish_time.as_ref().expect("each is acknowledged").count, 40);
    assert!(!serde_json::to_string(&run).unwrap().contains("open-sesame"));

    let mut refused = run_of("websocket", "20");
    let (code, _, stderr) = finish(refused.args(["--target", members]).env("WIRELAB_TOKEN", "open-sesamy"));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("not a member") && !stderr.contains("open-sesamy"), "{stderr}");
}
