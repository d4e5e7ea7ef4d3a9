//! The machine that the numbers were taken on.

use serde::{Deserialize, Serialize};

/// Where a run took place, as far as it can be read without asking anybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system and kernel release, for example `Linux 6.1.0`.
    pub os: String,
    /// Processor model as the kernel names it.
    pub cpu: String,
    /// Logical cores that this process may use.
    pub cores: u32,
    /// Physical memory, bytes.
    pub memory_bytes: u64,
    /// File descriptors that one process may hold.
    pub file_descriptors: u64,
    /// Version of the tool that made the run, for example `loadgen 0.1.0`.
    pub tool: String,
    /// `release` or `debug`: how the tool was built. Figures of a debug build are not to be believed.
    pub build: String,
    /// Memory allocator of the generator, on which its RSS depends.
    pub allocator: String,
}
