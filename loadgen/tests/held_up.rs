//! A generator that froze once, and a server that reads nothing that is published: both end, and both are told.

mod support;

use std::io::{BufRead, BufReader};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use results::load;
use rustix::process::{Pid, Signal, kill_process};
use support::{finish, loadgen, sibling};

fn reasons(out: &std::path::Path) -> Vec<String> {
    load(out).unwrap().run.verdict.reasons.into_iter().map(|reason| reason.check).collect()
}

#[test]
fn a_single_freeze_of_the_generator_is_not_diluted() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    sibling("feed-server");
    let mut child = loadgen()
        .args(["run", "--transport", "ws", "--clients", "5", "--rate", "10", "--duration", "4s", "--warmup", "200ms"])
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains(" measure ")).expect("it measures");
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    // Not waiting for something to happen: this is the freeze.
    std::thread::sleep(Duration::from_millis(600));
    kill_process(pid, Signal::CONT).unwrap();
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    // One late probe among hundreds would not reach the 99th percentile; each that was missed is one.
    assert!(reasons(&out).contains(&"loop-lag".to_owned()), "{:?}", reasons(&out));
}

/// Passes subscriptions on to a feed, and never reads a publication.
fn deaf_to_publications(feed: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming().map(Result::unwrap) {
            let feed = feed.clone();
            std::thread::spawn(move || pass_on(&client, &feed));
        }
    });
    url
}

/// Passes one connection on, unless it begins with a `POST`: that one is held open and not read.
fn pass_on(client: &TcpStream, feed: &str) {
    let mut start = [0; 1];
    if client.peek(&mut start).unwrap_or(0) == 1 && start[0] == b'P' {
        loop {
            std::thread::park();
        }
    }
    let server = TcpStream::connect(feed).unwrap();
    std::thread::scope(|scope| {
        for (mut from, mut to) in [(client, &server), (&server, client)] {
            scope.spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    });
}

#[test]
fn a_server_that_reads_no_publication_does_not_hold_the_run_for_ever() {
    let mut server = sibling("feed-server")
        .args(["--listen", "127.0.0.1:0", "--exit-on-stdin-close"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = deaf_to_publications(line.trim().rsplit("http://").next().unwrap().to_owned());

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let words = ["--clients", "2", "--rate", "200", "--payload", "100000", "--duration", "1s", "--warmup", "100ms"];
    let mut run = loadgen();
    run.args(["run", "--transport", "ws", "--settle", "0s", "--drain", "500ms", "--url", &url, "--out"]).arg(&out);
    let (code, stdout, stderr) = finish(run.args(words));
    assert_eq!(code, 3, "{stdout}{stderr}");
    assert!(reasons(&out).contains(&"load-applied".to_owned()), "{:?}", reasons(&out));
    drop(server.stdin.take());
    server.wait().unwrap();
}
