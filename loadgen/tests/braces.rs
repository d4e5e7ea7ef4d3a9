//! Braces in a target file: a name in two of them is text, and what must be JSON is held to it before anything is sent.

mod foreign;
mod support;

use foreign::{doubled, measure};
use support::{finish, loadgen};

/// A server in the manner of GraphQL, which is subscribed to with a selection of one field.
const GRAPHQL: &str = r#"
name = "graphql"
[publish]
via = "ws"
path = "/"
message = '{"mutation":"mutation{say(text:$text){{id}}}","text":{payload}}'
[transports.ws]
path = "/"
first = ['{"query":"subscription{{news}}"}']
live = "message"
"#;

#[tokio::test]
async fn a_name_in_two_braces_reaches_the_server_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graphql.toml");
    std::fs::write(&path, GRAPHQL).unwrap();
    let url = doubled::serve_ws(|text| {
        let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let is_subscription = value["query"] == "subscription{news}";
        assert!(is_subscription || value["mutation"] == "mutation{say(text:$text){id}}", "{text}");
        text.to_owned()
    });
    let url = url.await;
    measure(&["--transport", "ws", "--target", path.to_str().unwrap(), "--url", &url]).await.exact(12);
}

/// What `loadgen run` says of a file with this `[publish]`.
fn refused(publish: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refused.toml");
    std::fs::write(&path, format!("name = \"refused\"\n[publish]\n{publish}\n[transports.sse]\npath = \"/\"\n"))
        .unwrap();
    let mut command = loadgen();
    command.args(["run", "--transport", "sse", "--url", "http://127.0.0.1:9", "--target"]).arg(&path);
    let (code, stdout, stderr) = finish(command.arg("--out").arg(folder.path().join("out")));
    assert_eq!(code, 2, "{stdout}{stderr}");
    stderr
}

#[test]
fn a_payload_with_the_wrong_quotes_or_braces_is_refused_with_what_to_write() {
    const HINT: &str = "{payload} is a JSON string with its quotes, so write \"text\":{payload}; {text} has none, so write \
                        \"text\":\"{text}\"";
    const JSON: &str = "headers = { Content-Type = \"application/json; charset=utf-8\" }";
    for (publish, said) in [
        (format!("path = \"/p\"\n{JSON}\nbody = '{{\"text\":\"{{payload}}\"}}'"), "it is no JSON"),
        (format!("path = \"/p\"\n{JSON}\nbody = '{{\"text\":{{{{payload}}}}}}'"), "body holds the payload 0 times"),
        (format!("path = \"/p\"\n{JSON}\nbody = 'text={{text}}'"), "it is no JSON"),
        ("path = \"/p\"\nbody = '{\"text\":{text}}'".to_owned(), "it is no JSON"),
        ("via = \"ws\"\npath = \"/p\"\nmessage = '{\"text\":\"{payload}\"}'".to_owned(), "it is no JSON"),
        ("via = \"socketio\"\nevent = [\"say\", '{\"text\":\"{payload}\"}']".to_owned(), "it is no JSON"),
    ] {
        let error = refused(&publish);
        assert!(error.contains(said) && error.contains(HINT), "{publish}: {error}");
    }
    let error = refused("path = \"/p\"\nbody = 'subscription{news} {payload}'");
    assert!(
        error.contains("unknown variable `{news}`") && error.contains("for the text `{news}` write `{{news}}`"),
        "{error}"
    );
}
