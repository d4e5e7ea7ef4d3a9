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
    host: String,
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
        Self::start_on(test, keeps, "127.0.0.1", 0)
    }

    /// Starts one on an address of loopback, and a port that is free there if it is 0.
    pub(crate) fn start_on(test: &str, keeps: Keeps, host: &str, port: u16) -> Option<Self> {
        let mut folders =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("scripts/need.sh"));
        let script = folders.find(|script| script.is_file()).expect("the workspace has a script that sees to it");
        let output = Command::new(script).arg("redis-server").output().unwrap();
        if !output.status.success() {
            super::skip::skipped(test, &String::from_utf8_lossy(&output.stderr));
            return None;
        }
        let port = TcpListener::bind((host, port)).unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("wirelab-redis-{}-{host}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let logs_writes = keeps == Keeps::Everything;
        let mut redis = Self { child: None, host: host.to_owned(), port, folder, logs_writes };
        redis.restart();
        Some(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}:{}", self.host, self.port)
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The folder in which it saves what it keeps.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Has it copy `primary` from now on, and waits until it has.
    pub(crate) fn follow(&self, primary: &Self) {
        let done = self.command(&["REPLICAOF", &primary.host, &primary.port.to_string()]);
        assert_eq!(done.as_deref(), Some("+OK"));
        self.await_information("replication", "\nmaster_link_status:up\r");
    }

    /// Makes it a primary.
    pub(crate) fn promote(&self) {
        assert_eq!(self.command(&["REPLICAOF", "NO", "ONE"]).as_deref(), Some("+OK"));
    }

    /// Waits until it tells `expected` of itself.
    pub(crate) fn await_information(&self, section: &str, expected: &str) {
        let mut looks = 0;
        while !self.information(section).contains(expected) {
            looks += 1;
            assert!(LOOK_AGAIN * looks < PATIENCE, "never {expected:?}: {}", self.information(section));
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// One field of what it tells of itself.
    pub(crate) fn field(&self, section: &str, name: &str) -> String {
        let said = self.information(section);
        let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name} in: {said}")).to_owned()
    }

    /// Starts it, again or for the first time, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same, with more flags.
    pub(crate) fn restart_with(&mut self, more: &[&str]) {
        assert!(self.child.is_none(), "it runs");
        let folder = self.folder.to_str().unwrap();
        let port = self.port.to_string();
        let append_only = if self.logs_writes { "yes" } else { "no" };
        let flags = ["--port", &port, "--bind", &self.host, "--dir", folder, "--save", "", "--appendonly", append_only];
        let child = Command::new("redis-server").args(flags).args(more).stdout(Stdio::null()).spawn().unwrap();
        self.child = Some(child);
        // Another's Redis may have got hold of the port: it must be ours that answers.
        let pid = self.child.as_ref().expect("it runs").id();
        self.await_information("server", &format!("\nprocess_id:{pid}\r"));
    }

    /// What Redis tells of itself; empty when it does not answer.
    fn information(&self, section: &str) -> String {
        use std::io::{Read, Write};
        let mut said = String::new();
        if let Ok(mut stream) = TcpStream::connect((&*self.host, self.port)) {
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
        let mut stream = TcpStream::connect((&*self.host, self.port)).ok()?;
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
        self.calls("evalsha")
    }

    /// How often it has carried out a command, by whomever.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let said = self.information("commandstats");
        let prefix = format!("cmdstat_{command}:calls=");
        let calls = said.lines().find_map(|line| line.strip_prefix(&*prefix)).unwrap_or("0");
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
