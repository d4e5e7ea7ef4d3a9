//! Describes the machine that a run takes place on.

use results::Machine;

use crate::process;

/// What this machine is, as far as it says so itself.
pub fn describe(descriptors: u64) -> Machine {
    let uname = rustix::system::uname();
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu_info = text("/proc/cpuinfo");
    let cpu = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = text("/proc/meminfo");
    let memory_kib =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Machine {
        os: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
        cpu: cpu.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.to_owned()),
        cores: process::allowed_cores().map_or(0, |cores| cores.len() as u32),
        memory_bytes: memory_kib.unwrap_or(0) * 1024,
        file_descriptors: descriptors,
        tool: concat!("loadgen ", env!("CARGO_PKG_VERSION")).into(),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
        allocator: ALLOCATOR.into(),
    }
}

/// The default of the platform: nothing else is linked in.
const ALLOCATOR: &str = if cfg!(target_env = "gnu") { "glibc malloc" } else { "system" };
