//! A Redis of one's own: a child process on a free port and in its own folder, started, stopped and started again.
//!
//! The tests of the generator include this file as well.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longest wait for an answer: waiting this long is failing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at whether it answers.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A `redis-server` child process; it is killed when this is dropped.
pub(crate) struct Redis {
    child: Option<Child>,
    port: u16,
    folder: PathBuf,
    logs_writes: bool,
}

/// What Redis does with its data when it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Nothing: neither file nor snapshot.
    Nothing,
    /// Every write, in an append-only file.
    Everything,
}

impl Redis {
    /// Starts one; `None`, having said why, where there is no Redis and none can be installed.
    pub(crate) fn start(test: &str, keeps: Keeps) -> Option<Self> {
        let mut folders =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("scripts/need.sh"));
        let script = folders.find(|script| script.is_file()).expect("the workspace has a script that sees to it");
        let output = Command::new(script).arg("redis-server").output().unwrap();
        if !output.status.success() {
            super::skip::skipped(test, &String::from_utf8_lossy(&output.stderr));
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("wirelab-redis-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut redis = Self { child: None, port, folder, logs_writes: keeps == Keeps::Everything };
        redis.restart();
        Some(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it, again or for the first time, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let folder = self.folder.to_str().unwrap();
        let port = self.port.to_string();
        let append_only = if self.logs_writes { "yes" } else { "no" };
        let flags =
            ["--port", &port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", append_only];
        let child = Command::new("redis-server").args(flags).stdout(Stdio::null()).spawn().unwrap();
        self.child = Some(child);
        let mut looks = 0;
        // Another's Redis may have got hold of the port: it must be ours that answers.
        let pid = self.child.as_ref().expect("it runs").id();
        while !self.information("server").contains(&format!("\nprocess_id:{pid}\r")) {
            looks += 1;
            assert!(
                LOOK_AGAIN * looks < PATIENCE,
                "redis-server does not answer on port {}, or another one does",
                self.port
            );
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// What Redis tells of itself; empty when it does not answer.
    fn information(&self, section: &str) -> String {
        use std::io::{Read, Write};
        let mut said = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let _ =
                write!(stream, "INFO {section}\r\nQUIT\r\n").and_then(|()| stream.read_to_string(&mut said).map(drop));
        }
        said
    }

    /// Kills it on the spot.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a signal, by name.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Sends one command, and returns the first line of the answer.
    pub(crate) fn command(&self, words: &[&str]) -> Option<String> {
        use std::io::{BufRead, BufReader, Write};
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(request.as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    }

    /// How often clients have run scripts.
    pub(crate) fn scripts_run(&self) -> u64 {
        let said = self.information("commandstats");
        let calls = said.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap_or("0");
        calls.split(',').next().unwrap().parse().unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
