//! Two Socket.IO servers that share a Redis are one chat; without it, they are two.

mod lab;

use lab::redis::Redis;
use lab::socketio::SocketIo;
use peers::{Peer, set_up, skip};
use serde_json::json;

async fn two(environment: &[(&str, &str)]) -> Option<(Peer, Peer)> {
    Some((Peer::for_test("socketio", environment).await?, Peer::for_test("socketio", environment).await?))
}

async fn enter(peer: &Peer) -> SocketIo {
    SocketIo::connect(&peer.ws(""), "/", &json!({})).await.unwrap()
}

#[tokio::test]
async fn over_a_shared_redis_a_room_and_a_chat_reach_across_servers() {
    // The setup installs Redis, too, where it can.
    if let Err(error) = set_up("socketio").await {
        return skip("socketio", &error);
    }
    let Some(redis) = Redis::start().await else {
        return skip("socketio with Redis", &"redis-server is not installed: sudo apt-get install redis-server");
    };
    let Some((here, there)) = two(&[("REDIS_URL", &redis.url)]).await else { return };
    let (mut speaker, mut reader) = (enter(&here).await, enter(&there).await);
    reader.join("news").await;
    speaker.emit(&json!(["say", "news", "across"])).await;
    assert_eq!(reader.hear().await, json!(["said", "news", "across"]));
    speaker.emit(&json!(["chat message", "to everyone"])).await;
    assert_eq!(reader.hear().await, json!(["chat message", "to everyone"]));
}

#[tokio::test]
async fn without_a_redis_two_servers_are_two_chats() {
    let Some((here, there)) = two(&[]).await else { return };
    let (mut speaker, mut reader) = (enter(&here).await, enter(&there).await);
    speaker.ask(&json!(["chat message", "only here"])).await;
    reader.ask(&json!(["chat message", "only there"])).await;
    assert_eq!(reader.hear().await[1], "only there");
}
