//! Standard output and standard error of the server: where it listens, and its log. Nobody has to read either.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Writes a line to standard output. That nobody reads it (EPIPE) is no error.
pub(crate) fn say(line: &str) -> io::Result<()> {
    wrote(io::stdout().lock().write_all(format!("{line}\n").as_bytes()).and_then(|()| io::stdout().flush()))
}

/// What became of something written to standard output: that nobody reads it (EPIPE) is no error.
pub(crate) fn wrote(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a line to standard error, if that can be written to.
pub(crate) fn complain(line: &str) {
    let _ = Log.write_all(format!("{line}\n").as_bytes());
}

/// Standard error, whose failures are nobody's: a full disk, or a pipe that nobody reads, ends no connection. Whoever writes the log would panic.
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}
