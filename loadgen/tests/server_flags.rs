//! `--server-flags`: what the server that a run starts is told, and what becomes of flags that it does not know or must not have.

mod support;

use results::load;
use support::{WIDE_BOUNDS, assert_valid, finish, loadgen, sibling};
use tempfile::TempDir;

/// A load that is over in a moment.
const SHORT: [&str; 10] =
    ["--clients", "10", "--rate", "4", "--warmup", "300ms", "--settle", "100ms", "--duration", "1500ms"];

#[test]
fn the_server_does_as_its_flags_say_and_the_record_says_them() {
    sibling("feed-server");
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("run");
    let certificate = folder.path().join("my cert.pem");
    let mut command = loadgen();
    // The URL is then https, which only the server says.
    let flags = format!("--history 100 --tls-self-signed '{}'", certificate.display());
    command.args(["run", "--transport", "ws", "--server-flags", &flags, "--ca"]).arg(&certificate).args(SHORT);
    let (code, stdout, stderr) = finish(command.args(WIDE_BOUNDS).arg("--out").arg(&out));
    assert_valid(code, &out, &format!("{stdout}{stderr}"));
    let run = load(&out).unwrap().run;
    assert_eq!(run.asked.server_flags[..3], ["--history", "100", "--tls-self-signed"]);
    assert!(run.measured.bytes.received.tls > 0, "{:?}", run.measured.bytes);
}

#[test]
fn a_server_behind_tls_is_started_again_where_anybody_is_believed() {
    sibling("feed-server");
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("run");
    let run = |more: &[&str]| {
        let mut command = loadgen();
        command.args([
            "run",
            "--transport",
            "ws",
            "--server-flags=--tls-self-signed",
            "--fault",
            "restart-server at 500ms",
        ]);
        command.args(["--reconnect-first", "200ms", "--drain", "5s"]).args(SHORT).args(WIDE_BOUNDS);
        finish(command.args(more).arg("--out").arg(&out))
    };
    let (code, _, stderr) = run(&[]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("another certificate") && stderr.contains("--insecure"), "{stderr}");
    let (code, stdout, stderr) = run(&["--insecure"]);
    assert_valid(code, &out, &format!("{stdout}{stderr}"));
    let recovery = load(&out).unwrap().run.measured.recovery.unwrap();
    assert_eq!((recovery.interrupted, recovery.resumed), (10, 10), "{stdout}{stderr}");
}

#[test]
fn a_flag_that_the_server_does_not_know_is_named_in_the_error() {
    sibling("feed-server");
    for words in [
        &["run", "--transport", "ws"][..],
        &["compare", "--transports", "sse"],
        &["find-max", "--transport", "ws", "--vary", "rate", "--slo", "lost==0"],
    ] {
        let folder = TempDir::new().unwrap();
        let mut command = loadgen();
        command.args(words).args(["--server-flags", "--brokr memory", "--out"]).arg(folder.path().join("out"));
        let (code, stdout, stderr) = finish(&mut command);
        assert_eq!(code, 1, "{words:?}: {stdout}{stderr}");
        let error = stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(error.contains("did not start: error: unexpected argument '--brokr'"), "{words:?}: {stderr}");
    }
}

#[test]
fn flags_that_cannot_be_given_are_usage_errors_that_say_why() {
    let run = ["run", "--transport", "ws"];
    for (words, flags, told) in [
        (&run[..], "--listen 127.0.0.1:80", "loadgen chooses a free port"),
        (&run, "--broker 'memory", "expected every quote to be closed"),
        (
            &["run", "--transport", "ws", "--url", "http://127.0.0.1:9"],
            "--history 9",
            "expected neither --url nor --target",
        ),
        (&["run", "--transport", "ws", "--target", "nchan"], "--history 9", "does not say how to start its server"),
        (&["compare", "--transports", "ws@nchan"], "--history 9", "expected a contender without @TARGET"),
    ] {
        let (code, stdout, stderr) = finish(loadgen().args(words).args(["--server-flags", flags]));
        assert_eq!(code, 2, "{words:?}: {stdout}{stderr}");
        assert!(stderr.contains(told), "{words:?}: {stderr}");
    }
}

#[test]
fn workers_share_a_server_with_its_flags() {
    sibling("feed-server");
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("run");
    let mut command = loadgen();
    command.args(["run", "--transport", "ws", "--workers", "2", "--server-flags", "--history 100"]).args(SHORT);
    let (code, stdout, stderr) = finish(command.args(WIDE_BOUNDS).arg("--out").arg(&out));
    assert_valid(code, &out, &format!("{stdout}{stderr}"));
    let run = load(&out).unwrap().run;
    assert_eq!((run.asked.server_flags, run.measured.deliveries.lost), (vec!["--history".into(), "100".into()], 0));
}
