//! A byte order mark before JSON is passed over (RFC 8259, section 8.1), as browsers do: what stands behind it is remembered, and accepted.

mod foreign;
mod support;

use foreign::carry_out;
use foreign::raw::{Manner, Raw, target};
use support::{WIDE_BOUNDS, finish, loadgen};

#[tokio::test]
async fn json_behind_a_byte_order_mark_is_read() {
    let server = Raw::serve(Manner { before_json: "\u{feff}", ..Manner::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.toml");
    std::fs::write(&path, target("").replace("body = ", "accepted = \"json /ok = true\"\nbody = ")).unwrap();
    for transport in ["long-poll", "short-poll"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = loadgen();
        command.env_remove("WIRELAB_TOKEN").args(["run", "--transport", transport, "--url", &server.url, "--target"]);
        command.arg(&path).args(["--clients", "4", "--warmup", "0s", "--settle", "300ms", "--wait", "2s"]);
        command.args(["--rate", "10", "--duration", "2s", "--poll-interval", "200ms", "--connect-rate", "200"]);
        command.args(["--pin", "off"]).args(WIDE_BOUNDS).arg("--out").arg(folder.path().join("run"));
        let run = carry_out(command, folder).await.exact(4);
        assert!(run.measured.never_learnt.is_empty() && run.measured.connections.errors.is_empty());
    }
    let mut command = loadgen();
    command.args(["check", "--target", path.to_str().unwrap(), &server.url]);
    let (code, stdout, stderr) = tokio::task::spawn_blocking(move || finish(&mut command)).await.unwrap();
    assert_eq!(code, 0, "{stdout}{stderr}");
}
