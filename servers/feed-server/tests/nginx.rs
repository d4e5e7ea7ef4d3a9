//! A real nginx in front with the settings that it has by itself, which speaks HTTP/1.0 to its upstream (before 1.29.7).

mod lab;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use feed::ServerStats;
use lab::program::Program;
use lab::{PATIENCE, now};
use tempfile::TempDir;

/// nginx, on a socket in a folder of its own; killed when this is dropped.
struct Nginx {
    child: Child,
    folder: TempDir,
}

impl Nginx {
    /// Starts one in front of `upstream`; `None`, having said why, where there is none.
    fn start(test: &str, upstream: &str) -> Option<Self> {
        let need = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/need.sh");
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let need = Command::new(need).args(["nginx", "nginx-light"]).env("PATH", &path).output().unwrap();
        if !need.status.success() {
            lab::skip::skipped(test, &String::from_utf8_lossy(&need.stderr));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {at}/{kind}; "))
            .collect();
        let settings = format!(
            "{user} daemon off; master_process off; pid {at}/pid; error_log {at}/log; events {{}}\n\
             http {{ access_log off; {temporary}\n\
             server {{ listen unix:{at}/socket; location / {{ proxy_pass http://{upstream}; }} }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), settings).unwrap();
        let mut command = Command::new("nginx");
        command
            .env("PATH", path)
            .arg("-e")
            .arg(folder.path().join("log"))
            .arg("-c")
            .arg(folder.path().join("nginx.conf"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut nginx = Self { child, folder };
        let begun = now();
        while nginx.connect().is_err() {
            let log = std::fs::read_to_string(nginx.folder.path().join("log")).unwrap_or_default();
            assert!(nginx.child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE, "nginx: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(nginx)
    }

    fn connect(&self) -> std::io::Result<UnixStream> {
        let stream = UnixStream::connect(self.folder.path().join("socket"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Sends a request.
    fn ask(&self, request: &str) -> UnixStream {
        let mut stream = self.connect().unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_until(stream: &mut UnixStream, end: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(end) {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(len) if len > 0 => seen.push_str(std::str::from_utf8(&buffer[..len]).unwrap()),
            ended => panic!("{ended:?} after: {seen}"),
        }
    }
    seen
}

/// Waits until a connection of `kind` is open behind nginx.
fn await_open(nginx: &Nginx, kind: &str) {
    let begun = now();
    loop {
        let mut answer = String::new();
        let request = "GET /stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        nginx.ask(request).read_to_string(&mut answer).unwrap();
        let stats: ServerStats = serde_json::from_str(&answer[answer.find('{').unwrap()..]).unwrap();
        if stats.connections[kind].open > 0 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing of {kind} is open: {answer}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn everything_but_websocket_works_through_an_nginx_that_was_told_nothing() {
    let test = "everything_but_websocket_works_through_an_nginx_that_was_told_nothing";
    let server = Program::start(&["--drain", "1s"]);
    let Some(nginx) = Nginx::start(test, &server.address) else { return };
    let get = |path: &str, fields: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");

    let mut stream = nginx.ask(&get("/topics/news/sse", "Connection: close\r\n"));
    let mut told = read_until(&mut stream, "\"recovered\":true}\n\n");
    assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("\r\nTransfer-Encoding: chunked\r\n"), "{told}");
    let mut held = nginx.ask(&get("/topics/news/long-poll?wait=20", ""));
    await_open(&nginx, "long-poll");
    let publish = "POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n7";
    let published = read_until(&mut nginx.ask(publish), "\"epoch\":");
    assert!(published.starts_with("HTTP/1.1 201 ") && published.contains("\"id\":1,"), "{published}");
    told.push_str(&read_until(&mut stream, "\"payload\":7}\n\n"));
    let answer = read_until(&mut held, "}]}");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"payload\":7}"), "{answer}");
    let poll = read_until(&mut nginx.ask(&get("/topics/news/short-poll?after=earliest", "")), "}]}");
    assert!(poll.starts_with("HTTP/1.1 200 ") && poll.contains("\"payload\":7}"), "{poll}");

    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let refused = read_until(&mut nginx.ask(&get("/topics/news/ws", upgrade)), "\"}");
    assert!(
        refused.starts_with("HTTP/1.1 426 ") && refused.contains("proxy_set_header Upgrade $http_upgrade"),
        "{refused}"
    );

    server.signal("-TERM");
    stream.read_to_string(&mut told).unwrap();
    lab::assert_events(&lab::dechunked(&told));
    assert_eq!(told.matches("\ndata:").count(), 2, "{told}");
}
