//! What the server says about itself is what a client saw.

mod lab;

use feed::Transport;
use lab::{Server, handshake};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_are_counted_to_the_last_one_under_what_the_connection_carries() {
    let server = Server::start(&[]);
    server.publish("news", "1").await;
    let get = |path: &str| format!("GET /topics/news/{path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let cases = [
        (Transport::ShortPoll, get("short-poll?after=earliest"), "}", vec![get("short-poll"), get("short-poll?x=1")]),
        (Transport::LongPoll, get("long-poll?after=earliest"), "}", vec![get("long-poll?wait=0.1")]),
        (Transport::Sse, get("sse?after=earliest"), "\"payload\":1}\n\n\r\n", vec![]),
        (Transport::Ws, handshake("?after=earliest"), "\"payload\":1}", vec![]),
    ];
    for (transport, request, until, more) in cases {
        let mut client = server.dial().await;
        let mut sent = 0;
        for request in [vec![request], more].concat() {
            client.write(&request).await;
            client.read_until(until, 1).await;
            sent += request.len() as u64;
        }
        let (name, received) = (transport.name(), client.received);
        // A client may read a byte before the server has counted it.
        let stats = server.stats_when(|stats| stats.connections[name].bytes_written >= received).await;
        let stats = &stats.connections[name];
        assert_eq!((stats.bytes_read, stats.bytes_written), (sent, received), "{transport}");
        let stats = server.stats_when(|stats| stats.connections[name].delivered >= 1).await;
        let stats = &stats.connections[name];
        assert_eq!((stats.open, stats.opened, stats.delivered), (1, 1, 1), "{transport}");
        drop(client);
        server.stats_when(|stats| stats.connections[transport.name()].open == 0).await;
    }
    let stats = server.stats().await;
    let polls = |kind: &str| (stats.connections[kind].answered, stats.connections[kind].empty);
    assert_eq!((polls("short-poll"), polls("long-poll")), ((2, 1), (2, 1)));
    assert_eq!((stats.published, stats.topics), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_are_counted_as_other_to_the_last_byte() {
    let server = Server::start(&[]);
    let mut publisher = server.dial().await;
    let request = "POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n7";
    publisher.write(request.repeat(3)).await;
    publisher.read_until("\"}", 3).await;
    let mut asking = server.dial().await;
    let question = "GET /stats HTTP/1.1\r\nHost: x\r\n\r\n";
    let (mut asked, mut answered) = (0, 0);
    let stats = loop {
        answered = asking.received.max(answered);
        asking.write(question).await;
        asked += question.len();
        let answer = asking.read_until("}}}", 1).await;
        let stats: feed::ServerStats = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        // A client may read a byte before the server has counted it; and this very answer is not written yet.
        if stats.connections["other"].bytes_written >= publisher.received + answered {
            break stats;
        }
    };
    let other = &stats.connections["other"];
    assert_eq!(other.bytes_read, (3 * request.len() + asked) as u64);
    assert_eq!(other.bytes_written, publisher.received + answered);
    assert_eq!((stats.published, other.opened), (3, 2));
    assert_eq!(stats.pid, std::process::id());
    assert!(stats.rss_bytes > 1 << 20 && stats.uptime_s > 0.0 && stats.workers == 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_moves_to_what_it_carries_last() {
    let server = Server::start(&[]);
    let mut client = server.dial().await;
    let open = |stats: &feed::ServerStats| ["short-poll", "sse"].map(|kind| stats.connections[kind].open);
    client.get("/topics/news/short-poll").await;
    client.read_until("]}", 1).await;
    assert_eq!(open(&server.stats().await), [1, 0]);
    client.get("/topics/news/sse").await;
    client.read_until("\n\n\r\n", 1).await;
    assert_eq!(open(&server.stats().await), [0, 1]);
    drop(client);
    server.stats_when(|stats| open(stats) == [0, 0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_request_delivers_nothing() {
    let server = Server::start(&["--history", "1"]);
    server.publish_numbers(1..=3).await;
    for kind in ["short-poll", "long-poll"] {
        for after in ["earliest", "k3f9:1"] {
            let mut client = server.dial().await;
            let path = format!("/topics/news/{kind}?after={after}");
            client.write(format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
            let answer = client.read_to_end().await;
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
        }
        let stats = &server.stats().await.connections[kind];
        assert_eq!((stats.delivered, stats.gaps, stats.answered, stats.empty), (0, 0, 2, 2), "{kind}");
    }
}
