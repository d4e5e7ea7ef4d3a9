//! A server that answers each connection with the next of some bytes, whatever these are, and takes publications without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use feed::framings::websocket::accept_key;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What stands in an answer where the value of `Sec-WebSocket-Accept` is to stand.
const ACCEPT: &str = "{accept}";

/// The head that accepts a WebSocket.
pub const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";

/// Serves until the test ends; its URL. The first connection, loadgen's probe, gets the first answer.
pub async fn serve(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (answers, next) = (Arc::new(answers), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(converse(tcp, Arc::clone(&answers), Arc::clone(&next)));
        }
    });
    url
}

async fn converse(mut tcp: TcpStream, answers: Arc<Vec<Vec<u8>>>, next: Arc<AtomicUsize>) -> Option<()> {
    let mut received = Vec::new();
    loop {
        let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4) else {
            match tcp.read_buf(&mut received).await {
                Ok(1..) => continue,
                _ => return None,
            }
        };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        let field = |name: &str| {
            let of_name = |line: &str| {
                line.split_once(": ").filter(|(own, _)| own.eq_ignore_ascii_case(name))?.1.to_owned().into()
            };
            head.lines().find_map(of_name)
        };
        if head.starts_with("POST ") {
            let length: Option<String> = field("Content-Length");
            let end = end + length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
            while received.len() < end {
                tcp.read_buf(&mut received).await.ok().filter(|read| *read > 0)?;
            }
            received.drain(..end);
            tcp.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.ok()?;
            continue;
        }
        let answer = answers.get(next.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1))?;
        let key: Option<String> = field("Sec-WebSocket-Key");
        let accept = accept_key(key.unwrap_or_default().as_bytes());
        tcp.write_all(&filled(answer, &accept)).await.ok()?;
        // An answer that is not whole ends with the connection; else the client ends it.
        if answer.ends_with(b"cut off") {
            return None;
        }
        received.clear();
        while !matches!(tcp.read_buf(&mut received).await, Ok(0) | Err(_)) {}
        return None;
    }
}

fn filled(answer: &[u8], accept: &str) -> Vec<u8> {
    match answer.windows(ACCEPT.len()).position(|bytes| bytes == ACCEPT.as_bytes()) {
        Some(at) => [&answer[..at], accept.as_bytes(), &answer[at + ACCEPT.len()..]].concat(),
        None => answer.to_vec(),
    }
}
