//! A WebSocket server that greets everybody, lets some in when they join, tells the others that it does not, and repeats their key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;

/// What the server knows of all of its clients.
struct Gate {
    inside: AtomicUsize,
    most: usize,
    news: broadcast::Sender<String>,
}

/// A target file of it, with these lines in `[transports.ws]`.
pub fn target(lines: &str) -> String {
    format!(
        "name = \"gated\"\n[publish]\nvia = \"ws\"\npath = \"/\"\nmessage = '{{\"say\":{{payload}}}}'\n[transports.ws]\npath = \"/\"\n\
         first = ['{{\"join\":\"{{topic}}\",\"key\":\"{{token}}\"}}']\n{lines}\n"
    )
}

/// Serves until the test ends, and has at most so many inside at a time; its URL.
pub async fn serve(most: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gate = Arc::new(Gate { inside: AtomicUsize::new(0), most, news: broadcast::channel(4096).0 });
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(converse(tcp, Arc::clone(&gate)));
        }
    });
    url
}

async fn converse(tcp: TcpStream, gate: Arc<Gate>) -> Option<()> {
    let (mut sink, mut stream) = tokio_tungstenite::accept_async(tcp).await.ok()?.split();
    sink.send(Message::text(r#"{"greeting":"hello"}"#)).await.ok()?;
    let mut news = gate.news.subscribe();
    let mut is_inside = false;
    let ended = loop {
        tokio::select! {
            message = stream.next() => {
                let Some(Ok(message)) = message else { break None };
                let Message::Text(text) = message else { continue };
                let said: serde_json::Value = serde_json::from_str(text.as_str()).ok()?;
                if said["join"].is_null() {
                    let _ = gate.news.send(text.as_str().to_owned());
                    continue;
                }
                is_inside = gate.inside.fetch_add(1, Ordering::SeqCst) < gate.most;
                if !is_inside {
                    gate.inside.fetch_sub(1, Ordering::SeqCst);
                }
                let answer = format!(r#"{{"success":{is_inside},"key":{},"why":"the room is full"}}"#, said["key"]);
                if sink.send(Message::text(answer)).await.is_err() { break None }
            }
            text = news.recv() => {
                if is_inside && sink.send(Message::text(text.ok()?)).await.is_err() { break None }
            }
        }
    };
    gate.inside.fetch_sub(usize::from(is_inside), Ordering::SeqCst);
    ended
}
