//! `loadgen diff` on stored results: its words and its exit codes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use results::{LatencyLog, Run, RunFolder, load};

/// The committed run of one transport.
fn example(transport: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results/examples/v1").join(transport)
}

/// A folder of rounds of ws; `cpu` of each is scaled by its factor.
fn rounds(place: &Path, name: &str, cpu: &[f64]) -> PathBuf {
    let folder = place.join(name);
    for (round, factor) in cpu.iter().enumerate() {
        write(&folder.join(format!("round-{round}")), |run| {
            let server = run.measured.server.as_mut().unwrap();
            server.cpu_us_per_delivery = server.cpu_us_per_delivery.map(|us| us * factor);
        });
    }
    folder
}

fn write(folder: &Path, change: impl FnOnce(&mut Run)) {
    let mut loaded = load(&example("ws")).unwrap();
    change(&mut loaded.run);
    let log = LatencyLog::default();
    RunFolder::create(folder)
        .unwrap()
        .write(&loaded.run, &log, std::time::SystemTime::UNIX_EPOCH, &loaded.series)
        .unwrap();
}

fn diff(before: &Path, after: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_loadgen")).arg("diff").args([before, after]).args(more).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), told)
}

#[test]
fn rounds_that_cost_more_are_a_regression_beyond_the_tolerance_only() {
    let place = tempfile::tempdir().unwrap();
    let before = rounds(place.path(), "before", &[1.0, 1.01, 0.99]);
    let after = rounds(place.path(), "after", &[1.3, 1.31, 1.29]);
    let (code, told) = diff(&before, &after, &[]);
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("REGRESSION beyond 10 %: server CPU +"), "{told}");
    assert!(told.contains("ws B costs 1.30x [1."), "{told}");
    assert_eq!(diff(&before, &after, &["--tolerance", "50%"]).0, Some(0));
    assert_eq!(diff(&after, &before, &[]).0, Some(0), "cheaper is no regression");
}

#[test]
fn rounds_that_scatter_are_no_regression() {
    let place = tempfile::tempdir().unwrap();
    let before = rounds(place.path(), "before", &[1.0, 1.4, 0.8]);
    let after = rounds(place.path(), "after", &[1.3, 0.9, 1.6]);
    let (code, told) = diff(&before, &after, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("No regression beyond 10 %."), "{told}");
}

#[test]
fn single_runs_are_held_against_the_tolerance_and_that_is_said() {
    let place = tempfile::tempdir().unwrap();
    let after = rounds(place.path(), "after", &[1.3]);
    let (code, told) = diff(&example("ws"), &after.join("round-0"), &[]);
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("intervals are unknown") && told.contains("chance cannot be ruled out"), "{told}");
}

#[test]
fn comparisons_are_matched_by_name() {
    let (code, told) = diff(&example(""), &example(""), &[]);
    assert_eq!(code, Some(0), "{told}");
    for transport in ["short-poll", "long-poll", "sse", "ws"] {
        assert!(told.contains(&format!("{transport} A")) && told.contains(&format!("{transport} B")), "{told}");
    }
}

#[test]
fn another_workload_is_said_first() {
    let (_, told) = diff(&example("ws"), &example("sse"), &[]);
    assert!(told.contains("NOT THE SAME WORKLOAD: transport ws against sse\n"), "{told}");
}

#[test]
fn a_side_without_a_valid_round_is_not_compared() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("invalid");
    write(&folder, |run| {
        let word = |text: &str| text.to_owned();
        run.verdict.reasons.push(results::Reason {
            check: word("loop-lag"),
            seen: word("48 ms"),
            bound: word("20 ms"),
            cause: word("Busy."),
            remedy: word("Free the machine."),
        });
    });
    let (code, told) = diff(&example("ws"), &folder, &[]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("LEFT OUT: ws B, round 1: loop-lag: 48 ms (bound: 20 ms)"), "{told}");
    assert!(told.contains("NOT COMPARED: no round of ws B is valid."), "{told}");
}

#[test]
fn what_cannot_be_read_or_understood_is_said() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("empty")).unwrap();
    let (code, told) = diff(&example("ws"), &place.path().join("empty"), &[]);
    assert!(code == Some(1) && told.contains("is not a run folder"), "{told}");
    let (code, told) = diff(&example("ws"), &example("ws"), &["--tolerance", "much"]);
    assert!(code == Some(2) && told.contains("expected per cent"), "{told}");
}
