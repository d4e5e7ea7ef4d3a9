//! SIGINT (ctrl-c), SIGTERM and SIGHUP: the first ends the run and keeps what was measured, a second one ends the program at once.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::{children, clock, faults};

/// What a shell adds to the number of the signal that ended a program to make an exit code of it.
const KILLED: i32 = 128;
/// Signals that come this close together are one request to end. GNU `timeout` sends its signal twice, to its child and to its process
/// group, and a terminal that closes sends SIGHUP from the kernel and from the shell.
const ONE_REQUEST: Duration = Duration::from_millis(200);

/// Says whether the user wants the run to end.
#[derive(Debug, Clone)]
pub struct Interrupt {
    want: Arc<watch::Sender<bool>>,
}

impl Interrupt {
    /// Listens for the signals from now on. Fails where the system has no room for that.
    pub fn listen() -> io::Result<Self> {
        Self::listen_and(|| ())
    }

    /// The same, and calls `at_first` at the first of them.
    pub fn listen_and(at_first: impl Fn() + Send + 'static) -> io::Result<Self> {
        let this = Self::manual();
        let want = Arc::clone(&this.want);
        // A thread of its own hears a second signal whatever the others are doing.
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals::listen()?
        };
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                let mut first: Option<Instant> = None;
                loop {
                    let kind = signals.next().await;
                    match first {
                        None => {
                            first = Some(clock::now());
                            want.send_replace(true);
                            at_first();
                        }
                        Some(first) if clock::now() < first + ONE_REQUEST => {}
                        Some(_) => end_at_once(KILLED + kind.as_raw_value()),
                    }
                }
            })
        })?;
        Ok(this)
    }

    /// Hears no signal: it is up to [`want`](Self::want).
    pub fn manual() -> Self {
        Self { want: Arc::new(watch::Sender::new(false)) }
    }

    /// Wants the run to end, as the user would.
    pub fn want(&self) {
        self.want.send_replace(true);
    }

    /// True once the user wants the run to end.
    pub fn is_wanted(&self) -> bool {
        *self.want.borrow()
    }

    /// Returns when the user wants the run to end.
    pub async fn wanted(&self) {
        // It does not fail: this holds the sender.
        let _ = self.want.subscribe().wait_for(|wanted| *wanted).await;
    }
}

/// The three signals.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where it is ignored, as under `nohup`.
    hangup: Option<Signal>,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let hangup = if hears_hangup() { Some(signal(SignalKind::hangup())?) } else { None };
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    /// Which one came next.
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

/// Ends the program without unwinding it: what it has started ends with it, and a server that it has stopped goes on.
fn end_at_once(code: i32) -> ! {
    faults::continue_all();
    children::kill_all();
    std::process::exit(code)
}
