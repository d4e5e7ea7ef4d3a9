//! TLS: the same feed to whoever trusts the certificate, and a slow reader loses nothing to it. HTTP/2 has a file of its own.

mod lab;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use lab::PATIENCE;
use lab::secure::{Secure, read_until};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

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
