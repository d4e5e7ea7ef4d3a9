//! TLS: the same feed to whoever trusts the certificate, on HTTP/1.1 and HTTP/2, and a slow reader loses nothing to it.

mod lab;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lab::{PATIENCE, Server};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;

/// A server with a certificate of its own, and the file in which that stands.
struct Secure {
    server: Server,
    certificate: NamedTempFile,
}

impl Secure {
    async fn start(flags: &[&str]) -> Self {
        let certificate = NamedTempFile::new().unwrap();
        let file = certificate.path().to_str().unwrap().to_owned();
        let server = Server::connect(&[flags, &["--tls-self-signed", &file]].concat()).await;
        Self { server, certificate }
    }

    async fn dial_as(&self, protocol: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certificate.path()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let tcp = TcpStream::connect(self.server.address).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap()
    }

    async fn dial(&self) -> TlsStream<TcpStream> {
        self.dial_as("http/1.1").await
    }

    async fn http2(&self) -> SendRequest<Full<Bytes>> {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(self.dial_as("h2").await)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Sends `request` on a connection of its own, and returns the answer.
    async fn ask(&self, request: &str) -> String {
        let mut line = self.dial().await;
        line.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, line.read_to_string(&mut answer)).await.expect("an answer comes").unwrap();
        answer
    }

    async fn publish(&self, payload: &str) {
        let length = payload.len();
        let request = format!(
            "POST /topics/news HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{payload}"
        );
        assert!(self.ask(&request).await.starts_with("HTTP/1.1 201 "));
    }

