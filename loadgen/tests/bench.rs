//! What `make bench` does with its figures: ratios by round, the table, and the order of rounds.

mod support;

use std::process::Command;

#[test]
fn the_bench_keeps_its_claims() {
    let bench = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/bench");
    let words = ["-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."];
    let output = match Command::new("python3").args(words).current_dir(bench).output() {
        Ok(output) => output,
        Err(error) => {
            return support::skip::skipped(
                "the_bench_keeps_its_claims",
                &format!("python3 cannot be started: {error}"),
            );
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // Discovery that finds nothing succeeds as well.
    let ran = said.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse().ok()).unwrap_or(0);
    assert!(ran >= 18, "only {ran} claims were found: {said}");
}
