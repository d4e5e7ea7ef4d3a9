//! The floor and its reader: the same bytes over every transport, answers in order, one write(2) per delivery, and true counts.

mod lab;

use std::process::{Output, Stdio};

use lab::BOUND;
use lab::wire::{Wire, field, flood, flood_number, publish};
use peers::Peer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A program of the floor, which the caller has set up.
fn program(name: &str) -> String {
    peers::folder("floor").join(".setup").join(name).display().to_string()
}

/// Waits for what a program said and how it ended.
async fn finish(child: Child) -> Output {
    timeout(BOUND, child.wait_with_output()).await.expect("it does not end").unwrap()
}

/// Starts floor-reader and waits until all of its clients are live.
async fn start_reader(peer: &Peer, flags: &[&str]) -> Child {
    let mut reader = Command::new(program("floor-reader"))
        .args([&["--url", &peer.url, "--seconds", "60"], flags].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(reader.stderr.take().unwrap()).lines();
    assert_eq!(timeout(BOUND, said.next_line()).await.unwrap().unwrap().as_deref(), Some("ready"));
    reader
}

/// Ends a program as a user would.
fn terminate(child: &Child) {
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

#[tokio::test]
async fn every_transport_gets_the_same_bytes() {
    let Some(peer) = Peer::for_test("floor", &[]).await else { return };
    let payload = r#"{"text": "wl1:0badcafe:0000:00000001:00000000000000ff;"}"#;
    let mut socket = Wire::dial(&peer).await;
    socket.upgrade("/topics/news/ws").await;
    let mut stream = Wire::dial(&peer).await;
    stream.get("/topics/news/sse", &[]).await;
    stream.hear_until("3\r\n:\n\n\r\n").await;
    let mut held = Wire::dial(&peer).await;
    held.get("/topics/news/long-poll", &[]).await;
    let (head, body) = held.hear_answer().await;
    assert_eq!((field(&head, "etag"), body.as_str()), (Some("\"0\""), ""), "the first poll brings the cursor, at once");
    held.get("/topics/news/long-poll", &["If-None-Match: \"0\""]).await;

    assert_eq!(publish(&peer, "news", payload).await.0, 201);
    assert_eq!(socket.hear_frame().await, (0x81, payload.as_bytes().to_vec()));
    assert_eq!(
        stream.hear_until("\n\n\r\n").await,
        format!("{:x}\r\nid:1\ndata:{payload}\n\n\r\n", payload.len() + 12)
    );
    assert_eq!(held.hear_answer().await.1, format!("{payload}\n"));
    held.get("/topics/news/short-poll", &["If-None-Match: \"0\""]).await;
    let (head, body) = held.hear_answer().await;
    assert_eq!((field(&head, "etag"), body), (Some("\"1\""), format!("{payload}\n")));
    held.get("/topics/news/short-poll", &["If-None-Match: \"1\""]).await;
    assert!(held.hear_answer().await.0.starts_with("HTTP/1.1 304 "));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let Some(peer) = Peer::for_test("floor", &[]).await else { return };
    let mut client = Wire::dial(&peer).await;
    let mut requests = String::new();
    for number in 0..200 {
        requests.push_str(&format!("POST /topics/news HTTP/1.1\r\nContent-Length: 3\r\n\r\n{:03}", number + 1));
        requests.push_str(&format!("GET /topics/news/short-poll HTTP/1.1\r\nIf-None-Match: \"{number}\"\r\n\r\n"));
    }
    // In two pieces that cut a request in two.
    let (first, second) = requests.split_at(requests.len() / 2 - 20);
    client.say(first).await;
    client.say(second).await;
    for number in 1..=200 {
        assert!(client.hear_answer().await.0.starts_with("HTTP/1.1 201 "));
        let (head, body) = client.hear_answer().await;
        assert_eq!((field(&head, "etag"), body), (Some(&*format!("\"{number}\"")), format!("{number:03}\n")));
    }
}

#[tokio::test]
async fn a_websocket_client_is_ponged_and_bid_farewell() {
    let Some(peer) = Peer::for_test("floor", &[]).await else { return };
    let mut client = Wire::dial(&peer).await;
    client.upgrade("/topics/news/ws").await;
    // Masked with zeros: a text, a ping with `hi`, a close with 1000 (RFC 6455, section 5.2).
    client.say(b"\x81\x83\0\0\0\0abc\x89\x82\0\0\0\0hi").await;
    assert_eq!(client.hear_frame().await, (0x8a, b"hi".to_vec()));
    client.say(b"\x88\x82\0\0\0\0\x03\xe8").await;
    assert_eq!(client.hear_frame().await, (0x88, b"\x03\xe8".to_vec()));
    assert_eq!(client.end().await, b"");
    let mut unmasked = Wire::dial(&peer).await;
    unmasked.upgrade("/topics/news/ws").await;
    unmasked.say(b"\x81\x03abc").await;
    assert_eq!(unmasked.hear_frame().await, (0x88, b"\x03\xea".to_vec()), "1002, protocol error");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let Some(peer) = Peer::for_test("floor", &[]).await else { return };
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "404"),
        ("GET /topics/news HTTP/1.1\r\n\r\n".to_owned(), "405"),
        ("GET /topics/news/ws HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("GET /topics/news/short-poll HTTP/1.1\r\nIf-None-Match: 7\r\n\r\n".to_owned(), "400"),
        ("POST /topics/news HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), "411"),
        ("POST /topics/news HTTP/1.1\r\nContent-Length: 65537\r\n\r\n".to_owned(), "413"),
        ("POST /topics/news HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nb".to_owned(), "400"),
        ("POST /topics/news HTTP/1.1\r\nContent-Length: 3\r\n\r\na\rb".to_owned(), "400"),
        (format!("GET /topics/news/ws HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9_000)), "431"),
    ] {
        let mut client = Wire::dial(&peer).await;
        client.say(&request).await;
        let answer = String::from_utf8(client.end().await).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{:.60}: {answer}", request);
    }
    assert_eq!(publish(&peer, "news", "1").await.0, 201, "it serves on");
}

/// A stream loses what it was passed over for, and that is counted; what was begun is finished, so no frame is broken.
#[tokio::test]
async fn a_stream_that_takes_nothing_is_skipped_and_counted_and_the_others_lose_nothing() {
    const FLOOD: usize = 300;
    if peers::set_up("floor").await.is_err() {
        return drop(Peer::for_test("floor", &[]).await);
    }
    let mut server = Command::new(program("floor"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = timeout(BOUND, lines.next_line()).await.unwrap().unwrap().unwrap();
    let url = line.strip_prefix("listening on ").unwrap();

    let mut slow = Wire::connect(url, Some(4096)).await;
    slow.upgrade("/topics/news/ws").await;
    let mut fast = Wire::connect(url, None).await;
    fast.upgrade("/topics/news/ws").await;
    let mut publisher = Wire::connect(url, None).await;
    for number in 0..FLOOD {
        let payload = flood(number);
        publisher
            .say(format!("POST /topics/news HTTP/1.1\r\nContent-Length: {}\r\n\r\n{payload}", payload.len()))
            .await;
        publisher.hear_answer().await;
        assert_eq!(flood_number(&fast.hear_frame().await.1), number);
    }
    // The pong to an empty ping comes once the slow one has read all that was begun.
    slow.say(b"\x89\x80\0\0\0\0").await;
    let mut heard = Vec::new();
    loop {
        let (first, payload) = slow.hear_frame().await;
        if first == 0x8a {
            break;
        }
        assert_eq!(first, 0x81);
        heard.push(flood_number(&payload));
    }
    assert!(heard.is_sorted(), "{heard:?}");
    publisher.say("POST /topics/news HTTP/1.1\r\nContent-Length: 4\r\n\r\nlast").await;
    publisher.hear_answer().await;
    for reader in [&mut fast, &mut slow] {
        assert_eq!(reader.hear_frame().await, (0x81, b"last".to_vec()), "who has room again is sent to again");
    }
    drop(server.stdin.take());
    let counts: Value = serde_json::from_slice(&finish(server).await.stderr).unwrap();
    let count = |name: &str| usize::try_from(counts[name].as_u64().unwrap()).unwrap();
    assert_eq!((count("published"), count("delivered") + count("skipped")), (FLOOD + 1, 2 * (FLOOD + 1)), "{counts}");
    assert!(count("skipped") > 0, "the flood is too small for this machine's socket buffers: {counts}");
    assert_eq!(heard.len(), FLOOD - count("skipped"), "{counts}");
}

#[tokio::test]
async fn a_delivery_is_one_write() {
    const READERS: usize = 7;
    const PUBLISHED: usize = 20;
    let Some(peer) = Peer::for_test("floor", &[]).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("calls");
    let calls = "trace=write,writev,send,sendto,sendmsg,sendmmsg,sendfile,splice";
    let traced = Command::new("strace")
        .args(["-f", "-e", calls, "-o", log.to_str().unwrap(), "-p", &peer.pid().unwrap().to_string()])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let Ok(mut strace) = traced else {
        return peers::skip("strace", &"it is not installed: apt-get install strace");
    };
    let mut said = BufReader::new(strace.stderr.take().unwrap()).lines();
    let line = timeout(BOUND, said.next_line()).await.unwrap().unwrap().unwrap_or_default();
    if !line.contains("attached") {
        return peers::skip("strace", &format!("it may not trace here: {line}"));
    }
    // A length for each transport by which its writes are known: payload, framing, and the digits of numbers up to 20.
    let payload = "x".repeat(300);
    let mut sockets = Vec::new();
    for _ in 0..READERS {
        let mut socket = Wire::dial(&peer).await;
        socket.upgrade("/topics/news/ws").await;
        sockets.push(socket);
        let mut stream = Wire::dial(&peer).await;
        stream.get("/topics/news/sse", &[]).await;
        stream.hear_until(":\n\n\r\n").await;
        sockets.push(stream);
    }
    for _ in 0..PUBLISHED {
        publish(&peer, "news", &payload).await;
    }
    for socket in &mut sockets {
        for _ in 0..PUBLISHED {
            socket.hear_until("x").await;
            socket.hear(299).await;
        }
    }
    terminate(&strace);
    timeout(BOUND, strace.wait()).await.unwrap().unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    let writes: Vec<_> = log.lines().filter(|line| line.contains('(')).collect();
    let heads = 2 * READERS;
    assert_eq!(
        writes.len(),
        heads + PUBLISHED * (2 * READERS + 1),
        "one for a head, a delivery, an answer to a publish: {log}"
    );
    assert!(writes.iter().all(|line| line.contains("write(")), "{log}");
}

#[tokio::test]
async fn the_reader_counts_what_was_published_on_every_transport() {
    let Some(peer) = Peer::for_test("floor", &[]).await else { return };
    // Of streams the bytes are known as well: a frame has a head of two; an event is `16`, `id:1`, `data:` and line ends, and the
    // tenth has a digit more. What polls bring in one answer is chance, so they are counted until a time is over.
    let streams = ["--messages", "200"].as_slice();
    let polls = ["--seconds", "5", "--interval", "100"].as_slice();
    let cases = [
        ("ws", streams, Some(10 * 12)),
        ("sse", streams, Some(10 * 28 + 1)),
        ("long-poll", polls, None),
        ("short-poll", polls, None),
    ];
    let mut running = Vec::new();
    for (transport, until, bytes) in cases {
        let flags = [&["--transport", transport, "--topic", transport, "--connections", "20"], until].concat();
        running.push((start_reader(&peer, &flags).await, transport, bytes));
    }
    for number in 0..10 {
        for (_, topic, _) in &running {
            assert_eq!(publish(&peer, topic, &format!("\"number {number}\"")).await.0, 201);
        }
    }
    for (reader, _, bytes) in running {
        let output = finish(reader).await;
        assert!(output.status.success(), "{output:?}");
        let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&counts["messages"], &counts["ended"]), (&Value::from(200), &Value::from(0)), "{counts}");
        assert!(counts["cpu_us_per_message"].is_number(), "{counts}");
        if let Some(bytes) = bytes {
            assert_eq!(counts["bytes"], 20 * bytes, "{counts}");
        }
    }
}

#[tokio::test]
async fn what_was_not_received_has_no_cost_per_message() {
    let Some(peer) = Peer::for_test("floor", &[]).await else { return };
    let reader = start_reader(&peer, &["--transport", "ws", "--connections", "2"]).await;
    terminate(&reader);
    let counts: Value = serde_json::from_slice(&finish(reader).await.stdout).unwrap();
    assert_eq!(
        (&counts["messages"], &counts["cpu_us_per_message"]),
        (&Value::from(0), &Value::Null),
        "missing, not zero"
    );
    let wrong = Command::new(program("floor-reader")).args(["--transport", "carrier-pigeon"]).output().await.unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).starts_with("usage: floor-reader"));
}
