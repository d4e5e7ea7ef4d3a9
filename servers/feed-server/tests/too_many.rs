//! Clients that are too many or ask too often: refused with the time to come back, each on its own account, and counted.

mod lab;

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use lab::{Raw, Server, handshake};
use tokio::net::TcpSocket;
use tokio::time::{Duration, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

/// A connection from another address of this machine.
async fn dial_from(server: &Server, source: &str) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    Raw::new(socket.connect(server.address).await.unwrap())
}

async fn ask(client: &mut Raw, path: &str) -> String {
    client.get(path).await;
    client.read_until("\r\n\r\n", 1).await
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_the_next_is_told_to_come_back() {
    let server = Server::start(&["--connections-per-address", "2"]);
    let (mut one, mut two) = (dial_from(&server, "127.0.0.2").await, dial_from(&server, "127.0.0.2").await);
    for client in [&mut one, &mut two] {
        assert!(ask(client, "/healthz").await.starts_with("HTTP/1.1 200 "));
    }
    let mut third = dial_from(&server, "127.0.0.2").await;
    third.get("/healthz").await;
    let answer = third.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert!(answer.contains("2 connections are open from your address already"), "{answer}");
    assert!(ask(&mut dial_from(&server, "127.0.0.3").await, "/healthz").await.starts_with("HTTP/1.1 200 "));
    drop(one);
    // The server notices that one has left a moment later.
    let let_in = async {
        loop {
            let mut again = dial_from(&server, "127.0.0.2").await;
            if ask(&mut again, "/healthz").await.starts_with("HTTP/1.1 200 ") {
                return;
            }
        }
    };
    timeout(lab::PATIENCE, let_in).await.expect("a place that is left is free");
    let stats = server.stats().await;
    assert!(stats.refusals["connections-per-address"] >= 1);
    assert_eq!(stats.connections["other"].ended["connections-per-address"], stats.refusals["connections-per-address"]);
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back_and_others_are_served() {
    let server = Server::start(&["--requests-per-second", "0.5", "--requests-burst", "3"]);
    let requests = [
        ("short-poll", "GET /topics/news/short-poll HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("long-poll", "GET /topics/news/long-poll?wait=0 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("sse", "GET /topics/news/sse HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("ws", handshake("")),
        ("socketio", "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("publish", "POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1".to_owned()),
    ];
    for (number, (name, request)) in requests.iter().enumerate() {
        let source = format!("127.0.1.{}", number + 1);
        for _ in 0..3 {
            let mut client = dial_from(&server, &source).await;
            client.write(request).await;
            let head = client.read_until("\r\n\r\n", 1).await;
            assert!(head.starts_with("HTTP/1.1 2") || head.starts_with("HTTP/1.1 101"), "{name}: {head}");
        }
        let mut client = dial_from(&server, &source).await;
        client.write(request).await;
        let answer = client.read_until("\"}", 1).await;
        assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("\r\nretry-after: 2\r\n"), "{name}: {answer}");
        assert!(answer.contains("--requests-per-second"), "{name}: {answer}");
    }
    let stats = server.stats().await;
    assert_eq!((stats.refusals["requests-per-second"], stats.published, stats.refused), (6, 3, 1));
}

#[tokio::test]
async fn who_comes_back_when_told_is_served() {
    let server = Server::start(&["--requests-per-second", "0.5", "--requests-burst", "1"]);
    let mut client = dial_from(&server, "127.0.0.2").await;
    client.get("/healthz").await;
    client.read_until("ok\n", 1).await;
    client.get("/healthz").await;
    let refused = client.read_until("\"}", 1).await;
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("\r\nretry-after: 2\r\n"), "{refused}");
    sleep(Duration::from_secs(2)).await;
    client.get("/healthz").await;
    let answer = client.read_until("ok\n", 1).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "on the same connection: {answer}");
}

#[tokio::test]
async fn a_websocket_that_says_too_much_is_ended_with_1008_and_another_is_not() {
    let server = Server::start(&["--messages-per-second", "0.1", "--messages-burst", "3"]);
    let url = format!("ws://{}/topics/news/ws", server.address);
    let (mut loud, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let (mut calm, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    for message in [Message::text("1"), Message::binary(vec![2]), Message::Ping(vec![3].into()), Message::text("4")] {
        loud.send(message).await.unwrap();
    }
    for _ in 0..3 {
        calm.send(Message::text(r#"{"type":"ping"}"#)).await.unwrap();
    }
    let read_out = async {
        loop {
            if let Message::Close(frame) = loud.next().await.unwrap().unwrap() {
                return frame.unwrap();
            }
        }
    };
    let close = timeout(lab::PATIENCE, read_out).await.unwrap();
    assert_eq!((u16::from(close.code), close.reason.contains("--messages-per-second")), (1008, true));
    let mut pongs = 0;
    while pongs < 3 {
        let said = timeout(lab::PATIENCE, calm.next()).await.unwrap().unwrap().unwrap();
        pongs += usize::from(said.to_text().unwrap().contains("pong"));
    }
    server.ended("ws", "messages-per-second", 1).await;
}

#[tokio::test]
async fn a_socketio_session_that_says_too_much_is_ended() {
    let server = Server::start(&["--messages-per-second", "0.1", "--messages-burst", "2"]);
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", server.address);
    let (mut client, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    client.send(Message::text("40")).await.unwrap();
    // Who does not wait to be let in breaks the protocol, and is ended for that.
    while !client.next().await.unwrap().unwrap().to_text().unwrap().starts_with("40") {}
    for number in 0..3 {
        let event = format!(r#"42["publish",{{"topic":"news","payload":{number}}}]"#);
        client.send(Message::text(event)).await.unwrap();
    }
    let ended = async { while let Some(Ok(_)) = client.next().await {} };
    timeout(lab::PATIENCE, ended).await.expect("it is ended");
    let stats =
        server.stats_when(|stats| stats.connections["socketio"].ended.contains_key("messages-per-second")).await;
    assert_eq!(stats.refused, 1);
    assert!(stats.published <= 2, "{stats:?}");
}

#[tokio::test]
async fn nobody_is_counted_unless_asked_for() {
    let server = Server::start(&[]);
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = dial_from(&server, "127.0.0.2").await;
        assert!(ask(&mut client, "/healthz").await.starts_with("HTTP/1.1 200 "));
        clients.push(client);
    }
    assert!(server.stats().await.refusals.values().all(|&refused| refused == 0));
}
