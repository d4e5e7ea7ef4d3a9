//! Requests that come whole are answered at once, others go through hyper: whichever way one takes, its client cannot tell.

mod lab;

use lab::{Raw, Server, handshake};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn post(payload: &str) -> String {
    format!("POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{payload}", payload.len())
}

/// Reads one answer: its head without the date, and as many bytes of body as it says.
async fn answer(client: &mut Raw, bodiless: bool) -> String {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.stream.read_u8().await.expect("a head that ends"));
        }
        let head = String::from_utf8(head).unwrap();
        let len =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |len| len.parse().unwrap());
        let mut body = vec![0; if bodiless { 0 } else { len }];
        client.stream.read_exact(&mut body).await.unwrap();
        client.received += (head.len() + body.len()) as u64;
        let head: Vec<_> = head.lines().filter(|line| !line.starts_with("date: ")).collect();
        [&head.join("\n"), "\n", &String::from_utf8(body).unwrap()].concat()
    };
    tokio::time::timeout(lab::PATIENCE, read).await.expect("an answer")
}

const ENGINE: &str = "/socket.io/?EIO=4&transport=polling";

/// Opens an Engine.IO session and takes its first ping: the router holds the next poll until there is another, after 25 s.
async fn engine_session(client: &mut Raw) -> String {
    client.write(get(ENGINE)).await;
    let open = answer(client, false).await;
    let sid = open.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a session");
    client.write(get(&format!("{ENGINE}&sid={sid}"))).await;
    assert!(answer(client, false).await.ends_with("\n2"));
    sid.to_owned()
}

/// Writes the first `at` bytes of `request`, and the others once the server has read those.
async fn write_in_two(server: &Server, client: &mut Raw, request: &str, at: usize) {
    let read = |stats: &feed::ServerStats| stats.connections.values().map(|kind| kind.bytes_read).sum::<u64>();
    let before = read(&server.stats().await);
    let asking = read(&server.stats().await) - before;
    let beyond = at as u64 % asking;
    assert_ne!(beyond, 0, "what asking costs can be told from what is written");
    client.write(&request[..at]).await;
    server.stats_when(|stats| (read(stats) - before) % asking == beyond).await;
    client.write(&request[at..]).await;
}

#[tokio::test]
async fn a_request_in_two_halves_is_answered_as_a_whole_one() {
    let server = Server::start(&["--body-max", "100"]);
    server.publish("news", "1").await;
    let cursor = server.get("/topics/news/short-poll").await.headers()["etag"].to_str().unwrap().to_owned();
    let with = |path: &str, field: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n");
    let cases = [
        get("/healthz"),
        get("/"),
        get("/nowhere"),
        get("/topics/news"),
        get("/topics/news/short-poll"),
        get("/topics/news/short-poll?after=earliest"),
        get("/topics/news/short-poll?after=43"),
        get("/topics/news/long-poll?wait=0"),
        get("/topics/news/long-poll?wait=0.01"),
        get("/topics/news/ws"),
        with("/topics/news/short-poll", &format!("If-None-Match: {cursor}")),
        with("/topics/news/long-poll?wait=0", &format!("If-None-Match: {cursor}")),
        with("/topics/news/short-poll", "Connection: keep-alive, upgrade\r\nUpgrade: h2c\r\nA: b\r\nA: c"),
        with("/topics/news/short-poll", "Content-Length: 0"),
        with("/topics/news/short-poll", "Connection: close"),
        with("/topics/news/short-poll", &"A: b\r\n".repeat(40)),
        with("/healthz", &format!("A: {}", "b".repeat(9_000))),
        "GET /topics/news/short-poll HTTP/1.0\r\n\r\n".to_owned(),
        "HEAD /topics/news/short-poll HTTP/1.1\r\n\r\n".to_owned(),
        "HEAD /topics/news/sse HTTP/1.1\r\n\r\n".to_owned(),
        "HEAD /healthz HTTP/1.1\r\n\r\n".to_owned(),
        "HEAD /nowhere HTTP/1.1\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\n\r\n".to_owned(),
        "PUT /topics/news HTTP/1.1\r\nContent-Length: 1\r\n\r\n1".to_owned(),
        "POST /topics/other HTTP/1.1\r\nContent-Length: 2\r\n\r\n{]".to_owned(),
        format!("POST /topics/other HTTP/1.1\r\nContent-Length: 101\r\n\r\n{}", "1".repeat(101)),
        handshake("?after=43"),
    ];
    for request in cases {
        let bodiless = request.starts_with("HEAD");
        let mut whole = server.dial().await;
        whole.write(&request).await;
        let at_once = answer(&mut whole, bodiless).await;
        let mut halves = server.dial().await;
        write_in_two(&server, &mut halves, &request, 10).await;
        assert_eq!(at_once, answer(&mut halves, bodiless).await, "{request}");
    }
}

