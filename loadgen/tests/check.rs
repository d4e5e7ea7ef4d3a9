//! `loadgen check` against the feed-server, against the feed-server with one thing changed on its way, and against strangers.
//!
//! A departure is made by a proxy that writes other bytes, as many, wherever the server wrote certain ones: so each server
//! under check here is right in everything but one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use loadgen::server_flags::ServerFlags;
use loadgen::server_process::ServerProcess;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

fn feed_server() -> PathBuf {
    let name = format!("feed-server{}", std::env::consts::EXE_SUFFIX);
    let path = Path::new(env!("CARGO_BIN_EXE_loadgen")).with_file_name(name);
    assert!(path.is_file(), "build it first: cargo build -p feed-server");
    path
}

/// What a check said.
struct Said {
    output: Output,
    text: String,
}

impl Said {
    /// Area and claim of each failure, with what was expected and seen.
    fn failures(&self) -> Vec<String> {
        let lines: Vec<&str> = self.text.lines().collect();
        let of = |index: usize| {
            let claim = lines[index].strip_prefix("FAIL  ")?;
            let words: Vec<&str> = claim.split_whitespace().chain(lines[index + 1].split_whitespace()).collect();
            Some(words.join(" "))
        };
        (0..lines.len()).filter_map(of).collect()
    }

    fn summary(&self) -> &str {
        self.text.lines().last().unwrap_or_default()
    }

    #[track_caller]
    fn assert_fails_only(&self, expected: &[&str]) {
        let failures = self.failures();
        let is = failures.len() == expected.len() && failures.iter().zip(expected).all(|(f, e)| f.contains(e));
        assert!(is, "expected exactly these failures: {expected:#?}\n{}", self.text);
        assert_eq!(self.output.status.code(), Some(1), "{}", self.text);
        let count = format!("departs from the contract of the feed in {} of ", expected.len());
        assert!(self.summary().contains(&count), "{}", self.summary());
    }
}

async fn check(url: &str) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen")).args(["check", url]).output().await.unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    Said { output, text }
}

/// Checks a feed-server whose bytes `from` arrive as `to`.
async fn check_with(from: &'static [u8], to: &'static [u8]) -> Said {
    check_ending(from, to, None).await
}

/// The same, each answer in chunks ending, in good order, behind the chunk that has `last` in it.
async fn check_ending(from: &'static [u8], to: &'static [u8], last: Option<&'static [u8]>) -> Said {
    assert_eq!(from.len(), to.len(), "lengths are told elsewhere, and must stay true");
    let server = ServerProcess::start(&feed_server(), &ServerFlags::default()).await.unwrap();
    let upstream: SocketAddr = server.url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let proxy = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(upstream).await.unwrap();
            // Nagle would hold what comes in two pieces, and every request with it.
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            tokio::spawn(pass_on(client, server, from, to, last));
        }
    });
    let said = check(&url).await;
    proxy.abort();
    server.stop().await.unwrap();
    said
}

async fn pass_on(
    client: TcpStream,
    server: TcpStream,
    from: &[u8],
    to: &[u8],
    last: Option<&[u8]>,
) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        to_server.shutdown().await
    });
    let (mut buffer, mut is_over) = (vec![0; 64 << 10], false);
    loop {
        let bytes = match from_server.read(&mut buffer).await {
            Ok(bytes) if bytes > 0 => &mut buffer[..bytes],
            _ => break,
        };
        let found: Vec<usize> = memchr::memmem::find_iter(bytes, from).collect();
        found.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to));
        to_client.write_all(bytes).await?;
        is_over |= last.is_some_and(|last| memchr::memmem::find(bytes, last).is_some());
        if is_over && bytes.ends_with(b"\n\n\r\n") {
            to_client.write_all(b"0\r\n\r\n").await?;
            break;
        }
    }
    up.abort();
    to_client.shutdown().await
}

/// Serves one answer a connection: to a POST, which may be none, and to everything else.
async fn stranger(to_post: Option<&'static str>, to_others: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.windows(4).any(|four| four == b"\r\n\r\n") {
                    if client.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                match if request.starts_with(b"POST") { to_post } else { Some(to_others) } {
                    Some(answer) => drop(client.write_all(answer.as_bytes()).await),
                    // Until the client gives up.
                    None => while client.read_buf(&mut request).await.unwrap_or(0) > 0 {},
                }
            });
        }
    });
    url
}

