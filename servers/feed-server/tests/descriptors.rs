//! The limit of open files: who comes too many is told so, and a listener that can accept nobody waits quietly until it can.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that may have so many files open.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(files: u32) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_feed-server")])
            .args(["--listen", "127.0.0.1:0", "--workers", "2"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("feed-server listening on http://").unwrap_or_else(|| panic!("{line}"));
        Self { address: address.trim_end().to_owned(), child }
    }

    fn dial(&self) -> TcpStream {
        let client = TcpStream::connect(&self.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// Lets the process have `files` open from now on.
    fn limit(&self, files: u64) {
        let process = Pid::from_child(&self.child);
        let maximum = prlimit(Some(process), Resource::Nofile, Rlimit { current: Some(files), maximum: Some(4096) });
        maximum.unwrap();
    }

    /// The number that the next file it opens would have.
    fn next_file(&self) -> u64 {
        let open: Vec<u64> = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        (0..).find(|number| !open.contains(number)).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks, and reads until the answer holds `end`; `None` when the connection was closed without one.
fn try_to_ask(client: &mut TcpStream, path: &str, end: &str) -> Option<String> {
    write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains(end) {
        match client.read(&mut buffer) {
            Ok(len) if len > 0 => answer.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no answer, and no end"),
            _ => return None,
        }
    }
    String::from_utf8(answer).ok()
}

fn ask(client: &mut TcpStream, path: &str, end: &str) -> String {
    try_to_ask(client, path, end).expect("an answer")
}

fn cpu_s(client: &mut TcpStream) -> f64 {
    let answer = ask(client, "/stats", "}}}");
    let stats: feed::ServerStats = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    stats.cpu_s
}

#[test]
fn who_comes_when_all_files_are_taken_is_told_to_come_back_and_may_when_one_is_free() {
    let program = Program::start(80);
    let mut inside: Vec<TcpStream> = (0..16).map(|_| program.dial()).collect();
    for client in &mut inside {
        assert!(ask(client, "/healthz", "ok\n").starts_with("HTTP/1.1 200 "));
    }
    // Some who say nothing, and would take what is left of the files if all of them were let in to be told.
    let silent: Vec<TcpStream> = (0..100).map(|_| program.dial()).collect();
    let mut told = 0;
    for _ in 0..10_000 {
        if let Some(answer) = try_to_ask(&mut program.dial(), "/healthz", "}") {
            assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
            assert!(answer.contains("16 connections are open already"), "{answer}");
            told += 1;
            if told == 20 {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(told, 20, "those who ask are told");
    drop(silent);
    assert!(ask(&mut inside[0], "/healthz", "ok\n").starts_with("HTTP/1.1 200 "), "and those inside are served");
    drop(inside.pop());
    // For ten seconds and more.
    let mut tries = 0..1_000;
    let served = tries.any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        let answer = try_to_ask(&mut program.dial(), "/healthz", "\r\n\r\n");
        answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    });
    assert!(served, "a place that is left is free");
}

#[test]
fn a_listener_without_files_serves_who_is_there_costs_nothing_and_goes_on_when_it_can() {
    let mut program = Program::start(4096);
    let mut inside = program.dial();
    assert!(ask(&mut inside, "/healthz", "ok\n").starts_with("HTTP/1.1 200 "));
    program.limit(program.next_file());
    let mut waiting = program.dial();
    write!(waiting, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let before = cpu_s(&mut inside);
    assert!(waiting.read(&mut [0; 16]).is_err(), "nobody can be accepted");
    let spent = cpu_s(&mut inside) - before;
    assert!(spent < 0.2, "{spent} s of CPU in half a second of waiting");

    program.limit(4096);
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 15];
    waiting.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    program.child.kill().unwrap();
    let mut said = String::new();
    program.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("cannot accept").count(), 1, "{said}");
    assert_eq!(said.matches("accepting again").count(), 1, "{said}");
}

#[test]
fn a_server_that_could_let_nobody_in_does_not_start() {
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 64 && exec \"$0\" --listen 127.0.0.1:0 --exit-on-stdin-close",
            env!("CARGO_BIN_EXE_feed-server"),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the limit of 64 open files leaves no room for a connection"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
