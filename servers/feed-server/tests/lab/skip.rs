//! The one way in which a test says that it cannot be had on this machine: on standard error, and in the file that sums a suite up.

use std::io::Write;

/// Says that `test` is skipped, and why: the line `SKIPPED test: reason` goes past the test harness, which keeps what a passing test
/// prints to itself, and `test: reason` is appended to the file that `WIRELAB_SKIPS` names, if it is set (`scripts/suite.sh`).
///
/// `test` is the name of the function. One that runs, but not all of it, appends what it leaves out: `test (with Redis)`.
pub(crate) fn skipped(test: &str, reason: &str) {
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
    let Some(path) = std::env::var_os("WIRELAB_SKIPS") else { return };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    // In one write, so that the lines of programs that run side by side stay whole.
    let written = file.and_then(|mut file| file.write_all(format!("{test}: {reason}\n").as_bytes()));
    written.expect("WIRELAB_SKIPS names a file that can be written");
}

/// The name of the test whose thread this is; `None` on a thread of its own making.
pub(crate) fn current_test() -> Option<String> {
    let thread = std::thread::current();
    let path = thread.name().filter(|name| !matches!(*name, "main" | "tokio-rt-worker"))?;
    path.rsplit("::").next().map(str::to_owned)
}
