//! What is said of a server before a run begins: only connecting is timed, and of several addresses the one that answers is kept.

mod foreign;
mod support;

use std::path::Path;
use std::process::Command;

use foreign::{Measured, carry_out, partial, rude};
use support::{WIDE_BOUNDS, loadgen};

/// A target file of the rude server, over a transport that is live when this has come.
fn target(transport: &str, live: &str) -> String {
    format!(
        "name = \"rude\"\n[publish]\npath = \"/say\"\nbody = \"{{payload}}\"\n[transports.{transport}]\npath = \"/live\"\nlive = \"{live}\"\n"
    )
}

/// A short run of two clients, which the probe may keep waiting for 700 ms.
async fn measured(url: &str, transport: &str, target: &str) -> Measured {
    measured_by(loadgen(), url, transport, target).await
}

/// The same, by `command` and its arguments.
async fn measured_by(mut command: Command, url: &str, transport: &str, target: &str) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("target.toml");
    std::fs::write(&file, target).unwrap();
    command.args(["run", "--transport", transport, "--target", file.to_str().unwrap(), "--url", url]);
    command.args(["--clients", "2", "--rate", "5", "--warmup", "0s", "--settle", "100ms", "--duration", "1s"]);
    command.args(["--drain", "200ms", "--connect-timeout", "700ms", "--pin", "off"]).args(WIDE_BOUNDS);
    command.arg("--out").arg(folder.path().join("run"));
    carry_out(command, folder).await
}

/// It never answers a close frame, so whoever leaves waits a second for that.
#[tokio::test]
async fn a_server_that_answers_at_once_and_lets_nobody_leave_is_measured() {
    let url = rude::serve(vec![rude::SWITCHING.into()]).await;
    let measured = measured(&url, "ws", &target("ws", "head")).await;
    assert!(measured.stdout.contains("live 2 of 2 at the start"), "{}{}", measured.stdout, measured.stderr);
    assert!(!measured.stderr.contains("did not answer"), "{}", measured.stderr);
}

#[tokio::test]
async fn a_server_that_answers_and_greets_nobody_is_told_from_one_that_does_not_answer() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let url = rude::serve(vec![head.into()]).await;
    let greets_nobody = measured(&url, "sse", &target("sse", "message")).await;
    let said = format!("{url}/ answered GET /live with {} bytes, but no client was live within 700ms: ", head.len());
    assert_eq!(greets_nobody.code, 1, "{}", greets_nobody.stderr);
    assert!(greets_nobody.stderr.contains(&said), "{}", greets_nobody.stderr);
    assert!(
        greets_nobody.stderr.contains("a server that greets nobody needs live = \"head\""),
        "{}",
        greets_nobody.stderr
    );
    let silent = rude::serve(vec![Vec::new()]).await;
    let says_nothing = measured(&silent, "sse", &target("sse", "message")).await;
    let said = format!("{silent}/ did not answer GET /live within 700ms");
    assert!(says_nothing.stderr.contains(&said), "{}", says_nothing.stderr);
    // As servers do that keep the head of an answer until its first event.
    let hint = "comes with its first event only";
    assert!(
        says_nothing.stderr.contains(hint) && says_nothing.stderr.contains("needs live = \"request\""),
        "{}",
        says_nothing.stderr
    );
}

/// loadgen where names are those of `hosts`, a file like /etc/hosts, in a mount namespace of its own; `None` where that cannot be had.
fn loadgen_with(hosts: &Path) -> Option<Command> {
    let with_hosts = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]).arg(hosts).args(words);
        command
    };
    let can_be_had = with_hosts(&["true"]).output().is_ok_and(|output| output.status.success());
    can_be_had.then(|| with_hosts(&[loadgen().get_program().to_str().unwrap()]))
}

#[tokio::test]
async fn of_a_name_with_two_addresses_the_one_that_answers_is_kept_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "::1 localhost\n127.0.0.1 localhost\n").unwrap();
    let Some(command) = loadgen_with(&hosts) else {
        return support::skip::skipped(
            "of_a_name_with_two_addresses_the_one_that_answers_is_kept_and_named",
            "no mount namespace, so localhost is what this machine says",
        );
    };
    // It listens on IPv4 alone.
    let url = partial::serve(|_, _| true).await.replace("127.0.0.1", "localhost");
    let port = url.rsplit(':').next().unwrap();
    let measured = measured_by(command, &url, "sse", partial::TARGET).await;
    let run = results::load(&measured.out).unwrap_or_else(|e| panic!("{e}: {}", measured.stderr)).run;
    assert_eq!((run.measured.deliveries.delivered, run.measured.deliveries.lost), (10, 0), "{}", measured.stdout);
    let tried = format!("note: {url}/ has several addresses ([::1]:{port}: ");
    let kept = format!("): 127.0.0.1:{port} answered and is kept for the run\n");
    assert!(measured.stderr.contains(&tried) && measured.stderr.contains(&kept), "{}", measured.stderr);
}
