//! Standard output and standard error: the one place where a program writes to them, and where what becomes of that is known.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// What has become of standard output.
enum Output {
    Open,
    /// Nobody reads it any more (EPIPE): no error, what is left is not wanted.
    Closed,
    Failed(io::Error),
}

static OUTPUT: Mutex<Output> = Mutex::new(Output::Open);

/// Writes a line to standard output; see [`console::end`](crate::console::end) for what becomes of errors.
#[macro_export]
macro_rules! outln {
    ($($text:tt)*) => { $crate::console::out(&format!("{}\n", format_args!($($text)*))) };
}

/// Writes to standard output, without a line break behind it.
#[macro_export]
macro_rules! out {
    ($($text:tt)*) => { $crate::console::out(&format!($($text)*)) };
}

/// Writes a line to standard error, if anybody reads that.
#[macro_export]
macro_rules! errln {
    ($($text:tt)*) => { $crate::console::err(&format!("{}\n", format_args!($($text)*))) };
}

/// Writes `text` to standard output. After an error nothing more is written.
pub fn out(text: &str) {
    let mut output = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*output, Output::Open) {
        enter(&mut output, io::stdout().lock().write_all(text.as_bytes()));
    }
}

/// Writes `text` to standard error. A program whose complaints nobody can hear goes on.
pub fn err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Enters what has become of something that others wrote to standard output.
pub fn wrote(result: io::Result<()>) {
    enter(&mut OUTPUT.lock().unwrap_or_else(PoisonError::into_inner), result);
}

fn enter(output: &mut Output, result: io::Result<()>) {
    match result {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => *output = Output::Closed,
        Err(error) => *output = Output::Failed(error),
    }
}

/// The exit code of a program that ends with `code`: where standard output could not be written to, that is told on standard error, and
/// 0 becomes 1. Output that nobody reads any more changes nothing.
pub fn end(code: u8) -> ExitCode {
    let flushed = io::stdout().lock().flush();
    let mut output = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*output, Output::Open) {
        enter(&mut output, flushed);
    }
    match &*output {
        Output::Open | Output::Closed => ExitCode::from(code),
        Output::Failed(error) => {
            err(&format!("error: cannot write to standard output: {error}; the exit code would have been {code}\n"));
            ExitCode::from(code.max(1))
        }
    }
}
