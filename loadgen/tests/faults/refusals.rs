//! Faults that cannot be had are refused before anything is measured, with what was expected instead.

use super::support::finish;
use super::{Server, command};

#[test]
fn a_fault_that_cannot_be_had_is_a_usage_error_that_says_why() {
    let server = Server::start(&[]);
    let url = ["--url", server.url.as_str()];
    for (fault, more, told) in [
        ("restart-server at 1s", &url[..], "needs a server that loadgen can start again"),
        ("drain-server at 1s", &url, "needs a server that loadgen can start again"),
        ("pause-server for 1s", &url, "expected --server-pid"),
        ("cut 30% at 4s", &[], "expected an earlier `at`, or a longer --duration"),
        ("cut 30% at 1s", &["--workers", "2"], "expected neither --workers nor --shard"),
        ("cut 30", &[], "expected for example `cut 30%`"),
        ("burn 30%", &[], "no fault is called `burn`"),
    ] {
        let (code, stdout, stderr) = finish(&mut command("ws", &[fault], more));
        assert_eq!(code, 2, "{fault}: {stdout}{stderr}");
        assert!(stderr.contains(told), "{fault}: {stderr}");
    }
}

#[test]
fn a_server_of_a_target_file_is_not_started_again() {
    let (code, _, stderr) = finish(&mut command(
        "ws",
        &["restart-server at 1s"],
        &["--target", "broadcast", "--url", "http://127.0.0.1:9"],
    ));
    assert_eq!((code, stderr.contains("needs a server that loadgen can start again")), (2, true), "{stderr}");
}
