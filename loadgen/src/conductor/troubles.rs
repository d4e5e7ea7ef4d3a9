//! What is done to the server while the conductor leads: in a task beside it, which is waited for, or given up with the run.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinHandle;

use super::{Conductor, GLANCE, Setup};
use crate::clock;
use crate::faults::{Fault, ServerFault, commit};
use crate::interrupt::Interrupt;

/// Longest wait, after the drain phase, for a server to be back: longer than it may take to end and to start.
const BACK_BOUND: Duration = Duration::from_secs(100);

/// The faults of the server, being committed. Dropping it gives them up.
pub(super) struct Troubles(Option<JoinHandle<anyhow::Result<Vec<ServerFault>>>>);

impl Troubles {
    /// Begins with those of `setup`, for a window that begins at `start`. They are given up at the instant of an `interrupt`, whatever
    /// the conductor is doing then: it may be waiting for the very server that is stopped.
    pub(super) fn begin(setup: &Setup, start: Instant, interrupt: &Interrupt) -> Self {
        let faults = &setup.plan.faults;
        let (child, named) = (setup.child, setup.server_pid);
        let interrupt = interrupt.clone();
        let task = || {
            let committed = commit(faults.clone(), setup.own_server.clone(), child, named, start);
            tokio::spawn(async move {
                tokio::select! {
                    committed = committed => committed,
                    () = interrupt.wanted() => Ok(Vec::new()),
                }
            })
        };
        Self(faults.iter().any(Fault::is_of_server).then(task))
    }

    /// True when nothing is done to the server any more.
    pub(super) fn are_over(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Troubles {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Conductor<'_> {
    /// Waits until the server is back, and says what was done to it; what the user does not wait for was not done.
    pub(super) async fn end(&mut self, mut troubles: Troubles) -> anyhow::Result<Vec<ServerFault>> {
        let Some(task) = &mut troubles.0 else { return Ok(Vec::new()) };
        let bound = clock::now() + BACK_BOUND;
        while !task.is_finished() && !self.interrupt.is_wanted() && clock::now() < bound {
            self.wait_until(clock::now() + GLANCE, None).await?;
        }
        if !task.is_finished() {
            return Ok(Vec::new());
        }
        task.await.context("what is done to the server has ended early; this is a bug")?
    }
}
