//! Clients that vanish without a word: their packets are dropped, no FIN is ever seen, and they are gone from the counts in time.

mod lab;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use feed::ServerStats;
use lab::netns::Netns;
use lab::{handshake, now};

/// What the server is told: small, so that the test is, and so long that all clients are inside before the first is missed. Pongs are waited
/// for shorter than acknowledgements, so that it is known who ends whom.
const FLAGS: [&str; 16] = [
    "--listen",
    "0.0.0.0:0",
    "--heartbeat",
    "1s",
    "--tcp-user-timeout",
    "3s",
    "--ping-interval",
    "5s",
    "--pong-timeout",
    "2s",
    "--idle-timeout",
    "8s",
    "--socketio-ping-interval",
    "5s",
    "--socketio-ping-timeout",
    "2s",
];
/// By when each must be gone, by these flags, and what the kernel's timers and a busy machine may add.
const BOUNDS: [(&str, Duration); 5] = [
    ("ws", Duration::from_secs(5 + 2 + 5)),
    ("socketio", Duration::from_secs(5 + 2 + 5)),
    ("short-poll", Duration::from_secs(8 + 5)),
    ("sse", Duration::from_secs(1 + 3 + 5)),
    ("long-poll", Duration::from_secs(6 + 3 + 5)),
];

#[test]
fn a_client_that_vanishes_is_gone_from_the_counts_within_the_stated_time() {
    let Some(net) = Netns::make("a_client_that_vanishes_is_gone_from_the_counts_within_the_stated_time") else {
        return;
    };
    let mut server = Server { child: net.spawn(env!("CARGO_BIN_EXE_feed-server"), &FLAGS), port: 0 };
    let mut line = String::new();
    BufReader::new(server.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    server.port = line.trim().rsplit(':').next().unwrap().parse().unwrap_or_else(|_| panic!("{line}"));

    let mut clients = Vec::new();
    for (request, answer) in [
        (get("/topics/news/sse"), "recovered\":true}"),
        (handshake(""), "recovered\":true}"),
        (get("/topics/news/short-poll"), "[]}"),
        (handshake("").replace("/topics/news/ws", "/socket.io/?EIO=4&transport=websocket"), "0{\"sid\""),
    ] {
        let mut client = net.dial(server.port);
        client.write_all(request.as_bytes()).unwrap();
        read_until(&mut client, answer);
        if answer.starts_with('0') {
            // Into the namespace, in a masked frame.
            client.write_all(b"\x81\x82\0\0\0\x0040").unwrap();
            read_until(&mut client, "40{\"sid\"");
        }
        clients.push(client);
    }
    let mut held = net.dial(server.port);
    held.write_all(get("/topics/news/long-poll?wait=6").as_bytes()).unwrap();
    clients.push(held);
    let before = now();
    while BOUNDS.iter().any(|(kind, _)| server.stats(&net).connections[*kind].open != 1) {
        assert!(before.elapsed() < lab::PATIENCE, "they never were inside: {:#?}", server.stats(&net));
    }

    net.cut();
    let before = now();
    assert!(BOUNDS.iter().all(|(kind, _)| server.stats(&net).connections[*kind].open == 1), "nobody said goodbye");
    for (kind, bound) in BOUNDS {
        while server.stats(&net).connections[kind].open > 0 {
            assert!(before.elapsed() < bound, "{kind} is still counted after {:?}", before.elapsed());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let stats = server.stats(&net);
    let ended = |kind: &str, reason: &str| stats.connections[kind].ended.get(reason) == Some(&1);
    assert!(ended("ws", "pong-timeout") && ended("socketio", "pong-timeout"), "{stats:#?}");
    assert!(ended("sse", "vanished") && ended("long-poll", "vanished"), "{stats:#?}");
    drop(clients);
}

struct Server {
    child: std::process::Child,
    port: u16,
}

impl Server {
    fn stats(&self, net: &Netns) -> ServerStats {
        let mut client = net.dial_beside(self.port);
        client.write_all(b"GET /stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn read_until(client: &mut TcpStream, end: &str) {
    client.set_read_timeout(Some(lab::PATIENCE)).unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(end) {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
}
