//! `scripts/cluster.sh`: several servers behind nginx, and nothing left of them afterwards.

#[path = "lab/skip.rs"]
#[allow(dead_code, reason = "these tests use their own part of it")]
mod skip;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Runs the script with our own program; `None`, having said why, where nginx or Redis cannot be had.
fn cluster(test: &str, words: &[&str]) -> Option<Command> {
    for program in [["nginx", "nginx-light"], ["redis-server", "redis-server"]] {
        let need = Command::new(root().join("scripts/need.sh")).args(program).output().unwrap();
        if !need.status.success() {
            skip::skipped(test, &String::from_utf8_lossy(&need.stderr));
            return None;
        }
    }
    let mut command = Command::new(root().join("scripts/cluster.sh"));
    let programs = Path::new(env!("CARGO_BIN_EXE_feed-server")).parent().unwrap();
    command.args(words).env("WIRELAB_PROGRAMS", programs).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(command)
}

fn is_running(pid: &str) -> bool {
    Command::new("kill").args(["-0", pid]).stderr(Stdio::null()).status().unwrap().success()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

#[test]
fn what_is_published_through_nginx_is_on_every_server_and_nothing_outlives_the_run() {
    let run = r#"
        curl -sS -X POST "$WIRELAB_URL/topics/news" -d '"hello"' > /dev/null
        for url in $WIRELAB_SERVER_URLS; do curl -sS "$url/topics/news/short-poll?after=earliest"; echo; done
        curl -sS --max-time 1 -N "$WIRELAB_URL/topics/news/sse?after=earliest"
        echo "pids $WIRELAB_SERVER_PIDS"
        exit 7"#;
    let test = "what_is_published_through_nginx_is_on_every_server_and_nothing_outlives_the_run";
    let Some(mut command) = cluster(test, &["--servers", "2", "--ip-hash", "--run", run]) else { return };
    let output = command.output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(7), "it ends as the command did: {said}");
    assert_eq!(
        said.matches(r#""id":1,"#).count(),
        3,
        "two servers, and a stream that nginx does not hold back: {said}"
    );
    let pids: Vec<_> = said.lines().find_map(|line| line.strip_prefix("pids ")).unwrap().split(' ').collect();
    assert_eq!(pids.len(), 2);
    for pid in pids {
        assert!(!is_running(pid), "{pid} is left over");
    }
}

#[test]
fn a_signal_ends_the_whole_cluster() {
    let Some(mut command) = cluster("a_signal_ends_the_whole_cluster", &["--servers", "2", "--broker", "none"]) else {
        return;
    };
    let mut child = command.spawn().unwrap();
    let mut seen = String::new();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    while !seen.contains("Ctrl-C") {
        assert!(std::io::BufRead::read_line(&mut stderr, &mut seen).unwrap() > 0, "{seen}");
    }
    let url = seen.split("nginx at ").nth(1).unwrap().lines().next().unwrap();
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let reaches = || std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
    assert!(reaches());
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(!reaches(), "nginx is left over");
}

#[test]
fn words_that_it_does_not_know_are_refused() {
    for words in [&["--servers", "0"][..], &["--broker", "kafka"], &["--sticky"], &["--servers"]] {
        let output = Command::new(root().join("scripts/cluster.sh")).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", said(&output));
    }
}
