//! A hosted service: a WebSocket that subscribes with a key, and an HTTP interface that publishes with it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;

/// The key that lets in.
pub const KEY: &str = "hosted-key-0815";

type Channels = Rc<RefCell<HashMap<String, broadcast::Sender<String>>>>;

/// Serves until the test ends; its URL.
pub async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::task::spawn_local(async move {
        let channels = Channels::default();
        while let Ok((tcp, _)) = listener.accept().await {
            let channels = Rc::clone(&channels);
            tokio::task::spawn_local(async move {
                let mut start = [0; 5];
                match tcp.peek(&mut start).await {
                    Ok(5) if &start == b"POST " => publish(tcp, channels).await,
                    _ => subscribe(tcp, channels).await,
                }
            });
        }
    });
    url
}

fn channel(channels: &Channels, name: &str) -> broadcast::Sender<String> {
    channels.borrow_mut().entry(name.to_owned()).or_insert_with(|| broadcast::channel(4096).0).clone()
}

async fn subscribe(tcp: TcpStream, channels: Channels) -> Option<()> {
    let (mut sink, mut stream) = tokio_tungstenite::accept_async(tcp).await.ok()?.split();
    let wanted: Value = serde_json::from_str(stream.next().await?.ok()?.to_text().ok()?).ok()?;
    if wanted["data"]["auth"] != KEY {
        return sink.send(Message::Close(None)).await.ok();
    }
    let mut heard = channel(&channels, wanted["data"]["channel"].as_str()?).subscribe();
    sink.send(Message::text(r#"{"event":"subscription_succeeded"}"#)).await.ok()?;
    loop {
        tokio::select! {
            message = stream.next() => drop(message?.ok()?),
            text = heard.recv() => sink.send(Message::text(text.ok()?)).await.ok()?,
        }
    }
}

/// Pipelined requests on one connection, answered in order.
async fn publish(mut tcp: TcpStream, channels: Channels) -> Option<()> {
    let mut received = Vec::new();
    loop {
        while let Some((used, answer)) = answer(&received, &channels) {
            received.drain(..used);
            tcp.write_all(answer.as_bytes()).await.ok()?;
        }
        if tcp.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    }
}

fn answer(received: &[u8], channels: &Channels) -> Option<(usize, String)> {
    let text = std::str::from_utf8(received).unwrap();
    let head = text.find("\r\n\r\n")? + 4;
    let field = |name: &str| text[..head].lines().find_map(|line| line.strip_prefix(name));
    let end = head + field("Content-Length: ").unwrap().parse::<usize>().unwrap();
    let body: Value = serde_json::from_str(text.get(head..end)?).unwrap();
    if field("Authorization: ") != Some(&format!("Bearer {KEY}")) {
        return Some((end, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned()));
    }
    let event = json!({ "event": "message", "data": body["data"] }).to_string();
    let _ = channel(channels, body["channel"].as_str().unwrap()).send(event);
    Some((end, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_owned()))
}
