//! Socket.IO: the rules of its two protocol documents one by one, the feed over it, and the official client.
//!
//! `cargo test -p feed-server --test socketio -- --nocapture` prints every rule with what was found.

#[path = "../lab/mod.rs"]
mod lab;

mod case;
mod client;
mod events;
mod feed_over_it;
mod handshake;
mod heartbeat;
mod javascript;
mod polling;
mod stopping;
mod upgrade;
mod websocket;

/// Every rule of the Engine.IO protocol, version 4, and the Socket.IO protocol, version 5, that a server keeps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_of_the_protocols_is_kept_or_a_known_departure() {
    let cases = [
        handshake::cases(),
        polling::cases(),
        websocket::cases(),
        heartbeat::cases(),
        upgrade::cases(),
        events::cases(),
    ];
    case::walk(cases.into_iter().flatten().collect()).await;
}
