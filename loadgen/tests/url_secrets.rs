//! User, password and query of a base URL go along with every request, and are shown nowhere.

mod foreign;
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use foreign::{Measured, carry_out, short_run};
use support::{finish, loadgen, sibling};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PASSWORD: &str = "hunter-22";
const KEY: &str = "kgb-007";
/// `user:hunter-22` (RFC 7617).
const CREDENTIALS: &str = "dXNlcjpodW50ZXItMjI=";

/// A feed-server that ends with the test.
struct Feed(Child, String);

impl Feed {
    fn start() -> Self {
        let mut command = sibling("feed-server");
        let mut child =
            command.args(["--listen", "127.0.0.1:0"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit("http://").next().unwrap().to_owned();
        Self(child, address)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A reverse proxy that lets nobody in without a key, which the feed knows nothing of: `bytes` without it, wherever a request begins.
fn without_key(bytes: &[u8]) -> Vec<u8> {
    // Each byte is a character of its own, so what is no text stays as it is.
    let text: String = bytes.iter().copied().map(char::from).collect();
    let text = text.replace(&format!("?apikey={KEY}&"), "?").replace(&format!("?apikey={KEY} "), " ");
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// Passes all but the key on to `address` and keeps what clients say; its own address.
async fn listen_in(address: String) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().to_string();
    let said = Arc::<Mutex<Vec<u8>>>::default();
    let kept = Arc::clone(&said);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (address, kept) = (address.clone(), Arc::clone(&kept));
            tokio::spawn(async move {
                let server = TcpStream::connect(address).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                let there = async {
                    let mut bytes = vec![0; 16 * 1024];
                    while let Ok(len @ 1..) = from_client.read(&mut bytes).await {
                        kept.lock().unwrap().extend_from_slice(&bytes[..len]);
                        if to_server.write_all(&without_key(&bytes[..len])).await.is_err() {
                            break;
                        }
                    }
                    let _ = to_server.shutdown().await;
                };
                let back = async {
                    let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
                    let _ = to_client.shutdown().await;
                };
                tokio::join!(there, back);
            });
        }
    });
    (own, said)
}

/// All requests in what clients said must have shown key and credentials; how many there were.
fn requests_that_show_all(said: &Mutex<Vec<u8>>, what: &str) -> usize {
    let said = String::from_utf8_lossy(&std::mem::take(&mut *said.lock().unwrap())).into_owned();
    let count = |text: &str| said.matches(text).count();
    let requests = count(" HTTP/1.1\r\n");
    let shown = (count(&format!("?apikey={KEY}")), count(&format!("uthorization: Basic {CREDENTIALS}\r\n")));
    let first = said.lines().find(|line| line.ends_with(" HTTP/1.1") && !line.contains("apikey")).unwrap_or_default();
    assert_eq!(shown, (requests, requests), "{what}: of {requests} requests; without it: {first}");
    requests
}

fn assert_hidden(text: &str) {
    for secret in [PASSWORD, KEY, CREDENTIALS] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is shown");
    }
}

async fn run(words: &[&str], url: &str) -> Measured {
    let (mut command, folder): (Command, _) = short_run(words);
    carry_out(
        {
            command.args(["--url", url]);
            command
        },
        folder,
    )
    .await
}

#[tokio::test]
async fn every_request_carries_what_the_base_url_has_and_nothing_shows_it() {
    let feed = Feed::start();
    let (address, said) = listen_in(feed.1.clone()).await;
    let url = format!("http://user:{PASSWORD}@{address}/?apikey={KEY}");
    for transport in ["short-poll", "long-poll", "sse", "ws", "socketio"] {
        let measured = run(&["--transport", transport], &url).await;
        measured.exact(12);
        // 12 clients and a probe, the publisher, /stats.
        assert!(requests_that_show_all(&said, transport) > 12 + 2, "{transport}");
        assert_hidden(&measured.everything());
        assert!(measured.everything().contains("http://***@127.0.0.1:"), "{}", measured.everything());
    }
    let mut check = loadgen();
    check.args(["check", &url]);
    let (_, stdout, stderr) = tokio::task::spawn_blocking(move || finish(&mut check)).await.unwrap();
    assert!(stdout.contains("keeps the contract of the feed"), "{stdout}{stderr}");
    assert_hidden(&(stdout + &stderr));
}

#[tokio::test]
async fn what_a_url_has_is_hidden_in_errors_that_quote_the_server_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            // It says what it was told, as no HTTP at all.
            let mut head = vec![0; 4096];
            let len = client.read(&mut head).await.unwrap_or(0);
            let _ = client.write_all(&[b"ERR ".as_slice(), &head[..len]].concat()).await;
        }
    });
    let url = format!("http://user:{PASSWORD}@{address}/?apikey={KEY}");
    for transport in ["short-poll", "ws"] {
        let measured = run(&["--transport", transport], &url).await;
        assert_eq!(measured.code, 1, "{}", measured.stdout);
        assert!(measured.stderr.contains("ERR GET"), "{}", measured.stderr);
        assert_hidden(&measured.everything());
    }
    let mut check = loadgen();
    check.args(["check", &url]);
    let (code, stdout, stderr) = tokio::task::spawn_blocking(move || finish(&mut check)).await.unwrap();
    assert_ne!(code, 0, "{stdout}");
    assert_hidden(&(stdout + &stderr));
}

#[test]
fn a_url_that_is_none_is_refused_without_its_password() {
    let url = format!("http://user:{PASSWORD}@host:port/?apikey={KEY}");
    let (code, stdout, stderr) = finish(loadgen().args(["run", "--transport", "ws", "--url", &url]));
    assert_eq!(code, 2, "{stdout}{stderr}");
    assert!(stderr.contains("http://***@host:port/?apikey=***") && stderr.contains("expected one like"), "{stderr}");
    assert_hidden(&(stdout + &stderr));
}
