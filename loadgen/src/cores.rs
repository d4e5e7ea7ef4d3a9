//! Which cores the generator keeps for itself, and which it gives to a server that it starts.

use anyhow::Context;

use crate::config::Pin;
use crate::process;

/// A division of the cores that this process may use. Empty lists mean that nobody is pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cores {
    /// For a server that is started for a run.
    pub server: Vec<usize>,
    /// For the generator.
    pub generator: Vec<usize>,
    /// All that the process may use.
    pub allowed: Vec<usize>,
}

impl Cores {
    /// Divides the cores in halves when there are two or more and a server is to be started.
    pub fn divide(pin: Pin, starts_server: bool) -> anyhow::Result<Self> {
        let allowed = process::allowed_cores().context("cannot read which cores this process may use")?;
        if pin == Pin::Off || !starts_server || allowed.len() < 2 {
            return Ok(Self { allowed, ..Self::default() });
        }
        let (server, generator) = allowed.split_at(allowed.len() / 2);
        Ok(Self { server: server.to_vec(), generator: generator.to_vec(), allowed })
    }

    /// The cores that this generator may use, by their numbers.
    pub fn of_shard(&self) -> Vec<usize> {
        if self.generator.is_empty() { self.allowed.clone() } else { self.generator.clone() }
    }

    /// How many cores the generator may use.
    pub fn of_generator(&self) -> usize {
        if self.generator.is_empty() { self.allowed.len() } else { self.generator.len() }
    }

    /// Binds this thread to the server's cores, so that a process started now inherits them.
    pub fn lend_to_server(&self) -> anyhow::Result<()> {
        pin(&self.server)
    }

    /// Binds this thread, and the threads it starts from now on, to the generator's cores.
    pub fn take_own(&self) -> anyhow::Result<()> {
        pin(&self.generator)
    }
}

fn pin(cores: &[usize]) -> anyhow::Result<()> {
    if cores.is_empty() {
        return Ok(());
    }
    process::pin_to(cores).with_context(|| format!("cannot bind to the cores {cores:?}; --pin off does without"))
}
