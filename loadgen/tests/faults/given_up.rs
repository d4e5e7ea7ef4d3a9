//! A run that is given up while it has stopped somebody else's server: the server goes on, however the run ends.

use std::process::{Child, Stdio};
use std::time::Duration;

use loadgen::clock;
use rustix::process::{Pid, Signal, kill_process};

use super::{Server, command};

/// Shorter than the generator would wait for an answer of a stopped server, 5 s.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A server of the test's own, and a run that has stopped it for a minute.
struct Paused {
    server: Server,
    run: Child,
    _folder: tempfile::TempDir,
}

impl Paused {
    fn new() -> Self {
        let server = Server::start(&[]);
        let folder = tempfile::tempdir().unwrap();
        let pid = server.child.id().to_string();
        let words = ["--url", &server.url, "--server-pid", &pid, "--duration", "70s"];
        let run = command("ws", &["pause-server for 60s at 300ms"], &words)
            .arg("--out")
            .arg(folder.path().join("run"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let paused = Self { server, run, _folder: folder };
        paused.await_stopped(true, Duration::from_secs(30));
        paused
    }

    fn tell(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.run.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Waits until the server is stopped, or is not.
    fn await_stopped(&self, wanted: bool, longest: Duration) {
        let bound = clock::now() + longest;
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", self.server.child.id())).unwrap();
        while stat().rsplit(") ").next().unwrap().starts_with('T') != wanted {
            assert!(clock::now() < bound, "the server is{} stopped", if wanted { " not" } else { "" });
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn code(&mut self) -> Option<i32> {
        self.run.wait().unwrap().code()
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let _ = self.run.kill();
        let _ = self.run.wait();
    }
}

#[test]
fn a_stopped_server_goes_on_at_the_first_ctrl_c() {
    let mut paused = Paused::new();
    paused.tell(Signal::INT);
    paused.await_stopped(false, AT_ONCE);
    assert!(matches!(paused.code(), Some(1 | 3)), "what was measured is kept");
}

#[test]
fn a_stopped_server_goes_on_when_a_second_ctrl_c_ends_the_program() {
    let mut paused = Paused::new();
    paused.tell(Signal::INT);
    // Signals that come together are one.
    std::thread::sleep(Duration::from_millis(300));
    paused.tell(Signal::INT);
    assert!(matches!(paused.code(), Some(130 | 1 | 3)), "one that was slow to die may have come to its end");
    paused.await_stopped(false, Duration::from_secs(1));
}

#[test]
fn a_stopped_server_goes_on_when_the_program_is_asked_to_end() {
    let mut paused = Paused::new();
    paused.tell(Signal::TERM);
    paused.await_stopped(false, AT_ONCE);
    assert!(matches!(paused.code(), Some(1 | 3)), "what was measured is kept");
}
