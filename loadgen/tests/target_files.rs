//! What is wrong with a target file, or with what is asked of it, is said in one sentence with what was expected; code 2.

mod support;

use std::path::PathBuf;

use support::{finish, loadgen};

/// A file that is right.
const RIGHT: &str = r#"
name = "right"
[publish]
path = "/pub"
[transports.ws]
path = "/ws"
[transports.long-poll]
path = "/poll/{topic}"
query = { since = "{since}" }
remember = { since = "json /next" }
"#;

/// Runs `loadgen run` with the file and `words`; its exit code and what it complained of.
fn run(file: &str, words: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("target.toml");
    std::fs::write(&path, file).unwrap();
    let mut command = loadgen();
    command.env_remove("WIRELAB_TOKEN").args(["run", "--target"]).arg(&path).args(words);
    let (code, stdout, stderr) = finish(command.arg("--out").arg(folder.path().join("out")));
    assert!(!stdout.contains("verdict"), "nothing was measured: {stdout}");
    (code, stderr.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn assert_refused(file: &str, words: &[&str], said: &[&str]) {
    let (code, stderr) = run(file, words);
    assert_eq!(code, 2, "{stderr}");
    for part in said {
        assert!(stderr.contains(part), "expected `{part}` in: {stderr}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_what_was_expected() {
    let wrong = |old: &str, new: &str| {
        assert!(RIGHT.contains(old), "{old}");
        RIGHT.replacen(old, new, 1)
    };
    let cases: [(String, &[&str]); 20] = [
        (
            wrong("[transports.ws]", "[transports.socketio]\nnamespace = \"room\"\n[transports.ws]"),
            &["[transports.socketio]: namespace = `room`", "begins with a slash"],
        ),
        (
            wrong("path = \"/pub\"", "via = \"socketio\"\nnamespace = \"/a,b\"\nevent = [\"say\", \"{text}\"]"),
            &["[publish]: via = \"socketio\": namespace = `/a,b`", "no commas"],
        ),
        (
            wrong("[transports.ws]", "[transports.websocket]"),
            &["unknown field `websocket`", "`short-poll`", "`socketio`"],
        ),
        (wrong("path = \"/ws\"", "path = \"/ws\"\nfrist = []"), &["unknown field `frist`", "`subprotocol`", "`first`"]),
        (
            wrong("path = \"/pub\"", "path = \"/pub\"\nmessage = \"x\""),
            &["[publish]: via = \"http\"", "`message`", "`body`"],
        ),
        (
            wrong("path = \"/pub\"", "path = \"/pub\"\nvia = \"mqtt\""),
            &["via = \"mqtt\": expected \"http\", \"ws\" or"],
        ),
        (
            wrong("\"/ws\"", "\"/ws/{tpoic}\""),
            &["[transports.ws]", "unknown variable `{tpoic}`", "{topic} {client} {run} {token}"],
        ),
        (wrong("\"/poll/{topic}\"", "\"/poll/{since}\""), &["unknown variable `{since}`"]),
        (
            wrong("\"{since}\" }", "\"{sicne}\" }"),
            &["query: since", "unknown variable `{sicne}`", "{wait} {cursor} {since}"],
        ),
        (
            wrong("\"json /next\"", "\"body /next\""),
            &["remember: since", "expected \"header NAME\" or \"json /POINTER\""],
        ),
        (wrong("since = \"json /next\"", "topic = \"json /next\""), &["`topic` is a variable of loadgen's own"]),
        (
            wrong("path = \"/pub\"", "path = \"/pub\"\nbody = \"hello\""),
            &["body holds the payload 0 times", "{payload} or {text}"],
        ),
        (wrong("path = \"/pub\"", "path = \"pub\""), &["path = `pub`", "begins with a slash"]),
        (
            wrong("path = \"/ws\"", "path = \"/ws\"\nlive = \"request\""),
            &["live = \"request\"", "\"head\" or \"message\""],
        ),
        (
            wrong("path = \"/ws\"", "path = \"/ws\"\nheaders = { Upgrade = \"h2c\" }"),
            &["Upgrade is written by loadgen itself"],
        ),
        (wrong("path = \"/ws\"", "path = \"/ws\"\nheaders = { A = \"b\\r\\nC: d\" }"), &["A has a line break"]),
        (
            wrong("path = \"/ws\"", "path = \"/ws\"\nsubprotocol = \"a\\r\\nb\""),
            &["subprotocol", "expected names of protocols"],
        ),
        (
            wrong("path = \"/ws\"", "path = \"/ws\"\nquery = { a = \"b HTTP/1.1\" }"),
            &["[transports.ws]", "query: \"a\" = \"b HTTP/1.1\"", "expected no spaces"],
        ),
        (wrong("path = \"/ws\"", "path = \"/ws\"\nquery = { \"a\\r\\nb\" = \"c\" }"), &["query: \"a\\r\\nb\" = \"c\""]),
        (wrong("name = \"right\"", "name = \"so so\""), &["name = `so so`", "letters, digits and hyphens"]),
    ];
    for (file, said) in cases {
        assert_refused(&file, &["--transport", "ws", "--url", "http://127.0.0.1:9"], said);
    }
}

#[test]
fn what_a_target_cannot_do_is_a_usage_error_that_says_what_it_can() {
    let url = ["--url", "http://127.0.0.1:9"];
    let with = |words: &[&'static str]| [words, &url].concat();
    assert_refused(
        RIGHT,
        &with(&["--transport", "sse"]),
        &["`right` has no transport `sse`", "expected one of long-poll, ws"],
    );
    assert_refused(RIGHT, &with(&["--transport", "ws", "--topics", "3"]), &["--topics 3 needs {topic} in [publish]"]);
    let named = RIGHT.replacen("/pub", "/pub/{topic}", 1);
    assert_refused(&named, &with(&["--transport", "ws", "--topics", "3"]), &["{topic} in [transports.ws]"]);
    assert_refused(RIGHT, &["--transport", "ws"], &["does not say how to start its server", "--url"]);
    let secret = RIGHT.replacen("\"/ws\"", "\"/ws/{token}\"", 1);
    assert_refused(&secret, &with(&["--transport", "ws"]), &["needs a token", "--token or WIRELAB_TOKEN"]);
    let socketio = "name = \"x\"\n[publish]\nvia = \"socketio\"\nevent = [\"say\", \"{token}\", \"{text}\"]\n\
                    [transports.socketio]\nfirst = [[\"join\", \"all\"]]";
    assert_refused(socketio, &with(&["--transport", "ws"]), &["`x` has no transport `ws`: expected one of socketio"]);
    assert_refused(socketio, &with(&["--transport", "socketio"]), &["needs a token"]);
    let of_a_room = socketio.replace("{token}", "{topic}");
    let topics = ["--transport", "socketio", "--topics", "3"];
    assert_refused(&of_a_room, &with(&topics), &["--topics 3 needs {topic} in [transports.socketio]"]);
}

#[test]
fn a_target_that_nobody_knows_is_told_with_the_known_ones() {
    let (code, _, stderr) = finish(loadgen().args(["run", "--transport", "ws", "--target", "nonsense"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("unknown target `nonsense`: expected one of feed, broadcast, nchan, socketio"), "{stderr}");
    let (code, _, stderr) = finish(loadgen().args(["run", "--transport", "ws", "--target", "/nowhere/x.toml"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("cannot read the target file /nowhere/x.toml"), "{stderr}");
}
