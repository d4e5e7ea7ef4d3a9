//! What a run leaves on disk, however it ends: whole lines, a whole `run.json` or none, and the table in any case.

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use results::{FolderError, LATENCY_FILE, RUN_FILE, SERIES_FILE, load, read_latency_log};
use rustix::process::Signal;
use support::skip::skipped;
use support::{WIDE_BOUNDS, finish, loadgen, sibling};

/// What is said of a run whose files could not be written, without the reason.
const NOT_SAVED: &str = "error: the results of this run are not saved, beyond what was printed: ";

/// The words of a short run into `out`, behind those of `command`.
fn short_run(command: Command, out: &Path) -> Command {
    run(command, "1s", out)
}

fn run(mut command: Command, duration: &str, out: &Path) -> Command {
    sibling("feed-server");
    command.args([
        "run",
        "--transport",
        "ws",
        "--clients",
        "5",
        "--rate",
        "20",
        "--warmup",
        "200ms",
        "--settle",
        "100ms",
    ]);
    command.args(["--duration", duration]).args(WIDE_BOUNDS).arg("--out").arg(out);
    command
}

/// loadgen, none of whose files may have more than `blocks` of 512 or 1,024 bytes, as this system's shell counts; a write beyond that kills it
/// (SIGXFSZ), or fails where it `survives`.
fn limited(blocks: u32, survives: bool) -> Command {
    let mut command = Command::new("sh");
    let trap = if survives { "trap '' XFSZ; " } else { "" };
    command.args(["-c", &format!("{trap}ulimit -f {blocks}; exec \"$0\" \"$@\"")]).arg(loadgen().get_program());
    command
}

/// Blocks that hold the growing files of such a run, and not its `run.json`.
const LESS_THAN_A_RUN: u32 = 6;

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Asserts that what is in `folder` is whole as far as it goes; whether it has a `run.json`.
fn assert_whole(folder: &Path) -> bool {
    for name in [LATENCY_FILE, SERIES_FILE] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(text.is_empty() || text.ends_with('\n'), "{name} is torn: {text}");
    }
    let log = folder.join(LATENCY_FILE);
    if log.is_file() {
        read_latency_log(&log).unwrap();
    }
    let series = std::fs::read_to_string(folder.join(SERIES_FILE)).unwrap_or_default();
    let columns: Vec<usize> = series.lines().map(|row| row.split(',').count()).collect();
    assert!(columns.windows(2).all(|rows| rows[0] == rows[1]), "{series}");
    match load(folder) {
        Ok(_) => true,
        Err(FolderError::NotARun(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_run_that_is_killed_at_any_instant_leaves_whole_lines_and_a_whole_run_json_or_none() {
    let place = tempfile::tempdir().unwrap();
    let mut whole = Vec::new();
    for instant in 0..12 {
        let out = place.path().join(format!("run-{instant}"));
        let mut child =
            short_run(loadgen(), &out).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        lines.find(|line| line.contains("connect")).expect("it connects");
        // Not waiting for something to happen: these are the instants.
        std::thread::sleep(Duration::from_millis(instant * 160 + u64::from(rand::random::<u8>() % 160)));
        child.kill().unwrap();
        child.wait().unwrap();
        whole.push(assert_whole(&out));
    }
    assert!(whole.contains(&false), "it was killed before its end: {whole:?}");
}

#[test]
fn a_run_that_is_killed_leaves_the_seconds_that_it_has_had() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("run");
    let mut child = run(loadgen(), "10min", &out).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    // Told with the figures of a row that has been written.
    lines.find(|line| line.contains("measure") && line.contains("p50")).expect("it measures");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!assert_whole(&out));
    let series = std::fs::read_to_string(out.join(SERIES_FILE)).unwrap();
    assert!(series.starts_with("at_s,phase,open,") && series.lines().count() > 1, "{series}");
    assert!(!read_latency_log(&out.join(LATENCY_FILE)).unwrap().is_empty());
}

#[test]
fn a_run_that_is_killed_while_it_writes_run_json_leaves_none() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("run");
    let output = short_run(limited(LESS_THAN_A_RUN, false), &out).output().unwrap();
    assert_eq!(output.status.signal(), Some(Signal::XFSZ.as_raw()), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!assert_whole(&out), "{:?}", names(&out));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("live 5 of 5 at the start"), "the table comes before: {stdout}");
}

