//! Ctrl-c: the first ends the run and keeps what was measured, the second ends the program, as SIGTERM does.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::faults;

/// Exit code of a program that was stopped by ctrl-c twice (128 + SIGINT).
const KILLED: i32 = 130;
/// Exit code of a program that was asked to end (128 + SIGTERM).
const TERMINATED: i32 = 143;

/// Says whether the user wants the run to end.
#[derive(Debug, Clone)]
pub struct Interrupt {
    wanted: watch::Receiver<bool>,
}

impl Interrupt {
    /// Listens for ctrl-c and SIGTERM from now on.
    pub fn listen() -> Self {
        let (want, wanted) = watch::channel(false);
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if want.send_replace(true) {
                    end_at_once(KILLED);
                }
            }
        });
        tokio::spawn(async move {
            if let Ok(mut terminate) = signal(SignalKind::terminate())
                && terminate.recv().await.is_some()
            {
                end_at_once(TERMINATED);
            }
        });
        Self { wanted }
    }

    /// Is told by somebody else what the user wants.
    pub fn told(wanted: watch::Receiver<bool>) -> Self {
        Self { wanted }
    }

    /// True once the user wants the run to end.
    pub fn is_wanted(&self) -> bool {
        *self.wanted.borrow()
    }

    /// Returns when the user wants the run to end.
    pub async fn wanted(&self) {
        let mut wanted = self.wanted.clone();
        if wanted.wait_for(|wanted| *wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Ends the program without unwinding it; a server that it has stopped must not stay so.
fn end_at_once(code: i32) -> ! {
    faults::continue_all();
    std::process::exit(code)
}
