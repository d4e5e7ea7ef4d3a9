//! What a report leaves on disk and says when it cannot be written, or read.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadgen/results/examples/v1")
}

fn report(out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_report"));
    command.arg(example()).arg("--out").arg(out);
    command
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[test]
fn a_report_that_cannot_be_written_leaves_the_files_of_the_one_before() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("report");
    assert!(report(&out).output().unwrap().status.success());
    let before = files(&out);
    // No file may have more than 2 blocks of 512 or 1,024 bytes: no image does with that.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_report")]);
    let Output { status, stderr, .. } = limited.arg(example()).arg("--out").arg(&out).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: cannot write ") && stderr.contains("File too large"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let after = files(&out);
    assert!(after == before, "{:?}", after.keys());
}

#[test]
fn a_report_whose_path_nobody_reads_is_written_and_one_that_cannot_be_told_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let Output { status, stderr, .. } = report(&place.path().join("closed")).stdout(closed).output().unwrap();
    assert_eq!((status.code(), stderr.as_slice()), (Some(0), &b""[..]));
    let full: fn() -> Stdio = || OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    let mut help = Command::new(env!("CARGO_BIN_EXE_report"));
    for command in [&mut report(&place.path().join("full")), help.arg("--help")] {
        let Output { status, stderr, .. } = command.stdout(full()).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{stderr}");
        assert!(stderr.starts_with("error: cannot write to standard output: No space left on device"), "{stderr}");
    }
}
