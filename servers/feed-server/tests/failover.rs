//! `scripts/failovers.sh`: two feed-servers are published on while their Redis fails over, behind a name that moves and behind Sentinels.

#[path = "lab/skip.rs"]
#[allow(dead_code, reason = "these tests use their own part of it")]
mod skip;

use std::path::Path;
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Runs the script with our own program; `None`, having said why, where what it needs cannot be had.
fn failovers(test: &str, words: &[&str]) -> Option<String> {
    for program in [&["redis-server"][..], &["python3"]] {
        let need = Command::new(root().join("scripts/need.sh")).args(program).output().unwrap();
        if !need.status.success() {
            skip::skipped(test, &String::from_utf8_lossy(&need.stderr));
            return None;
        }
    }
    let out = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_feed-server")).parent().unwrap();
    let mut command = Command::new(root().join("scripts/failovers.sh"));
    command.args(words).arg("--out").arg(out.path()).env("WIRELAB_PROGRAMS", programs);
    let output = command.output().unwrap();
    let said = said(&output);
    assert!(output.status.success(), "{words:?}: {said}");
    if let Some(reason) = said.lines().find_map(|line| line.strip_prefix("SKIPPED ")) {
        skip::skipped(test, reason);
        return None;
    }
    Some(said)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// What is the same however long it takes.
fn is_as_designed(said: &str, failovers: usize) {
    assert!(said.contains("\ntest failovers_behind_") && said.ends_with(" ... ok\n"), "{said}");
    let refused = said.matches("the broker is out of reach").count() + said.matches("the broker is a replica").count();
    assert!(refused >= failovers, "publishers were told: {said}");
    assert_eq!(said.matches("failover 1: the primary is ").count(), 1, "{said}");
}

#[test]
fn behind_a_name_that_moves_publishing_goes_on_and_what_is_lost_is_told() {
    let test = "behind_a_name_that_moves_publishing_goes_on_and_what_is_lost_is_told";
    // One that is swapped, one that is killed, one that is killed after it was cut off from its replica.
    let words = ["--kinds", "moved-name", "--failovers", "3"];
    let Some(said) = failovers(test, &words) else { return };
    is_as_designed(&said, 3);
}

#[test]
fn behind_sentinels_publishing_goes_on_and_what_is_lost_is_told() {
    let test = "behind_sentinels_publishing_goes_on_and_what_is_lost_is_told";
    // One that is killed, one that hangs and comes back as a primary that it no longer is.
    let words = ["--kinds", "sentinel", "--failovers", "2"];
    let Some(said) = failovers(test, &words) else { return };
    is_as_designed(&said, 2);
}

#[test]
fn words_that_it_does_not_know_are_refused() {
    for words in [&["--failovers", "0"][..], &["--rate", "x"], &["--kinds", "kafka"], &["--sticky", "1"], &["--rate"]] {
        let programs = Path::new(env!("CARGO_BIN_EXE_feed-server")).parent().unwrap();
        let mut command = Command::new(root().join("scripts/failovers.sh"));
        let output = command.args(words).env("WIRELAB_PROGRAMS", programs).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", said(&output));
    }
}
