//! SIGTERM, SIGHUP and `timeout` end a command as ctrl-c does; a second signal of any kind ends it at once; no child is left behind.

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, SystemTime};

use results::{Ending, Search, load};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use support::{WIDE_BOUNDS, await_measured, loadgen, sibling};

/// Longest wait for something that is certain to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The words of a run of five clients, without its `--out`.
fn run_words(duration: &str) -> Vec<String> {
    let words =
        ["run", "--transport", "ws", "--clients", "5", "--rate", "20", "--warmup", "200ms", "--settle", "100ms"];
    words.into_iter().chain(["--duration", duration]).chain(WIDE_BOUNDS).map(str::to_owned).collect()
}

fn started(command: &mut Command) -> (Child, impl Iterator<Item = String> + use<>) {
    sibling("feed-server");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let lines = lines(child.stderr.take().unwrap());
    (child, lines)
}

fn lines(stderr: ChildStderr) -> impl Iterator<Item = String> {
    BufReader::new(stderr).lines().map_while(Result::ok)
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed()).unwrap()
}

/// Asserts that a run that was cut short left its table, its files, its exit code and nobody else.
fn assert_kept(child: Child, out: &Path) {
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    // Invalid where the machine is busy, which is not what this is about.
    assert!(matches!(output.status.code(), Some(1 | 3)), "{}: {stdout}", output.status);
    assert!(stdout.trim_start().starts_with("INTERRUPTED"), "{stdout}");
    let run = load(out).unwrap().run;
    assert_eq!(run.ending, Ending::Interrupted);
    assert!(
        run.measured.deliveries.delivered > 0 && run.measured.deliveries.lost == 0,
        "{:?}",
        run.measured.deliveries
    );
}

fn assert_gone(pid: Pid) {
    let bound = SystemTime::now() + PATIENCE;
    while test_kill_process(pid).is_ok() {
        assert!(SystemTime::now() < bound, "the child {pid:?} was left behind");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn sigterm_and_sighup_keep_what_was_measured_as_ctrl_c_does() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let (child, mut lines) = started(loadgen().args(run_words("10min")).arg("--out").arg(&out));
        await_measured(&mut lines);
        kill_process(pid(&child), signal).unwrap();
        lines.for_each(drop);
        assert_kept(child, &out);
    }
}

/// GNU `timeout` sends its signal twice: to its child, and to the process group.
#[test]
fn timeout_keeps_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut command = Command::new("timeout");
    command.args(["--preserve-status", "6", loadgen().get_program().to_str().unwrap()]).args(run_words("10min"));
    let (child, lines) = started(command.arg("--out").arg(&out));
    lines.for_each(drop);
    assert_kept(child, &out);
}

#[test]
fn signals_that_come_together_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let (child, mut lines) = started(loadgen().args(run_words("10min")).arg("--out").arg(&out));
    await_measured(&mut lines);
    kill_process(pid(&child), Signal::TERM).unwrap();
    // Long enough for the first to be heard alone, and far less than would make two of them.
    std::thread::sleep(Duration::from_millis(20));
    kill_process(pid(&child), Signal::TERM).unwrap();
    lines.for_each(drop);
    assert_kept(child, &out);
}

#[test]
fn under_nohup_a_terminal_that_closes_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", loadgen().get_program().to_str().unwrap()]);
    let (child, mut lines) = started(command.args(run_words("2s")).arg("--out").arg(&out));
    lines.find(|line| line.contains("measure")).expect("it measures");
    kill_process(pid(&child), Signal::HUP).unwrap();
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", output.status);
    assert_eq!(load(&out).unwrap().run.ending, Ending::Complete);
}

#[test]
fn sigterm_to_the_leader_or_to_one_worker_ends_the_whole_run_and_keeps_it() {
    for is_to_worker in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let words = run_words("1min");
        let (child, mut lines) = started(loadgen().args(words).args(["--workers", "2"]).arg("--out").arg(&out));
        await_measured(&mut lines);
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
        let children = children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap());
        let children: Vec<Pid> = children.collect();
        let is_worker = |pid: &Pid| {
            let words = std::fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
            words.contains("--shard")
        };
        let worker = *children.iter().rfind(|pid| is_worker(pid)).unwrap();
        kill_process(if is_to_worker { worker } else { pid(&child) }, Signal::TERM).unwrap();
        lines.for_each(drop);
        assert_kept(child, &out);
        children.into_iter().for_each(assert_gone);
    }
}

