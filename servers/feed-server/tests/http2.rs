//! HTTP/2: the feed on streams of one connection, which is a connection like any other to guards, counters and a server that stops.

mod lab;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use lab::PATIENCE;
use lab::program::Program;
use lab::secure::{Secure, dial, speak_http2};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

/// What a client says first: the preface, and settings of which none differs from what they are anyway (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The type of a frame that ends a connection (RFC 9113, section 6.8).
const GOAWAY: u8 = 7;

fn to(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("https://localhost{path}")).body(Full::default()).unwrap()
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Response<Incoming> {
    timeout(PATIENCE, sender.send_request(request)).await.expect("an answer comes").unwrap()
}

async fn stats(sender: &mut SendRequest<Full<Bytes>>) -> Value {
    let answer = ask(sender, to("/stats")).await.into_body().collect().await.unwrap();
    serde_json::from_slice(&answer.to_bytes()).unwrap()
}

/// Reads a stream until it has said `end`; all that it said.
async fn read_until(stream: &mut Response<Incoming>, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let frame = timeout(PATIENCE, stream.frame()).await.expect("the stream goes on").expect(&text).unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    text
}

/// The error code of the last frame that ends the connection, once the server has closed it. Nothing is answered to what it says meanwhile.
async fn farewell(line: &mut TlsStream<TcpStream>) -> Option<u32> {
    let mut said = Vec::new();
    // Who does not answer to GOAWAY is told no more.
    let _ = timeout(PATIENCE, line.read_to_end(&mut said)).await.expect("the connection is closed");
    let (mut rest, mut code) = (&said[..], None);
    while let [a, b, c, kind, _, _, _, _, _, behind @ ..] = rest {
        let (payload, next) = behind.split_at(u32::from_be_bytes([0, *a, *b, *c]) as usize);
        if *kind == GOAWAY {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        rest = next;
    }
    code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_streams_hold_and_publish_beside_each_other() {
    let secure = Secure::start(&[]).await;
    let mut sender = secure.http2().await;
    let mut sse = ask(&mut sender, to("/topics/news/sse")).await;
    assert_eq!((sse.status(), sse.version()), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(sse.headers()["content-type"], "text/event-stream");
    assert!(!sse.headers().contains_key("transfer-encoding"));
    secure.until("sse", "open", 1).await;
    let post = Request::post("https://localhost/topics/news").body(Full::from("\"good news\"")).unwrap();
    assert_eq!(ask(&mut sender, post).await.status(), StatusCode::CREATED);
    assert!(read_until(&mut sse, "good news\"}\n\n").await.contains("subscribed"));
    let missing = ask(&mut sender, to("/nothing")).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);

    drop(sse);
    secure.until("sse", "open", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_an_http_2_stream_is_gone_from_the_counts_and_the_others_stay() {
    let secure = Secure::start(&[]).await;
    let mut sender = secure.http2().await;
    let held = |wait| Request::get(format!("https://localhost/topics/news/long-poll?wait={wait}"));
    let leaving = sender.send_request(held(20).body(Full::default()).unwrap());
    let staying = sender.send_request(held(30).body(Full::default()).unwrap());
    let leaving = tokio::spawn(leaving);
    let staying = tokio::spawn(staying);
    secure.until("long-poll", "open", 2).await;
    leaving.abort();
    secure.until("long-poll", "open", 1).await;
    secure.publish("1").await;
    assert_eq!(timeout(PATIENCE, staying).await.unwrap().unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_guard_is_asked_of_a_stream() {
    let secure = Secure::start(&[]).await;
    let mut sender = secure.http2().await;
    let mut from = async |origin: &str| {
        let request = Request::get("https://localhost/topics/news/short-poll").header("origin", origin);
        ask(&mut sender, request.body(Full::default()).unwrap()).await.status()
    };
    assert_eq!(from("https://localhost").await, StatusCode::OK, "its own page");
    assert_eq!(from("https://evil.test").await, StatusCode::FORBIDDEN);
    let large = Request::get("https://localhost/").header("x", "y".repeat(20_000)).body(Full::default()).unwrap();
    assert_eq!(ask(&mut sender, large).await.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    let secure = Secure::start(&["--requests-per-second", "0.001", "--requests-burst", "2"]).await;
    let mut sender = secure.http2().await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(ask(&mut sender, to("/healthz")).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429], "streams are of one address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_count_among_the_connections_of_their_address_and_among_all() {
    for (flags, status, guard) in [
        // The connection, and two streams.
        (["--connections-per-address", "3"], 429, "connections-per-address"),
        // The connection, and two streams of two descriptors each.
        (["--connections-max", "5"], 503, "connections-max"),
    ] {
        let secure = Secure::start(&flags).await;
        let mut sender = secure.http2().await;
        let held = [ask(&mut sender, to("/topics/news/sse")).await, ask(&mut sender, to("/topics/news/sse")).await];
        assert!(held.iter().all(|stream| stream.status() == StatusCode::OK));
        let refused = ask(&mut sender, to("/stats")).await;
        assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (status, "1"));
        drop(held);
        let admitted = async { while ask(&mut sender, to("/healthz")).await.status() != StatusCode::OK {} };
        timeout(PATIENCE, admitted).await.expect("who leaves makes room");
        let stats = stats(&mut sender).await;
        assert!(stats["refusals"][guard].as_u64().unwrap() >= 1, "{stats}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_streams_idles_no_longer_than_others_and_one_with_a_stream_stays() {
    let secure = Secure::start(&["--idle-timeout", "2s"]).await;
    let mut sender = secure.http2().await;
    let mut sse = ask(&mut sender, to("/topics/news/sse")).await;
    let mut idle = secure.dial_as("h2").await;
    idle.write_all(PREFACE).await.unwrap();
    let mut silent = secure.dial_as("h2").await;
    assert_eq!(farewell(&mut idle).await, Some(0), "it is told to go, and not waited for");
    farewell(&mut silent).await;
    secure.publish("\"good news\"").await;
    read_until(&mut sse, "good news").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_answers_no_ping_is_gone_from_the_counts() {
    let secure = Secure::start(&["--ping-interval", "1s", "--pong-timeout", "1s"]).await;
    let mut vanished = secure.dial_as("h2").await;
    vanished.write_all(PREFACE).await.unwrap();
    secure.until("other", "open", 2).await;
    // Itself alone, who asks.
    secure.until("other", "open", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_go_on_until_their_connection_is_ended() {
    let mut secure = Secure::start(&["--drain", "4s"]).await;
    let mut polling = Vec::new();
    for _ in 0..8 {
        let mut sender = secure.http2().await;
        assert_eq!(ask(&mut sender, to("/topics/news/short-poll")).await.status(), StatusCode::OK);
        polling.push(sender);
    }
    secure.server.tell_to_stop();
    let mut answered = 0;
    for mut sender in polling {
        while let Ok(answer) = sender.send_request(to("/topics/news/short-poll")).await {
            answered += u64::from(answer.status() == StatusCode::OK);
        }
    }
    assert!(answered > 8, "{answered} polls over 8 connections were answered as ever");
    secure.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_ends_streams_and_connections_in_time_whatever_their_clients_do() {
    let certificate = NamedTempFile::new().unwrap();
    let file = certificate.path().to_str().unwrap();
    let mut program = Program::start(&["--drain", "4s", "--tls-self-signed", file]);
    let address = program.address.parse().unwrap();
    let mut sender = speak_http2(dial(address, certificate.path(), "h2").await).await;
    let mut sse = ask(&mut sender, to("/topics/news/sse")).await;
    read_until(&mut sse, "subscribed").await;
    let held = tokio::spawn(sender.send_request(to("/topics/news/long-poll?wait=30")));
    let is_held = async { while stats(&mut sender).await["connections"]["long-poll"]["open"] != 1 {} };
    timeout(PATIENCE, is_held).await.expect("it is held");
    // It answers nothing, not even to a farewell.
    let mut deaf = dial(address, certificate.path(), "h2").await;
    deaf.write_all(PREFACE).await.unwrap();
    let mut never_begun = dial(address, certificate.path(), "h2").await;

    program.signal("-TERM");
    read_until(&mut sse, "retry:").await;
    timeout(PATIENCE, sse.collect()).await.expect("it ends").expect("it is not cut");
    let answer = timeout(PATIENCE, held).await.expect("it is answered").unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(farewell(&mut deaf).await, Some(0), "GOAWAY, without a fault");
    farewell(&mut never_begun).await;
    // The long poll would have been held for 30 s.
    let end = timeout(2 * PATIENCE, tokio::task::spawn_blocking(move || program.end()));
    let (code, said) = end.await.expect("it ends").unwrap();
    assert_eq!(code, Some(0), "{said}");
}