#[tokio::test]
async fn a_body_that_comes_later_is_waited_for_and_the_requests_behind_it_are_answered() {
    let server = Server::start(&[]);
    let mut client = server.dial().await;
    for id in 1..=3 {
        let request = [post(&format!("\"{}\"", "x".repeat(300))), get("/healthz")].concat();
        let body = request.find("\r\n\r\n").unwrap() + 4;
        write_in_two(&server, &mut client, &request, body + 1).await;
        assert!(answer(&mut client, false).await.contains(&format!("{{\"id\":{id},")));
        assert!(answer(&mut client, false).await.ends_with("ok\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_that_do_not_wait_for_their_answers_are_answered_in_order() {
    let server = Server::start(&[]);
    let client = server.dial().await;
    // Far more than is read at a time, so that requests are cut anywhere.
    let segment: String = (0..3000).map(|n| get(&format!("/topics/t{n}/short-poll"))).collect();
    let (mut reading, mut writing) = client.stream.into_split();
    let written = tokio::spawn(async move { writing.write_all(segment.as_bytes()).await.map(|()| writing) });
    let mut answers = String::new();
    while answers.matches("]}").count() < 3000 {
        let mut some = vec![0; 64 << 10];
        let len = tokio::time::timeout(lab::PATIENCE, reading.read(&mut some)).await.expect("answers").unwrap();
        answers.push_str(std::str::from_utf8(&some[..len]).unwrap());
    }
    let topics: Vec<_> = answers.split("\"topic\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(topics, (0..3000).map(|n| format!("t{n}")).collect::<Vec<_>>());
    drop(written.await.unwrap());
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_to_the_next_request() {
    let server = Server::start(&["--body-max", "100"]);
    let mut client = server.dial().await;
    let refused = [
        get("/nowhere"),
        get("/topics/a%20b/short-poll"),
        get("/topics/news/short-poll?after=42"),
        get("/topics/news/ws"),
        post("{"),
        post(&"1".repeat(101)),
        "DELETE /topics/news HTTP/1.1\r\nContent-Length: 3\r\n\r\n123".to_owned(),
        "GET /topics/news/sse HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /".to_owned(),
    ];
    client.write(refused.concat()).await;
    client.write(get("/healthz")).await;
    for status in [404, 400, 400, 426, 400, 413, 405, 400] {
        let answer = answer(&mut client, false).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert!(answer(&mut client, false).await.ends_with("ok\n"));
    assert_eq!(server.stats().await.refused, 2);
}

#[tokio::test]
async fn what_ends_a_connection_ends_it_behind_the_answers_before() {
    let server = Server::start(&["--head-timeout", "300ms"]);
    let endings = [
        ("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 200 "),
        ("GET /healthz HTTP/1.0\r\n\r\n".to_owned(), "HTTP/1.0 200 "),
        (format!("GET /healthz HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(20_000)), "HTTP/1.1 431 "),
        (format!("GET /healthz HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101)), "HTTP/1.1 431 "),
        ("GET /health z HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
        ("POST /topics/news HTTP/1.1\r\nContent-Length: +1\r\n\r\n1".to_owned(), "HTTP/1.1 400 "),
        ("POST /topics/news HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n1".to_owned(), "HTTP/1.1 400 "),
        ("POST /topics/news HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
        ("GET /health".to_owned(), ""),
        ("POST /topics/news HTTP/1.1\r\nContent-Length: 2\r\n\r\n1".to_owned(), "HTTP/1.1 408 "),
    ];
    for (ending, status) in endings {
        let mut client = server.dial().await;
        // What has not come whole stays so.
        let behind = if matches!(status, "" | "HTTP/1.1 408 ") { String::new() } else { get("/healthz") };
        client.write([&get("/healthz").repeat(2), &*ending, &behind].concat()).await;
        for _ in 0..2 {
            assert!(answer(&mut client, false).await.ends_with("ok\n"));
        }
        let rest = client.read_to_end().await;
        let heads = rest.matches("HTTP/1.").count();
        assert!(rest.starts_with(status) && heads == usize::from(!status.is_empty()), "{ending}: {rest}");
    }
    assert_eq!(server.stats().await.published, 0);
}

#[tokio::test]
async fn bytes_are_counted_under_the_request_that_they_answer() {
    let server = Server::start(&[]);
    let mut client = server.dial().await;
    let polls = |kind: &str, query: &str| get(&format!("/topics/news/{kind}{query}"));
    // In one segment; what is read is counted under the first request, what is written under each its own.
    let requests = [
        ("short-poll", polls("short-poll", "")),
        ("short-poll", polls("short-poll", "?after=42")),
        ("other", post("1")),
        ("long-poll", polls("long-poll", "?wait=0")),
        ("long-poll", polls("long-poll", "?wait=0.01")),
        ("other", post("2")),
        ("short-poll", polls("short-poll", "?after=earliest")),
    ];
    client.write(requests.iter().map(|(_, request)| &**request).collect::<String>()).await;
    let mut written = std::collections::BTreeMap::<&str, u64>::new();
    for (kind, _) in &requests {
        let before = client.received;
        answer(&mut client, false).await;
        *written.entry(kind).or_default() += client.received - before;
    }
    let sent: usize = requests.iter().map(|(_, request)| request.len()).sum();
    let polls = ["short-poll", "long-poll"];
    let count = |stats: &feed::ServerStats| polls.map(|kind| stats.connections[kind].bytes_written);
    // A client may read a byte before the server has counted it.
    let stats = server.stats_when(|stats| count(stats) == polls.map(|kind| written[kind])).await;
    assert_eq!(polls.map(|kind| stats.connections[kind].bytes_read).iter().sum::<u64>(), sent as u64);
    assert_eq!(stats.connections["short-poll"].delivered, 2);
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_one_behind_it_and_a_client_that_goes_is_noticed() {
    let server = Server::start(&[]);
    let mut client = server.dial().await;
    let sid = engine_session(&mut client).await;
    let held = get(&format!("{ENGINE}&sid={sid}"));
    client.write([get("/healthz"), get("/topics/news/short-poll"), held].concat()).await;
    assert!(answer(&mut client, false).await.ends_with("ok\n"));
    assert!(answer(&mut client, false).await.ends_with("[]}"));
    server.stats_when(|stats| stats.connections["socketio"].open == 1).await;
    drop(client);
    server.stats_when(|stats| stats.connections["socketio"].open == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_none_of_its_answers_is_ended_in_time() {
    let server = Server::start(&["--write-timeout", "300ms"]);
    for _ in 0..20 {
        server.publish("news", &format!("\"{}\"", "x".repeat(60_000))).await;
    }
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = Raw::new(socket.connect(server.address).await.unwrap());
    slow.write(get("/topics/news/short-poll?after=earliest").repeat(20)).await;
    let stats = server.stats_when(|stats| stats.connections["short-poll"].ended.contains_key("write-timeout")).await;
    assert_eq!(stats.connections["short-poll"].open, 0);
}

#[tokio::test]
async fn an_answer_that_is_made_while_the_server_stops_is_the_last() {
    let mut server = Server::start(&[]);
    let mut client = server.dial().await;
    let sid = engine_session(&mut client).await;
    client.write([get(&format!("{ENGINE}&sid={sid}")), get("/healthz")].concat()).await;
    server.stats_when(|stats| stats.connections["socketio"].bytes_read > 150).await;
    server.tell_to_stop();
    let rest = client.read_to_end().await;
    assert!(rest.contains("\r\nconnection: close\r\n") && rest.matches("HTTP/1.1 ").count() == 1, "{rest}");
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_a_guard_refuses_has_no_body_and_the_next_request_is_answered() {
    let server = Server::start(&[]);
    let refused = |method: &str| {
        format!("{method} /topics/news/short-poll HTTP/1.1\r\nHost: x\r\nOrigin: http://elsewhere.example\r\n\r\n")
    };
    let mut client = server.dial().await;
    for _ in 0..2 {
        client.write(refused("HEAD")).await;
        let head = answer(&mut client, true).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        client.write(refused("GET")).await;
        let whole = answer(&mut client, false).await;
        assert_eq!(whole.split_once("{\"error\":").map(|(head, _)| head.trim_end()), Some(head.trim_end()));
        client.write(get("/healthz")).await;
        assert!(answer(&mut client, false).await.ends_with("ok\n"));
    }
}