#[test]
fn a_search_that_is_asked_to_end_keeps_its_steps() {
    // On a busy machine a step may be invalid, and end the search.
    assert!((0..5).any(|_| keeps_its_steps()), "no search came to its second step");
}

/// False when the search ended before its second step.
fn keeps_its_steps() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("search");
    let mut command = loadgen();
    command.args(["find-max", "--transport", "ws", "--vary", "clients", "--clients", "2", "--slo", "lost==0"]);
    command.args(["--rate", "20", "--warmup", "100ms", "--settle", "100ms", "--duration", "1s"]).args(WIDE_BOUNDS);
    let (child, mut lines) = started(command.arg("--out").arg(&out));
    let has_come = lines.any(|line| line.starts_with("ws 4 clients: measure"));
    // One that has ended is not reaped yet.
    kill_process(pid(&child), Signal::TERM).unwrap();
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    if !has_come {
        return false;
    }
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("Interrupted. ws holds lost==0 up to 2 clients"), "{stdout}");
    let search: Search = serde_json::from_slice(&std::fs::read(out.join("search.json")).unwrap()).unwrap();
    assert_eq!(search.steps.len(), 1);
    true
}

/// A server that never says where it listens, ends for no signal and at no end of its input, and its process id.
const STUBBORN: &str = "trap '' INT TERM HUP; echo stubborn $$ >&2; while :; do sleep 1; done";

/// A target file that starts it.
fn stubborn(folder: &Path) -> String {
    let file = folder.join("stubborn.toml");
    let publish = "[publish]\npath = \"/\"\nbody = \"{payload}\"\n[transports.sse]\npath = \"/\"\n";
    let text = format!("name = \"stubborn\"\n[server]\nstart = [\"sh\", \"-c\", \"{STUBBORN}\"]\n{publish}");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The number behind `word ` in the first line that has it.
fn number_behind(word: &str, lines: &mut impl Iterator<Item = String>) -> Pid {
    let number = |line: String| line.split_once(word)?.1.trim().parse().ok();
    Pid::from_raw(lines.find_map(number).expect("it says its number")).unwrap()
}

/// Sends `signal` until the process has ended; signals that come close together count as one. Its exit code.
fn end_with(child: &mut Child, signal: Signal) -> Option<i32> {
    let bound = SystemTime::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(SystemTime::now() < bound, "it does not end");
        kill_process(pid(child), signal).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_second_signal_of_any_kind_ends_at_once_and_leaves_no_server_behind() {
    for (first, second, code) in
        [(Signal::TERM, Signal::HUP, 129), (Signal::HUP, Signal::TERM, 143), (Signal::INT, Signal::INT, 130)]
    {
        let folder = tempfile::tempdir().unwrap();
        let target = stubborn(folder.path());
        let mut command = loadgen();
        command.args(["run", "--transport", "sse", "--target", &target]).arg("--out").arg(folder.path().join("run"));
        let (mut child, mut lines) = started(&mut command);
        let server = number_behind("stubborn: stubborn ", &mut lines);
        kill_process(pid(&child), first).unwrap();
        assert_eq!(end_with(&mut child, second), Some(code));
        assert_gone(server);
    }
}

#[test]
fn a_check_that_is_asked_to_end_takes_the_server_that_it_has_started_along() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let target = stubborn(folder.path());
        let (mut child, mut lines) = started(loadgen().args(["check", "--target", &target]));
        let server = number_behind("stubborn: stubborn ", &mut lines);
        kill_process(pid(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert_gone(server);
    }
}

#[test]
fn a_stub_serves_until_it_is_asked_to_end() {
    let mut child = loadgen().arg("stub").stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    kill_process(pid(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
