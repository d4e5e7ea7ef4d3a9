//! A server that a target file starts: fresh for each run, its processes' cost summed up, nothing of it left behind.

#![cfg(target_os = "linux")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use loadgen::process_tree;
use loadgen::server_process::ServerProcess;
use loadgen::target::TargetFile;
use results::{CostSource, load, load_all};
use support::{WIDE_BOUNDS, assert_valid, finish, finish_undisturbed, loadgen, sibling};

/// A target whose server is a shell that starts our own, and is told its cost by nobody.
fn wrapped_feed(folder: &Path) -> PathBuf {
    let server = sibling("feed-server").get_program().to_string_lossy().into_owned();
    // Standard input goes to the server, which ends with it; the shell waits for that.
    let script = format!("#!/bin/sh\nexec 3<&0\n{server} --listen 127.0.0.1:0 --exit-on-stdin-close <&3 &\nwait\n");
    a_target(folder, &script)
}

/// A target file beside the program that it starts.
fn a_target(folder: &Path, script: &str) -> PathBuf {
    let program = folder.join("run");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let feed = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/feed.toml")).unwrap();
    let server = "[server]\nstart = [\"./run\"]\nsetup = \"make the-shell\"\n\n[publish]";
    let text = feed.replacen("name = \"feed\"", "name = \"wrapped\"", 1).replacen("[publish]", server, 1);
    let path = folder.join("wrapped.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// So low a rate that a busy machine does not send a notification after the next is due; 12 of them are in the window.
const SHORT: [&str; 12] = [
    "--clients",
    "200",
    "--rate",
    "4",
    "--duration",
    "3s",
    "--warmup",
    "500ms",
    "--settle",
    "300ms",
    "--poll-interval",
    "300ms",
];

#[test]
fn the_cost_of_a_server_that_forks_is_that_of_all_its_processes() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = loadgen();
    command.args(["run", "--transport", "ws", "--target"]).arg(wrapped_feed(folder.path()));
    let (code, stdout, stderr) = finish(command.args(SHORT).args(WIDE_BOUNDS).arg("--out").arg(&out));
    assert_valid(code, &out, &format!("{stdout}{stderr}"));
    let run = load(&out).unwrap().run;
    let server = run.measured.server.expect("its process is our child");
    assert_eq!((server.source, server.delivered, server.open_at_end), (CostSource::ProcessTree, None, None));
    assert!(server.cpu_s > 0.0, "the shell itself does nothing: {server:?}");
    // A shell alone has some 2 MiB.
    assert!(server.rss_end_bytes > 6 << 20, "{server:?}");
    assert!(run.measured.reconciliation.is_empty());
    assert!(stdout.contains("by /proc, of its process and its descendants"), "{stdout}");
    let books = run.measured.deliveries;
    assert_eq!((books.delivered, books.lost, books.duplicated), (200 * 12, 0, 0));
}

#[test]
fn a_comparison_with_a_foreign_server_names_and_draws_both() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let foreign = format!("sse@{}", wrapped_feed(folder.path()).display());
    let mut command = loadgen();
    command.args(["compare", "--rounds", "2", "--transports", &format!("sse,{foreign}")]);
    let (code, stdout, stderr) = finish_undisturbed(command.args(SHORT).args(WIDE_BOUNDS).arg("--out").arg(&out), &out);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("sse@wrapped - ") || stdout.contains(" - sse@wrapped"), "{stdout}");
    let runs = load_all(std::slice::from_ref(&out)).unwrap();
    let names: Vec<String> = runs.iter().map(results::LoadedRun::contender).collect();
    assert_eq!(names, ["sse", "sse@wrapped", "sse@wrapped", "sse"]);
    let differing = runs[0].run.asked.differs_from(&runs[1].run.asked);
    assert_eq!(differing, ["target feed against wrapped"]);

    let report = folder.path().join("report");
    let (code, stdout, stderr) = finish(sibling("report").arg(&out).arg("--out").arg(&report));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let page = std::fs::read_to_string(report.join("index.html")).unwrap();
    let summary = std::fs::read_to_string(report.join("summary.csv")).unwrap();
    assert!(page.contains("sse@wrapped"), "the page names it");
    let labels: Vec<&str> = summary.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(labels, ["sse", "sse@wrapped"], "{summary}");
}

#[tokio::test]
async fn a_server_that_will_not_end_is_ended_with_all_that_it_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let script = "#!/bin/sh\ntrap '' TERM HUP\nsleep 600 &\necho \"sleeper $!\" >&2\necho $! > sleeper\n\
                  echo ready: listening on http://127.0.0.1:1 as promised\nwhile true; do wait; sleep 1; done\n";
    let target = TargetFile::named(a_target(folder.path(), script).to_str().unwrap()).unwrap();
    let server = ServerProcess::start_target(&target.name, target.server.as_ref().unwrap(), None).await.unwrap();
    assert_eq!(server.url, "http://127.0.0.1:1");
    let sleeper: u32 = std::fs::read_to_string(folder.path().join("sleeper")).unwrap().trim().parse().unwrap();
    let shell = server.pid;
    assert!(process_tree::spent_by(shell).unwrap().processes >= 2, "the shell and what it started");
    server.stop().await.unwrap();
    for pid in [shell, sleeper] {
        let bound = std::time::Duration::from_secs(5);
        let gone = async {
            while process_tree::spent_by(pid).is_some() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(bound, gone).await.is_ok(), "process {pid} is still there");
    }
}

#[test]
fn a_server_that_does_not_start_is_said_with_how_to_set_it_up() {
    let folder = tempfile::tempdir().unwrap();
    let target = a_target(folder.path(), "#!/bin/sh\necho no interpreter here >&2\nexit 1\n");
    let mut command = loadgen();
    let (code, _, stderr) = finish(command.args(["run", "--transport", "ws", "--target"]).arg(&target));
    assert_eq!(code, 1, "{stderr}");
    for said in ["`wrapped` does not start", "set up with `make the-shell`", "no interpreter here"] {
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
}