#[test]
fn where_a_file_has_no_room_there_is_the_table_one_error_and_no_torn_file() {
    for (blocks, file) in [(LESS_THAN_A_RUN, RUN_FILE), (1, LATENCY_FILE)] {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("run");
        let (code, stdout, stderr) = finish(&mut short_run(limited(blocks, true), &out));
        assert_eq!(code, 1, "{stderr}");
        assert!(stdout.contains("live 5 of 5 at the start"), "{stdout}{stderr}");
        let reason = format!("{NOT_SAVED}cannot write {}: File too large (os error 27)", out.join(file).display());
        let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error")).collect();
        assert_eq!(errors, [reason.as_str()]);
        assert!(!assert_whole(&out));
        assert_eq!(names(&out), [LATENCY_FILE, SERIES_FILE], "nothing half-written stays");
    }
}

#[test]
fn of_a_comparison_that_has_no_room_the_rounds_so_far_are_printed() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("compare");
    sibling("feed-server");
    let mut command = limited(LESS_THAN_A_RUN, true);
    command.args(["compare", "--transports", "ws,sse", "--rounds", "1", "--clients", "5", "--rate", "20"]);
    command.args(["--warmup", "200ms", "--settle", "100ms", "--duration", "1s"]).args(WIDE_BOUNDS);
    let (code, stdout, stderr) = finish(command.arg("--out").arg(&out));
    assert_eq!(code, 1, "{stderr}");
    assert!(stdout.starts_with("round 1 ws ") && stdout.contains("\nsse         0/0"), "{stdout}");
    assert!(stderr.lines().last().unwrap().starts_with(NOT_SAVED), "{stderr}");
}

/// loadgen with `folder` on a file system of its own that `mount` makes; what is in it in the end is copied to `kept`. `None` where that cannot be had.
fn with_mount(mount: &str, folder: &Path, kept: &Path) -> Option<Command> {
    let script = format!("{mount} && {{ \"$@\"; code=$?; cp -r \"$0\"/. {}; exit $code; }}", kept.display());
    let in_namespace = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &script]).arg(folder).args(words);
        command
    };
    let can_be_had = in_namespace(&["true"]).output().is_ok_and(|output| output.status.success());
    can_be_had.then(|| in_namespace(&[loadgen().get_program().to_str().unwrap()]))
}

fn folders(place: &Path) -> [PathBuf; 2] {
    ["disk", "kept"].map(|name| {
        let folder = place.join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    })
}

#[test]
fn on_a_full_disk_there_is_the_table_one_error_and_no_torn_file() {
    let place = tempfile::tempdir().unwrap();
    let [disk, kept] = folders(place.path());
    // Three pages: one for each of the growing files, and one that is less than `run.json` takes.
    let Some(command) = with_mount("mount -t tmpfs -o size=12k none \"$0\"", &disk, &kept) else {
        return skipped(
            "on_a_full_disk_there_is_the_table_one_error_and_no_torn_file",
            "no mount namespace, so no small disk",
        );
    };
    let out = disk.join("run");
    let (code, stdout, stderr) = finish(&mut short_run(command, &out));
    assert_eq!(code, 1, "{stderr}");
    assert!(stdout.contains("live 5 of 5 at the start"), "{stdout}{stderr}");
    let run = out.join(RUN_FILE);
    let reason = format!("{NOT_SAVED}cannot write {}: No space left on device (os error 28)", run.display());
    assert_eq!(stderr.lines().last(), Some(reason.as_str()));
    assert!(!assert_whole(&kept.join("run")));
    assert_eq!(names(&kept.join("run")), [LATENCY_FILE, SERIES_FILE]);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told_before_anything_is_measured() {
    let place = tempfile::tempdir().unwrap();
    let [disk, kept] = folders(place.path());
    let mount = "mount -t tmpfs none \"$0\" && mount -o remount,ro \"$0\"";
    let Some(command) = with_mount(mount, &disk, &kept) else {
        return skipped(
            "a_folder_that_cannot_be_written_to_is_told_before_anything_is_measured",
            "no mount namespace, so no folder that nobody may write to",
        );
    };
    let out = disk.join("run");
    let (code, stdout, stderr) = finish(&mut short_run(command, &out));
    let error = format!("error: cannot create {}: Read-only file system (os error 30)\n", out.display());
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (1, "", error.as_str()));
}

#[test]
fn a_folder_that_vanishes_while_the_run_runs_costs_no_table() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("run");
    let mut child = short_run(loadgen(), &out).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains("measure")).expect("it measures");
    std::fs::remove_dir_all(&out).unwrap();
    let errors: Vec<String> = lines.filter(|line| line.starts_with("error")).collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("live 5 of 5 at the start"), "{stdout}");
    let gone = format!("{} is gone: it was removed, renamed or replaced while the run wrote to it", out.display());
    assert_eq!(errors, [format!("{NOT_SAVED}{gone}")]);
    assert!(!out.exists());
}
