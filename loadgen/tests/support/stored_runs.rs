//! Run folders that are derived from the committed examples, for tests of what reads stored results.

use std::path::{Path, PathBuf};
use std::process::Command;

use results::{LatencyLog, Run, RunFolder, load};

/// The committed run of one transport; with an empty name, the comparison of all four.
pub fn example(transport: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results/examples/v1").join(transport)
}

/// Writes the example of ws, changed.
pub fn write(folder: &Path, change: impl FnOnce(&mut Run)) {
    let mut loaded = load(&example("ws")).unwrap();
    change(&mut loaded.run);
    let log = LatencyLog::default();
    RunFolder::create(folder)
        .unwrap()
        .write(&loaded.run, &log, std::time::SystemTime::UNIX_EPOCH, &loaded.series)
        .unwrap();
}

/// A folder of rounds of ws; the server CPU of each is scaled by its factor.
pub fn rounds(place: &Path, name: &str, cpu: &[f64]) -> PathBuf {
    changed_rounds(place, name, cpu, |_, _| {})
}

/// The same, each of them changed; rounds count from 1.
pub fn changed_rounds(place: &Path, name: &str, cpu: &[f64], change: impl Fn(usize, &mut Run)) -> PathBuf {
    let folder = place.join(name);
    for (place, factor) in cpu.iter().enumerate() {
        write(&folder.join(format!("round-{place}")), |run| {
            let server = run.measured.server.as_mut().unwrap();
            server.cpu_us_per_delivery = server.cpu_us_per_delivery.map(|us| us * factor);
            change(place + 1, run);
        });
    }
    folder
}

/// Exit code of `loadgen diff`, and all that it said, standard output first.
pub fn diff(before: &Path, after: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_loadgen")).arg("diff").args([before, after]).args(more).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), told)
}
