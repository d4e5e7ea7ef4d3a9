//! What is said of a server that cannot be measured as it is: whole, once, and with what to try.

mod foreign;
mod support;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use foreign::rude::{self, SWITCHING};
use foreign::sayers::{Manner, SOCKETIO, Sayers};
use futures_util::{StreamExt, stream};
use support::{finish, loadgen};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

const POLLED: &str = r#"
name = "words"
[publish]
path = "/say"
body = "{payload}"
[transports.TRANSPORT]
path = "/hear"
MORE"#;

fn polled(transport: &str) -> String {
    let more = if transport == "sse" {
        "headers = { Last-Event-ID = \"{id}\" }\nremember = { id = \"event id\" }\n"
    } else {
        ""
    };
    POLLED.replace("TRANSPORT", transport).replace("MORE", more)
}

/// What `run` or `check` says of a server, and its exit code.
async fn said(command: &str, file: &str, url: &str, more: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.toml");
    std::fs::write(&path, file).unwrap();
    let mut loadgen = loadgen();
    loadgen.env_remove("WIRELAB_TOKEN").arg(command).arg("--target").arg(path);
    match command {
        "check" => loadgen.arg(url),
        _ => loadgen
            .args(["--url", url, "--clients", "1", "--duration", "1s", "--rate", "4", "--out"])
            .arg(folder.path().join("run")),
    };
    loadgen.args(more);
    let (code, stdout, stderr) = tokio::task::spawn_blocking(move || finish(&mut loadgen)).await.unwrap();
    (code, stdout + &stderr)
}

#[tokio::test]
async fn a_remedy_is_said_once_and_whole() {
    let coded =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x1f";
    for (file, transport) in [(polled("socketio"), "socketio"), (polled("short-poll"), "short-poll")] {
        for command in ["run", "check"] {
            let url = rude::serve(vec![coded.into()]).await;
            let more: &[&str] = if command == "run" { &["--transport", transport] } else { &[] };
            let (code, said) = said(command, &file, &url, more).await;
            assert_eq!(code, 1, "{said}");
            assert!(said.contains("or give the target the header Accept-Encoding = \"identity\""), "{command} {said}");
            assert_eq!(said.matches("the answer is coded (Content-Encoding: gzip)").count(), 1, "{command} {said}");
        }
    }
    let closes = rude::serve(vec![b"cut off".to_vec()]).await;
    let (_, said) = said("run", &polled("short-poll"), &closes, &["--transport", "short-poll"]).await;
    assert_eq!(said.matches("not an HTTP/1.1 answer").count(), 1, "{said}");
}

/// Recipes for event streams say it, so that no proxy compresses them; browsers read what follows.
#[tokio::test]
async fn a_content_encoding_of_none_is_none() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: none\r\n\r\n: hi\n\n";
    let url = rude::serve(vec![head.into()]).await;
    let (_, said) = said("check", &polled("sse"), &url, &[]).await;
    assert!(said.contains("came back to 0 of 2 clients") && !said.contains("cannot subscribe"), "{said}");
}

#[tokio::test]
async fn a_socketio_server_with_websockets_alone_is_tried_over_these_and_the_flag_is_named() {
    let server = Sayers::start(Manner::default()).await;
    let (code, said_by_check) = said("check", SOCKETIO, &server.url, &[]).await;
    assert_eq!(code, 0, "{said_by_check}");
    let told = "socketio: lets clients in over a WebSocket alone: runs need `--socketio websocket`\n";
    assert!(said_by_check.contains(told), "{said_by_check}");
    let (code, said_by_run) = said("run", SOCKETIO, &server.url, &["--transport", "socketio"]).await;
    assert_eq!(code, 1, "{said_by_run}");
    assert!(
        said_by_run.contains("over a WebSocket alone") && said_by_run.contains("add `--socketio websocket`"),
        "{said_by_run}"
    );
}

#[tokio::test]
async fn a_socketio_server_of_version_2_is_named_so() {
    let open = br#"0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":5000}"#;
    let frames = [&[0x81, open.len() as u8][..], open, b"\x81\x0240"].concat();
    let url = rude::serve(vec![[SWITCHING.as_bytes(), &frames].concat()]).await;
    let (code, told) =
        said("run", &polled("socketio"), &url, &["--transport", "socketio", "--socketio", "websocket"]).await;
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("a CONNECT packet without `sid`, as a Socket.IO server of version 2 sends it"), "{told}");
    let (_, told) = said("run", SOCKETIO, &url, &["--transport", "socketio", "--socketio", "websocket"]).await;
    assert!(told.contains("as a Socket.IO server of version 2 sends it"), "{told}");
}

#[tokio::test]
async fn check_says_why_a_client_that_came_back_could_not_go_on() {
    let (code, said) = said("check", &polled("sse"), &refuses_returns().await, &[]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("sse: a client that came back could not go on: the server answered 410"), "{said}");
}

/// Events with ids; who comes back with one is told that it is gone.
async fn refuses_returns() -> String {
    let events = Arc::new(broadcast::channel::<String>(64).0);
    let said = Arc::clone(&events);
    let hear = async move |headers: HeaderMap| {
        if headers.contains_key("Last-Event-ID") {
            return StatusCode::GONE.into_response();
        }
        let heard = stream::unfold(events.subscribe(), |mut events| async {
            let text = events.recv().await.ok()?;
            Some((Ok::<_, std::io::Error>(format!("id: 7\ndata: {text}\n\n")), events))
        });
        let hello = stream::once(async { Ok(": hello\n\n".to_owned()) });
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(hello.chain(heard))).into_response()
    };
    let say = async move |text: String| {
        let _ = said.send(text);
    };
    let app = Router::new().route("/hear", get(hear)).route("/say", post(say));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    url
}
