//! Ctrl-c: the first ends the run and keeps what was measured, the second ends the program.

use tokio::sync::watch;

/// Exit code of a program that was stopped by ctrl-c twice (128 + SIGINT).
const KILLED: i32 = 130;

/// Says whether the user wants the run to end.
#[derive(Debug, Clone)]
pub struct Interrupt {
    wanted: watch::Receiver<bool>,
}

impl Interrupt {
    /// Listens for ctrl-c from now on.
    pub fn listen() -> Self {
        let (want, wanted) = watch::channel(false);
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if want.send_replace(true) {
                    std::process::exit(KILLED);
                }
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
