//! The worker's side: what its leader tells it over standard input.

use std::io::{self, BufRead};
use std::process;

use tokio::sync::watch;

use crate::gate::{Gate, Said, Told, say};
use crate::interrupt::Interrupt;

/// Line that says when publishing begins; behind it the time, RFC 3339.
pub(super) const START: &str = "start ";
/// Line that lets clients leave.
pub(super) const CLOSE: &str = "close";
/// Line that ends the run; what was measured is kept.
pub(super) const STOP: &str = "stop";
/// Exit code of a worker that has lost its leader.
const ORPHANED: i32 = 1;

/// Who started this process, as it makes itself felt.
#[derive(Debug, Clone)]
pub struct Leader {
    /// What it lets this process do, and when.
    pub gate: Gate,
    /// Whether it wants the run to end.
    pub interrupt: Interrupt,
}

/// Listens to standard input from now on, and to signals, which are passed on to the leader. When standard input ends the leader is gone,
/// and so is this process: nobody is left behind.
pub fn obey() -> io::Result<Leader> {
    let (tell, told) = watch::channel(Told::default());
    let interrupt = Interrupt::listen_and(|| say(&Said::Stopping))?;
    let wanted = interrupt.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.strip_prefix(START) {
                Some(time) => match humantime::parse_rfc3339(time) {
                    Ok(time) => tell.send_modify(|told| told.start = Some(time)),
                    Err(error) => results::errln!("`{line}` names no time: {error}"),
                },
                None if line == CLOSE => tell.send_modify(|told| told.may_close = true),
                None if line == STOP => wanted.want(),
                None => results::errln!("`{line}` is no order that a worker knows"),
            }
        }
        process::exit(ORPHANED);
    });
    Ok(Leader { gate: Gate::Leader(told), interrupt })
}
