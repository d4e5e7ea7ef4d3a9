//! What asks the program to end: SIGTERM, ctrl-c, SIGHUP, and, if it is told so, the end of its standard input.

use std::io::Read;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// What a shell adds to the number of the signal that ended a program to make an exit code of it.
const KILLED: i32 = 128;
/// Signals that come this close together are one request to end. GNU `timeout` sends its signal twice, to its child and to its process
/// group, and a terminal that closes sends SIGHUP from the kernel and from the shell.
const ONE_REQUEST: Duration = Duration::from_millis(200);

/// Ends with the first signal, or the end of stdin; another signal later ends the process on the spot, with the exit code that shells give a
/// program which such a signal ended.
pub(crate) fn stop(stdin_too: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut signals = Signals::listen()?;
    let (stdin_ended, ended) = oneshot::channel();
    if stdin_too {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock().by_ref(), &mut std::io::sink());
            let _ = stdin_ended.send(());
        });
    } else {
        drop(stdin_ended);
    }
    Ok(async move {
        tokio::select! {
            _ = signals.next() => {}
            Ok(()) = ended => {}
        }
        tokio::spawn(async move {
            let mut same = std::pin::pin!(sleep(ONE_REQUEST));
            let mut is_over = false;
            let signal = loop {
                tokio::select! {
                    biased;
                    signal = signals.next() => if is_over { break signal },
                    () = same.as_mut(), if !is_over => is_over = true,
                }
            };
            std::process::exit(KILLED + signal.as_raw_value());
        });
    })
}

/// The signals that are heard.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` where it is ignored, as under `nohup`.
    hangup: Option<Signal>,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |name, kind| signal(kind).with_context(|| format!("cannot listen for {name}"));
        let hangup = hears_hangup().then(|| listen("SIGHUP", SignalKind::hangup())).transpose()?;
        Ok(Self {
            interrupt: listen("ctrl-c", SignalKind::interrupt())?,
            terminate: listen("SIGTERM", SignalKind::terminate())?,
            hangup,
        })
    }

    /// Which one comes next.
    async fn next(&mut self) -> SignalKind {
        let Self { interrupt, terminate, hangup } = self;
        tokio::select! {
            Some(()) = interrupt.recv() => SignalKind::interrupt(),
            Some(()) = terminate.recv() => SignalKind::terminate(),
            Some(()) = async { hangup.as_mut()?.recv().await } => SignalKind::hangup(),
            else => std::future::pending().await,
        }
    }
}

/// True unless this process was started with SIGHUP ignored; where the system does not tell (no `/proc`), it is left as it is.
fn hears_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (SignalKind::hangup().as_raw_value() - 1)) == 0)
}
