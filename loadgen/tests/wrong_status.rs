//! A server that answers with another status than was asked for is quoted: what would have been right, where it points to, its own words.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use support::{finish, loadgen};

/// What nginx answers for a server that is not there.
const BAD_GATEWAY: &str =
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n";

/// Answers every request with this status and fields and, a moment later, this body; its URL.
fn serve(head: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let body = body.to_owned();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|read| read == 1) {
                request.push(byte[0]);
            }
            let _ = client.write_all(head.as_bytes());
            // Many servers write the two apart.
            std::thread::sleep(Duration::from_millis(30));
            let _ = client.write_all(body.as_bytes());
        }
    });
    url
}

/// The error that a run over `transport` ends with, which is one line.
fn error_of(transport: &str, url: &str, more: &[&str]) -> String {
    let place = tempfile::tempdir().unwrap();
    let mut command = loadgen();
    command.args(["run", "--transport", transport, "--clients", "1", "--url", url]).args(more);
    let (code, stdout, stderr) = finish(command.arg("--out").arg(place.path().join("run")));
    assert_eq!((code, stdout.as_str(), stderr.lines().count()), (1, "", 1), "{stderr}");
    stderr.trim_end().to_owned()
}

#[test]
fn a_gateway_without_a_server_is_told_as_what_it_is_with_what_would_have_been_right() {
    let url = serve("502 Bad Gateway\r\nContent-Type: text/html", BAD_GATEWAY);
    for (transport, right) in [
        ("short-poll", "200"),
        ("long-poll", "200"),
        ("sse", "200 with text/event-stream"),
        ("ws", "101 Switching Protocols"),
        ("socketio", "200"),
    ] {
        let said = error_of(transport, &url, &[]);
        assert!(said.starts_with(&format!("error: {url}/ did not let the probe in: GET /")), "{said}");
        let end = format!("`loadgen check {url}/` says more: the server answered 502, not {right} (`502 Bad Gateway`)");
        assert!(said.ends_with(&end), "{said}");
    }
}

#[test]
fn a_version_that_is_refused_is_told_in_the_words_of_the_server() {
    let body = "{\"error\":\"HTTP/1.0 cannot carry a stream: expected HTTP/1.1 (nginx: proxy_http_version 1.1)\"}\n";
    let said = error_of("sse", &serve("505 HTTP Version Not Supported", body), &[]);
    assert!(said.ends_with(&format!("answered 505, not 200 with text/event-stream (`{}`)", body.trim())), "{said}");
}

#[test]
fn where_a_redirection_points_to_is_told_without_secrets() {
    let url = serve("301 Moved Permanently\r\nLocation: https://me:word@feed.test/live?key=s3cret", "");
    let said = error_of("ws", &url, &[]);
    let end = "the server answered 301, not 101 Switching Protocols (`Location: https://***@feed.test/live?key=***`)";
    assert!(said.ends_with(end), "{said}");
}

#[test]
fn a_token_in_the_words_of_the_server_is_not_told_and_long_words_are_cut() {
    let url = serve("403 Forbidden", &format!("not-the-key-at-all is no key {}\nmore", "x".repeat(9000)));
    let said = error_of("sse", &url, &["--token", "not-the-key-at-all"]);
    assert!(said.contains("answered 403, not 200 with text/event-stream (`*** is no key xxx"), "{said}");
    assert!(said.ends_with("xxx...") && said.len() < 500, "{said}");
}

#[test]
fn how_long_to_wait_is_told_with_the_reason() {
    let said = error_of("short-poll", &serve("503 Service Unavailable\r\nRetry-After: 7", "starting"), &[]);
    assert!(said.ends_with("the server answered 503, not 200, and not before 7s (`starting`)"), "{said}");
}

#[test]
fn a_publishing_socket_that_is_refused_is_told_in_the_words_of_the_server() {
    let url = serve("403 Forbidden", "publishers are not welcome\n");
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("target.toml");
    let text = "name = \"odd\"\n[publish]\nvia = \"ws\"\npath = \"/say\"\nmessage = '{\"text\":{payload}}'\n\
                [transports.sse]\npath = \"/live\"\nlive = \"request\"\n";
    std::fs::write(&target, text).unwrap();
    let mut command: Command = loadgen();
    let (_, stdout, stderr) = finish(command.args(["check", "--target"]).arg(&target).arg(&url));
    let told = format!("{stdout}{stderr}");
    assert!(told.contains("answered 403, not 101 Switching Protocols (`publishers are not welcome`)"), "{told}");
}

#[test]
fn a_check_quotes_what_its_steps_were_answered() {
    let url = serve("502 Bad Gateway\r\nContent-Type: text/html", BAD_GATEWAY);
    let (code, stdout, _) = finish(loadgen().arg("check").arg(&url));
    assert_eq!(code, 1);
    assert!(stdout.contains("answered 502 (`502 Bad Gateway`)"), "{stdout}");
}
