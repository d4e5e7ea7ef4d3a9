//! The server as a program: a child process that is told what to do by signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A running program; it is killed when this is dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Program {
    /// Starts one on a free port.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", flags)
    }

    /// Starts one that listens on `address`.
    pub(crate) fn start_at(address: &str, flags: &[&str]) -> Self {
        let mut child = command(&[&["--listen", address], flags].concat()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.strip_prefix("feed-server listening on ").unwrap_or_else(|| panic!("{line}"));
        let (_, address) = url.split_once("://").unwrap();
        Self { address: address.trim_end().to_owned(), child }
    }

    /// Sends a request, and does not wait for the answer.
    pub(crate) fn open(&self, path: &str) -> TcpStream {
        let mut client = TcpStream::connect(&self.address).unwrap();
        write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        client
    }

    /// Sends it a signal, named as `kill` names it.
    pub(crate) fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits until it has ended; its exit code, and what it said on stderr.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, with pipes to it.
pub(crate) fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feed-server"));
    command.args(flags).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
