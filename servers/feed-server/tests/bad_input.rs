//! Bad input on the wire: every refusal has its status and a JSON error that says what was expected, and hurts nobody else.

mod lab;

use lab::{Raw, Server, handshake};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

fn split(answer: &str) -> (&str, &str) {
    answer.split_once("\r\n\r\n").expect("a head and a body")
}

#[tokio::test]
async fn every_refusal_says_what_was_expected() {
    let server = Server::start(&["--body-max", "1000", "--topics-max", "3"]);
    for topic in ["news", "b", "c"] {
        server.publish(topic, "1").await;
    }
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let cases: &[(&str, &str, &str, &str, u16, &str)] = &[
        ("GET", "/", "", "", 200, ""),
        ("GET", "/nowhere", "", "", 404, "expected /topics/{topic}"),
        ("GET", "/topics/news/smoke-signals", "", "", 404, "short-poll|long-poll|sse|ws"),
        ("GET", "/topics/news", "", "", 405, "expected a method that the Allow header names"),
        ("PUT", "/topics/news", "", "1", 405, "expected a method that the Allow header names"),
        ("POST", "/topics/news/sse", "", "1", 405, "expected a method that the Allow header names"),
        ("DELETE", "/stats", "", "", 405, "expected a method that the Allow header names"),
        ("POST", "/topics/a%20b", "", "1", 400, "expected 1 to 128 letters"),
        ("GET", "/topics/a%20b/short-poll", "", "", 400, "expected 1 to 128 letters"),
        ("POST", "/topics/%ff", "", "1", 400, "Invalid UTF-8"),
        ("POST", "/topics/one-more", "", "1", 503, "3 topics exist already"),
        ("GET", "/topics/one-more/sse", "", "", 503, "--topics-max"),
        ("POST", "/topics/news", "", "", 400, "malformed JSON"),
        ("POST", "/topics/news", "", "{\"a\":}", 400, "expected a JSON value"),
        ("POST", "/topics/news", "", "1 2", 400, "malformed JSON"),
        ("POST", "/topics/news", "", "\"\\ud800", 400, "malformed JSON"),
        ("GET", "/topics/news/short-poll?afterr=k3f9:1", "", "", 400, "unknown field `afterr`, expected `after`"),
        ("GET", "/topics/news/sse?wait=1", "", "", 400, "unknown field `wait`"),
        ("GET", "/topics/news/short-poll?after=k3f9:1&after=k3f9:2", "", "", 400, "duplicate field `after`"),
        (
            "GET",
            "/topics/news/short-poll?after=42",
            "",
            "",
            400,
            "expected epoch:offset, for example k3f9:42, or `earliest`",
        ),
        ("GET", "/topics/news/long-poll?after=K3:1", "", "", 400, "malformed cursor `K3:1`"),
        ("GET", "/topics/news/sse?after=", "", "", 400, "malformed cursor"),
        ("GET", "/topics/news/ws?after=x:99999999999999999999", upgrade, "", 400, "malformed cursor"),
        ("GET", "/topics/news/sse", "Last-Event-ID: seven\r\n", "", 400, "Last-Event-ID: malformed cursor `seven`"),
        ("GET", "/topics/news/long-poll?wait=61", "", "", 400, "expected 0 to 60 seconds"),
        ("GET", "/topics/news/long-poll?wait=-1", "", "", 400, "expected 0 to 60 seconds"),
        ("GET", "/topics/news/long-poll?wait=NaN", "", "", 400, "expected 0 to 60 seconds"),
        ("GET", "/topics/news/long-poll?wait=soon", "", "", 400, "invalid float"),
        ("GET", "/topics/news/sse", "", "a body", 400, "a request to subscribe has no body"),
        ("GET", "/topics/news/long-poll", "", "GET / HTTP/1.1\r\n\r\n", 400, "a request to subscribe has no body"),
        ("GET", "/topics/news/ws", "", "", 426, "expected a WebSocket handshake"),
        ("GET", "/topics/news/ws", "Connection: Upgrade\r\nUpgrade: h2c\r\n", "", 426, "Upgrade: websocket"),
        ("HEAD", "/topics/news/ws", upgrade, "", 426, ""),
        ("GET", "/topics/news/ws", upgrade, "", 426, "expected Sec-WebSocket-Version: 13"),
        (
            "GET",
            "/topics/news/ws",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2hvcnQ=\r\n",
            "",
            400,
            "expected 16 bytes in base64",
        ),
    ];
    for (method, path, headers, body, status, error) in cases {
        let mut client = server.dial().await;
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        client
            .write(format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}{headers}\r\n{body}"))
            .await;
        let answer = client.read_to_end().await;
        let (head, body) = split(&answer);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
        if *status == 405 {
            assert!(head.contains("\r\nallow: "), "{head}");
        }
        if *status == 426 {
            assert!(
                head.contains("\r\nupgrade: websocket") || head.contains("\r\nsec-websocket-version: 13"),
                "{head}"
            );
        }
        if *status == 503 {
            assert!(head.contains("\r\nretry-after: 1"), "{head}");
        }
        if *method != "HEAD" && *status != 200 {
            assert!(head.contains("content-type: application/json"), "{head}");
            let said: Value = serde_json::from_str(body).unwrap();
            assert!(said["error"].as_str().unwrap().contains(error), "{method} {path}: {said}");
        }
    }
    assert_eq!(server.publish("news", "2").await, 2, "nothing of all this was published");
    assert_eq!(server.stats().await.refusals["topics-max"], 2);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_and_while_it_is_read() {
    let server = Server::start(&["--body-max", "1000"]);
    let refused = |answer: &str| answer.starts_with("HTTP/1.1 413 ") && answer.contains("--body-max");
    let mut announced = server.dial().await;
    announced.write("POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n").await;
    assert!(refused(&announced.read_until("}", 1).await));
    let mut chunked = server.dial().await;
    chunked.write("POST /topics/news HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    chunked.write(format!("3e9\r\n{}\r\n", "1".repeat(1001))).await;
    assert!(refused(&chunked.read_until("}", 1).await));
    let mut cut = server.dial().await;
    cut.write("POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n1").await;
    drop(cut);
    assert_eq!(server.publish("news", &"1".repeat(1000)).await, 1, "a thousand bytes are not more than a thousand");
    let stats = server.stats().await;
    assert_eq!((stats.published, stats.refusals["body-max"]), (1, 2));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_counted_whatever_follows_it() {
    for (flags, allowed, refused) in [(&[][..], 16_000, 17_000), (&["--head-max", "8192"][..], 8_000, 8_300)] {
        let server = Server::start(flags);
        let request = |len: usize| {
            let rest = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: \r\n\r\n";
            rest.replace("Cookie: ", &format!("Cookie: {}", "x".repeat(len - rest.len())))
        };
        for request in
            [request(refused), request(refused).repeat(4), request(refused).replace("Connection: close\r\n", "")]
        {
            let mut client = server.dial().await;
            client.write(request).await;
            let answer = client.read_to_end().await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        }
        let mut client = server.dial().await;
        client.write(request(allowed)).await;
        assert!(client.read_to_end().await.starts_with("HTTP/1.1 200 "));
        assert_eq!(server.stats().await.refusals["head-max"], 3);
    }
}

#[tokio::test]
async fn what_is_not_http_ends_only_its_own_connection() {
    let server = Server::start(&["--head-timeout", "200ms"]);
    let huge = format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", "x".repeat(40_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5000));
    for garbage in
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\0", "GET / HTTP/9.9\r\n\r\n", &huge, &many]
    {
        let mut client = server.dial().await;
        let _ = client.stream.write_all(garbage.as_bytes()).await;
        // Closed at once, or after the head timeout for what could still become a request.
        let mut rest = Vec::new();
        let ended = tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest);
        let _ = tokio::time::timeout(lab::PATIENCE, ended).await.expect("it ends");
    }
    let mut slow: Raw = server.dial().await;
    slow.write("GET / HT").await;
    slow.read_to_end().await;
    let mut slow: Raw = server.dial().await;
    slow.write("POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12345").await;
    let answer = slow.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("not whole after 0.2 seconds"), "{answer}");
    assert_eq!(server.publish("news", "1").await, 1);
    server.stats_when(|stats| stats.connections["other"].open <= 2).await;
}

#[tokio::test]
async fn frames_that_the_protocol_forbids_are_answered_with_the_code_that_says_so() {
    let server = Server::start(&["--message-max", "100"]);
    let masked = |first: u8, payload: &[u8]| {
        let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        frame
    };
    let cases: [(Vec<u8>, u16, &str); 7] = [
        (b"\x81\x01x".to_vec(), 1002, "protocol-error"),
        (masked(0xc1, b"x"), 1002, "protocol-error"),
        (masked(0x83, b"x"), 1002, "protocol-error"),
        (masked(0x09, b"x"), 1002, "protocol-error"),
        (masked(0x88, b"\x03"), 1002, "protocol-error"),
        (masked(0x81, b"\xc3\x28"), 1007, "protocol-error"),
        (masked(0x82, &[0; 101]), 1009, "sent-too-much"),
    ];
    for (frame, code, _) in &cases {
        let mut client = server.dial().await;
        client.write(handshake("")).await;
        client.read_until("recovered\":true}", 1).await;
        client.write(frame).await;
        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest).await.unwrap();
        assert_eq!((rest[0], &rest[2..4]), (0x88, &code.to_be_bytes()[..]), "{frame:x?}: {rest:x?}");
    }
    for reason in ["protocol-error", "sent-too-much"] {
        server.ended("ws", reason, cases.iter().filter(|case| case.2 == reason).count() as u64).await;
    }
}

#[tokio::test]
async fn a_head_request_is_answered_without_a_body_and_without_waiting() {
    let server = Server::start(&[]);
    for transport in ["short-poll", "long-poll", "sse"] {
        let mut client = server.dial().await;
        client.write(format!("HEAD /topics/news/{transport} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        let answer = client.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{transport}: {answer}");
    }
}