    async fn stats(&self) -> Value {
        let answer = self.ask("GET /stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Asks for statistics until `field` of `kind` is `expected`.
    async fn until(&self, kind: &str, field: &str, expected: u64) {
        let asking = async {
            while self.stats().await["connections"][kind][field] != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{kind}.{field} is never {expected}"));
    }
}

async fn read_until(line: &mut TlsStream<TcpStream>, end: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(end) {
        let read = timeout(PATIENCE, line.read_buf(&mut seen)).await.expect("something comes").unwrap();
        assert!(read > 0, "ended after {:?}", String::from_utf8_lossy(&seen));
    }
    String::from_utf8(seen).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_brings_the_feed_over_tls() {
    let secure = Secure::start(&[]).await;
    let mut held = secure.dial().await;
    held.write_all(get("/topics/news/long-poll").as_bytes()).await.unwrap();
    let mut sse = secure.dial().await;
    sse.write_all(get("/topics/news/sse").as_bytes()).await.unwrap();
    read_until(&mut sse, "subscribed").await;
    let url = format!("wss://localhost:{}/topics/news/ws", secure.server.address.port());
    let (mut ws, _) = tokio_tungstenite::client_async(url, secure.dial().await).await.unwrap();
    assert!(ws.next().await.unwrap().unwrap().to_text().unwrap().contains("subscribed"));
    secure.until("long-poll", "open", 1).await;

    secure.publish("\"good news\"").await;
    assert!(read_until(&mut held, "]}").await.contains("good news"));
    assert!(read_until(&mut sse, "good news\"}\n\n").await.contains("notification"));
    assert!(ws.next().await.unwrap().unwrap().to_text().unwrap().contains("good news"));
    ws.send(Message::Ping(Bytes::from_static(b"?"))).await.unwrap();
    assert_eq!(ws.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"?")));
    held.write_all(get("/topics/news/short-poll?after=earliest").as_bytes()).await.unwrap();
    assert!(read_until(&mut held, "]}").await.contains("good news"), "the connection goes on after a held poll");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_is_what_is_inside() {
    let secure = Secure::start(&[]).await;
    let mut line = secure.dial().await;
    let request = get("/topics/news/short-poll");
    line.write_all(request.as_bytes()).await.unwrap();
    let answer = read_until(&mut line, "]}").await;
    secure.until("short-poll", "bytes_read", request.len() as u64).await;
    secure.until("short-poll", "bytes_written", answer.len() as u64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_pauses_gets_every_byte_in_order() {
    let secure = Secure::start(&["--body-max", "200000"]).await;
    let mut sse = secure.dial().await;
    sse.write_all(get("/topics/news/sse").as_bytes()).await.unwrap();
    read_until(&mut sse, "subscribed").await;
    // More than both kernels hold, less than the history.
    let letters = || ('a'..='z').cycle().take(100);
    for letter in letters() {
        secure.publish(&format!("\"{}\"", String::from(letter).repeat(120_000))).await;
    }
    let mut seen = Vec::new();
    while memchr::memmem::find_iter(&seen, b"\"payload\":\"").count() < 100 || !seen.ends_with(b"\n\n\r\n") {
        assert!(timeout(PATIENCE, sse.read_buf(&mut seen)).await.expect("more comes").unwrap() > 0);
    }
    let text = String::from_utf8(seen).unwrap();
    let payloads: Vec<&str> =
        text.split("\"payload\":\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
    assert_eq!(payloads.len(), 100);
    for (payload, letter) in payloads.iter().zip(letters()) {
        assert!(payload.len() == 120_000 && payload.chars().all(|each| each == letter), "{letter}: {}", payload.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_streams_hold_and_publish_beside_each_other() {
    let secure = Secure::start(&[]).await;
    let mut sender = secure.http2().await;
    let mut ask = async |request: Request<Full<Bytes>>| {
        timeout(PATIENCE, sender.send_request(request)).await.expect("an answer comes").unwrap()
    };
    let to = |path: &str| Request::get(format!("https://localhost{path}")).body(Full::default()).unwrap();

    let mut sse = ask(to("/topics/news/sse")).await;
    assert_eq!((sse.status(), sse.version()), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(sse.headers()["content-type"], "text/event-stream");
    assert!(!sse.headers().contains_key("transfer-encoding"));
    secure.until("sse", "open", 1).await;
    let post = Request::post("https://localhost/topics/news").body(Full::from("\"good news\"")).unwrap();
    assert_eq!(ask(post).await.status(), StatusCode::CREATED);
    let mut text = String::new();
    while !text.ends_with("good news\"}\n\n") {
        let frame = timeout(PATIENCE, sse.frame()).await.expect("the stream goes on").unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    let missing = ask(to("/nothing")).await;
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
async fn the_end_of_a_stream_is_told_from_a_cut() {
    let mut secure = Secure::start(&[]).await;
    let mut sse = secure.dial().await;
    sse.write_all(get("/topics/news/sse").as_bytes()).await.unwrap();
    read_until(&mut sse, "subscribed").await;
    secure.server.tell_to_stop();
    let mut rest = String::new();
    // An end without the alert that announces it is an error here (RFC 8446, section 6.1).
    timeout(PATIENCE, sse.read_to_string(&mut rest)).await.expect("the stream ends").unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    secure.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_shake_hands_is_shown_out() {
    let secure = Secure::start(&["--head-timeout", "100ms"]).await;
    let mut silent = TcpStream::connect(secure.server.address).await.unwrap();
    let mut in_the_clear = TcpStream::connect(secure.server.address).await.unwrap();
    in_the_clear.write_all(get("/healthz").as_bytes()).await.unwrap();
    for line in [&mut silent, &mut in_the_clear] {
        let mut answer = Vec::new();
        // A refusal may come as an alert, or as a reset for what was not read.
        let _ = timeout(PATIENCE, line.read_to_end(&mut answer)).await.expect("it is ended");
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    secure.until("other", "open", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_than_fits_is_refused_under_the_same_seal() {
    let secure = Secure::start(&["--connections-max", "1"]).await;
    let mut first = secure.dial().await;
    first.write_all(get("/healthz").as_bytes()).await.unwrap();
    read_until(&mut first, "ok\n").await;
    let answer = secure.ask(&get("/healthz")).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.to_lowercase().contains("retry-after"), "{answer}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_named() {
    let empty = NamedTempFile::new().unwrap();
    let file = empty.path().to_str().unwrap();
    let listen = async |cert: &str, key: &str| {
        let flags = ["feed-server", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        let config = <feed_server::Config as clap::Parser>::try_parse_from(flags).unwrap();
        format!("{:#}", feed_server::listen(&config).await.unwrap_err())
    };
    let error = listen("/nowhere/cert.pem", file).await;
    assert!(error.contains("/nowhere/cert.pem"), "{error}");
    let error = listen(file, file).await;
    assert!(error.contains("holds no certificate"), "{error}");
}
