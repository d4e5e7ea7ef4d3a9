//! What is counted is what a capture of the loopback interface shows; where no capture is permitted, that is said by name.

mod support;

use std::path::Path;
use std::process::Command;

use support::{finish, sibling};

#[test]
fn counted_bytes_agree_with_a_capture_of_every_transport() {
    sibling("feed-server");
    let programs = Path::new(env!("CARGO_BIN_EXE_loadgen")).parent().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/wirecheck.sh");
    let (code, stdout, stderr) = finish(Command::new(script).arg(programs));
    let skipped = stdout.lines().find_map(|line| line.strip_prefix("SKIPPED wirecheck: "));
    if let Some(reason) = skipped {
        support::skip::skipped("counted_bytes_agree_with_a_capture_of_every_transport", reason);
    }
    assert_eq!(code, 0, "{stdout}{stderr}");
    let rows = stdout.lines().filter(|line| line.contains(" agrees")).count();
    assert!(skipped.is_some() || rows == 24, "two layers and directions of six runs: {stdout}{stderr}");
}
