//! The committed example runs, and ways to spoil them.
#![allow(dead_code, reason = "every test binary uses some of these")]

use std::fs;
use std::path::{Path, PathBuf};

use results::{LoadedRun, Reason, load_all};

/// Folder of the committed comparison.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadgen/results/examples/v1")
}

/// One run per transport.
pub(crate) fn runs() -> Vec<LoadedRun> {
    load_all(&[folder()]).unwrap()
}

/// The run of one transport.
pub(crate) fn run(transport: &str) -> LoadedRun {
    runs().into_iter().find(|run| run.run.asked.transport == transport).unwrap()
}

/// The same run, its verdict spoiled by `check`.
pub(crate) fn invalid(mut run: LoadedRun, check: &str) -> LoadedRun {
    let words = |text: &str| text.to_owned();
    run.run.verdict.reasons.push(Reason {
        check: words(check),
        seen: words("48 ms"),
        bound: words("10 ms"),
        cause: words("The generator was too busy."),
        remedy: words("Use fewer clients."),
    });
    run
}

/// The same run with nothing measured that a run can do without.
pub(crate) fn unmeasured(mut run: LoadedRun) -> LoadedRun {
    let measured = &mut run.run.measured;
    measured.server = None;
    measured.bytes = results::Bytes::default();
    measured.latency = results::Percentiles::default();
    measured.deliveries = results::Deliveries::default();
    run.latency.clear();
    run.series.clear();
    run
}

/// A copy of the whole comparison that a test may break.
pub(crate) fn copy(into: &Path) -> PathBuf {
    let place = into.join("comparison");
    fs::create_dir(&place).unwrap();
    fs::copy(folder().join("comparison.json"), place.join("comparison.json")).unwrap();
    for run in runs() {
        let name = run.folder.file_name().unwrap();
        fs::create_dir(place.join(name)).unwrap();
        for file in ["run.json", "latency.hlog", "series.csv"] {
            fs::copy(run.folder.join(file), place.join(name).join(file)).unwrap();
        }
    }
    place
}

/// Rewrites one run of a copied comparison.
pub(crate) fn edit(comparison: &Path, run: &str, change: impl FnOnce(&mut serde_json::Value)) {
    let path = comparison.join(run).join("run.json");
    let mut value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}
