//! What cannot be carried out is said in one sentence that names the value and what was expected, with the right exit code.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;

use support::{finish, loadgen, sibling};

const USAGE: i32 = 2;
const NOT_CARRIED_OUT: i32 = 1;

/// Runs `loadgen` with `words`; it must end with `code` and say all of `said` on standard error, without a backtrace.
fn assert_refused(words: &[&str], code: i32, said: &[&str]) {
    let (seen, stdout, stderr) = finish(loadgen().args(words));
    assert_eq!(seen, code, "{words:?}: {stderr}");
    for part in said {
        assert!(stderr.contains(part), "{words:?}: expected `{part}` in: {stderr}");
    }
    assert!(!stderr.contains("panicked") && !stderr.contains("backtrace"), "{stderr}");
    assert!(!stdout.contains("verdict"), "nothing was measured: {stdout}");
}

/// An error that is one line, `error: ...`.
fn assert_one_sentence(words: &[&str], said: &[&str]) {
    assert_refused(words, NOT_CARRIED_OUT, said);
    let (_, _, stderr) = finish(loadgen().args(words));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("error: "), "{stderr}");
}

#[test]
fn flags_that_make_no_sense_are_usage_errors_that_say_what_would() {
    let run = ["run", "--transport", "ws"];
    let cases: [(&[&str], &[&str]); 11] = [
        (&["selftest", "--transports", "socketio"], &["socketio is not spoken by the stub server", "sse or ws"]),
        (
            &["run", "--transport", "tcp"],
            &["unknown transport `tcp`: expected short-poll, long-poll, sse, ws or socketio"],
        ),
        (&["run", "--transport", "ws", "--url", "nonsense"], &["`nonsense` is not a URL", "http://127.0.0.1:8080"]),
        (&["run", "--transport", "ws", "--url", "ftp://x"], &["has the scheme `ftp`"]),
        (&[run[0], run[1], run[2], "--clients", "0"], &["'0'", "1..=1000000"]),
        (&[run[0], run[1], run[2], "--rate", "0"], &["'0'", "expected a number from 0.001"]),
        (&[run[0], run[1], run[2], "--payload", "45"], &["'45'", "from 46 to 1048576"]),
        (&[run[0], run[1], run[2], "--payload", "9999999"], &["'9999999'", "from 46 to 1048576"]),
        (&[run[0], run[1], run[2], "--duration", "5"], &["'5'", "expected a time with its unit"]),
        (&[run[0], run[1], run[2], "--topic", "a b"], &["bad topic name `a b`"]),
        (&[run[0], run[1], run[2], "--assert", "p98<1ms"], &["unknown quantity `p98`", "p50"]),
    ];
    for (words, said) in cases {
        assert_refused(words, USAGE, said);
    }
}

#[test]
fn an_unreachable_server_is_said_before_anything_is_created() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let words = ["run", "--transport", "sse", "--url", &url, "--out", out.to_str().unwrap()];
    assert_one_sentence(&words, &["cannot reach", &url, "refused"]);
    assert!(!out.exists());
}

#[test]
fn a_server_that_is_no_feed_is_said_with_what_it_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found");
        }
    });
    for transport in ["short-poll", "long-poll", "sse", "ws"] {
        let words = ["run", "--transport", transport, "--url", &url];
        assert_one_sentence(&words, &[&url, "is not a feed", "answered 404", "loadgen check"]);
    }
}

#[test]
fn a_run_folder_that_exists_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.txt");
    std::fs::write(&old, "measured before").unwrap();
    let out = folder.path().to_str().unwrap();
    sibling("feed-server");
    let words = ["run", "--transport", "ws", "--clients", "1", "--out", out];
    assert_one_sentence(&words, &[out, "exists already", "name a folder that does not"]);
    assert_one_sentence(&["compare", "--out", out], &[out, "exists already"]);
    assert_eq!(std::fs::read_to_string(old).unwrap(), "measured before");
}

#[test]
fn an_output_that_cannot_be_written_is_said_before_the_measuring() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below_a_file = file.path().join("run");
    let out = below_a_file.to_str().unwrap();
    assert_one_sentence(&["run", "--transport", "ws", "--clients", "1", "--out", out], &["cannot create", out]);
}

#[test]
fn more_clients_than_descriptors_are_refused_with_what_to_do() {
    let words = ["run", "--transport", "ws", "--clients", "1000000"];
    assert_one_sentence(&words, &["1,000,000 clients do not fit", "file descriptors", "lower --clients"]);
}

#[test]
fn polls_that_may_use_up_the_ports_of_a_source_are_warned_of_before_the_run() {
    // A port that nobody listens at any more: the warning comes first, the run is not carried out.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let words = ["run", "--transport", "short-poll", "--connection", "fresh", "--poll-interval", "10ms", "--url", &url];
    let said =
        ["warning: up to ", " connections of one source address close within the minute", "error: cannot reach "];
    assert_refused(&words, NOT_CARRIED_OUT, &said);
}