const NOT_FOUND: &str =
    "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>";

#[tokio::test]
async fn the_feed_server_keeps_the_contract() {
    let server = ServerProcess::start(&feed_server(), &ServerFlags::default()).await.unwrap();
    let said = check(&server.url).await;
    server.stop().await.unwrap();
    assert_eq!(said.failures(), Vec::<String>::new(), "{}", said.text);
    assert!(!said.text.contains("skip  "), "{}", said.text);
    assert!(said.summary().contains("keeps the contract of the feed"), "{}", said.summary());
    assert_eq!(said.output.status.code(), Some(0));
}

#[tokio::test]
async fn a_server_that_retains_little_keeps_it_too() {
    let mut server = Command::new(feed_server())
        .args(["--listen", "127.0.0.1:0", "--history", "10", "--history-bytes", "200000"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let said = check(line.rsplit(' ').next().unwrap()).await;
    assert_eq!(said.output.status.code(), Some(0), "{}", said.text);
}

#[tokio::test]
async fn nothing_is_changed_by_the_proxy_itself() {
    let said = check_with(b"no such bytes", b"no such bytes").await;
    assert_eq!(said.output.status.code(), Some(0), "{}", said.text);
}

#[tokio::test]
async fn a_file_server_is_no_feed_and_told_so_in_one_sentence() {
    const NOT_IMPLEMENTED: &str = "HTTP/1.1 501 Unsupported method\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let url = stranger(Some(NOT_IMPLEMENTED), NOT_FOUND).await;
    let said = check(&url).await;
    assert_eq!(said.output.status.code(), Some(1));
    assert!(said.summary().starts_with(&format!("{url} is not a feed: POST /topics/")), "{}", said.summary());
    assert!(
        said.summary().ends_with(r#"answered 501; a feed answers 201 with {"id":...,"epoch":...}"#),
        "{}",
        said.summary()
    );
    assert_eq!(said.failures().len(), 2, "health and publishing, and nothing that follows from them: {}", said.text);
    assert!(said.text.contains("skip  ws          the first answer hands out the cursor"), "{}", said.text);
}

#[tokio::test]
async fn an_answer_of_another_kind_is_quoted() {
    const OTHER: &str = "HTTP/1.1 201 Created\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{\"ok\":true}";
    let said = check(&stranger(Some(OTHER), NOT_FOUND).await).await;
    assert!(
        said.summary().contains(r#"answered 201 with the body `{"ok":true}`; a feed answers 201 with"#),
        "{}",
        said.text
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_not_waited_for_for_ever() {
    let said = check(&stranger(None, NOT_FOUND).await).await;
    assert!(said.summary().contains("is not a feed: "), "{}", said.text);
    assert!(said.failures()[1].contains("seen nothing within 3s"), "{}", said.text);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_sentence() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let said = check(&url).await;
    let complaint = String::from_utf8_lossy(&said.output.stderr).into_owned();
    assert!(complaint.starts_with(&format!("error: cannot reach {url}/: ")), "{complaint}");
    assert_eq!((said.output.status.code(), complaint.lines().count(), &*said.text), (Some(1), 1, ""));
}

#[tokio::test]
async fn a_wrong_id_in_the_answer_to_a_publication_is_named() {
    let said = check_with(br#"{"id":5,"#, br#"{"id":6,"#).await;
    let failure = "publish the ids of a topic are contiguous from 1, in one epoch expected id 5";
    assert!(said.failures().iter().any(|found| found.contains(failure)), "{}", said.text);
}

#[tokio::test]
async fn a_notification_that_comes_twice_is_named_for_every_transport() {
    let said = check_with(br#""id":3,"timestamp""#, br#""id":2,"timestamp""#).await;
    for area in ["short-poll", "long-poll", "sse", "ws"] {
        let failures = said.failures();
        let mut of_area = failures.iter().filter(|found| found.starts_with(area));
        assert!(of_area.any(|found| found.contains("2") && found.contains("3")), "{}", said.text);
    }
}

#[tokio::test]
async fn a_loss_that_is_not_told_is_named_for_every_transport() {
    let said = check_with(br#""recovered":false"#, br#""recovered":true "#).await;
    for area in ["short-poll", "long-poll", "sse", "ws"] {
        let failure = format!("{area} a cursor of another epoch is told that something is lost");
        assert!(said.failures().iter().any(|found| found.starts_with(&failure)), "{}", said.text);
    }
}

#[tokio::test]
async fn a_payload_that_was_written_anew_is_named() {
    let said = check_with(br#"{"z":1.10,"#, br#"{"z":1.1 ,"#).await;
    said.assert_fails_only(&["publish JSON is carried as it was written: digits, escapes, order, duplicates expected"]);
}

#[tokio::test]
async fn a_missing_etag_is_named() {
    let said = check_with(b"\r\netag: ", b"\r\nxtag: ").await;
    said.assert_fails_only(&[
        "short-poll the answer is JSON, its ETag the cursor in quotes expected `etag: \"",
        "short-poll If-None-Match with the newest cursor gives 304",
        "long-poll the ETag is the cursor",
        "long-poll If-None-Match with the newest cursor gives 304",
    ]);
    assert!(said.text.contains("seen no etag in the answer to GET /topics/"), "{}", said.text);
}

#[tokio::test]
async fn a_buffered_stream_is_named() {
    let said = check_with(b"x-accel-buffering: no", b"x-accel-buffering: on").await;
    said.assert_fails_only(&["sse no cache and no proxy may hold it back expected `x-accel-buffering: no`"]);
}

#[tokio::test]
async fn an_event_of_another_name_is_named() {
    let said = check_with(b"\nevent:gap\n", b"\nevent:lap\n").await;
    let expected = "expected `event:gap` for a message of type gap; seen `event:lap`";
    assert!(
        said.failures().iter().all(|found| found.starts_with("sse a cursor") || found.starts_with("sse the oldest"))
    );
    assert!(said.failures()[0].ends_with(expected), "{}", said.text);
}

#[tokio::test]
async fn a_wrong_close_code_is_named() {
    let said = check_with(b"\x03\xf1", b"\x03\xf0").await;
    said.assert_fails_only(&[
        "ws a message of 16 MiB ends the connection with 1009 expected the close code 1009; seen 1008",
    ]);
}

#[tokio::test]
async fn without_a_websocket_the_rest_of_its_steps_is_skipped() {
    let said = check_with(b"sec-websocket-accept: ", b"sec-websocket-except: ").await;
    said.assert_fails_only(&[
        "ws the first answer hands out the cursor, before any notification expected a WebSocket at",
    ]);
    assert!(said.text.contains("skip  ws          a ping is answered"), "{}", said.text);
    assert!(said.text.contains("ok    bad-input   after all this the server is alive"), "{}", said.text);
}

#[tokio::test]
async fn a_405_without_allow_is_named() {
    let said = check_with(b"\r\nallow: ", b"\r\nxllow: ").await;
    said.assert_fails_only(&[
        "bad-input a wrong method is answered with 405, and Allow names the right one expected an `allow`",
    ]);
}

#[tokio::test]
async fn a_wrong_status_for_a_large_body_is_named() {
    let said = check_with(b"HTTP/1.1 413 ", b"HTTP/1.1 400 ").await;
    said.assert_fails_only(&[
        "bad-input publish: a body of 16 MiB is refused with 413 expected 413 with a JSON body",
        "bad-input publish: so is one that does not say its length expected 413 with a JSON body",
    ]);
}

#[tokio::test]
async fn a_refusal_that_does_not_say_what_was_expected_is_named() {
    let said = check_with(br#"{"error":"malformed cursor"#, br#"{"fault":"malformed cursor"#).await;
    let claim =
        |transport| format!("bad-input {transport}: a malformed cursor is refused expected 400 with a JSON body");
    let claims = ["short-poll", "long-poll", "sse", "ws"].map(claim);
    said.assert_fails_only(&claims.each_ref().map(String::as_str));
}

#[tokio::test]
async fn a_stream_whose_answer_ends_after_each_notification_keeps_the_contract() {
    // An id stands before the data of an event stream's notification, and nowhere else.
    let said = check_ending(b"retry:2000", b"retry:0020", Some(b"\ndata:{\"type\":\"notification\"")).await;
    assert_eq!(said.failures(), Vec::<String>::new(), "{}", said.text);
    assert!(said.summary().contains("keeps the contract of the feed"), "{}", said.summary());
}
