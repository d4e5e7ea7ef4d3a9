//! A chat server: join a room, be welcomed, hear what is said in it, your own words included.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;

type Rooms = Rc<RefCell<HashMap<String, broadcast::Sender<String>>>>;

/// What the server is like.
#[derive(Clone, Copy)]
struct Manner {
    /// So many words of each client are read; the rest stays in the socket.
    most: usize,
    /// Picks the words that nobody hears.
    forgets: fn(usize) -> bool,
    /// Everybody hears what is said in any room.
    mixes_rooms: bool,
}

/// Serves until the test ends; its URL. Of the words that are said in a room, `forgets` picks those that nobody hears.
pub async fn serve(forgets: fn(usize) -> bool) -> String {
    serve_listening_to(usize::MAX, forgets).await
}

/// The same, but everybody hears what is said in any room.
pub async fn serve_mixing_rooms() -> String {
    serve_as(Manner { most: usize::MAX, forgets: |_| false, mixes_rooms: true }).await
}

/// The same, but of each client it reads no more than that many words: the rest stays in the socket.
pub async fn serve_listening_to(most: usize, forgets: fn(usize) -> bool) -> String {
    serve_as(Manner { most, forgets, mixes_rooms: false }).await
}

async fn serve_as(manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::task::spawn_local(async move {
        let rooms = Rooms::default();
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::task::spawn_local(converse(tcp, Rc::clone(&rooms), manner));
        }
    });
    url
}

async fn converse(tcp: TcpStream, rooms: Rooms, manner: Manner) -> Option<()> {
    let Manner { most, forgets, mixes_rooms } = manner;
    let (mut sink, mut stream) = tokio_tungstenite::accept_async(tcp).await.ok()?.split();
    let join: serde_json::Value = serde_json::from_str(stream.next().await?.ok()?.to_text().ok()?).ok()?;
    assert_eq!(join["type"], "join", "the first message joins a room");
    let room = {
        let mut rooms = rooms.borrow_mut();
        let name = if mixes_rooms { "all" } else { join["room"].as_str()? };
        rooms.entry(name.to_owned()).or_insert_with(|| broadcast::channel(4096).0).clone()
    };
    let mut heard = room.subscribe();
    sink.send(Message::text(r#"{"type":"welcome"}"#)).await.ok()?;
    sink.send(Message::Ping(b"are you there?".to_vec().into())).await.ok()?;
    let mut said = 0;
    loop {
        tokio::select! {
            message = stream.next(), if said < most => {
                let message = message?.ok()?;
                if let Message::Text(text) = &message {
                    said += 1;
                    if !forgets(said) {
                        room.send(text.as_str().to_owned()).ok()?;
                    }
                }
            }
            text = heard.recv() => sink.send(Message::text(text.ok()?)).await.ok()?,
        }
    }
}
