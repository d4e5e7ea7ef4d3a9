//! How a session begins (Engine.IO protocol: transports, handshake).

use std::collections::BTreeSet;

use serde_json::json;

use crate::case::{Case, keeps, run};
use crate::client::{POLLING, Polls, Ws, get, opened};
use crate::lab::Server;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        keeps(
            "handshake, polling: an open packet with sid, upgrades, pingInterval, pingTimeout, maxPayload",
            run!(polling),
        ),
        keeps("handshake, websocket: the same, and nothing to upgrade to", run!(websocket)),
        keeps("handshake: what flags say is what clients are told", run!(flags)),
        keeps("handshake: every session has an id of its own", run!(ids)),
        keeps("handshake, polling: no EIO, or another than 4, is answered with 400", run!(version)),
        keeps("handshake, polling: no transport, or an unknown one, is answered with 400", run!(transport)),
        keeps("handshake, websocket: a bad EIO or transport gets no connection", run!(websocket_query)),
        keeps("handshake: another method than GET is answered with 400", run!(method)),
        keeps("an unknown sid is answered with 400, to polls, posts and websockets alike", run!(unknown_sid)),
        keeps("a method that is neither GET nor POST is answered with 400 in a session, too", run!(method_in_session)),
    ]
}

const KEYS: [&str; 5] = ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"];

async fn polling() {
    let server = Server::start(&[]);
    let answer = server.get(&format!("/socket.io/{POLLING}")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=UTF-8");
    let open = opened(&answer.text().await.unwrap());
    assert_eq!(
        open.as_object().unwrap().keys().collect::<BTreeSet<_>>(),
        KEYS.iter().copied().map(str::to_owned).collect::<Vec<_>>().iter().collect()
    );
    assert!(!open["sid"].as_str().unwrap().is_empty());
    assert_eq!(open["upgrades"], json!(["websocket"]));
    assert_eq!(
        (&open["pingInterval"], &open["pingTimeout"], &open["maxPayload"]),
        (&json!(25000), &json!(20000), &json!(100_000))
    );
}

async fn websocket() {
    let server = Server::start(&[]);
    let mut ws = Ws::dial(&server, "?EIO=4&transport=websocket").await.unwrap();
    let open = opened(&ws.hear().await.unwrap());
    assert!(KEYS.iter().all(|key| open.get(key).is_some()) && open.as_object().unwrap().len() == KEYS.len(), "{open}");
    assert_eq!(open["upgrades"], json!([]));
    assert_eq!(
        (&open["pingInterval"], &open["pingTimeout"], &open["maxPayload"]),
        (&json!(25000), &json!(20000), &json!(100_000))
    );
}

async fn flags() {
    let flags = ["--socketio-ping-interval", "3s", "--socketio-ping-timeout", "2s", "--socketio-payload-max", "5000"];
    let open = opened(&get(&Server::start(&flags), POLLING).await.1);
    assert_eq!(
        (&open["pingInterval"], &open["pingTimeout"], &open["maxPayload"]),
        (&json!(3000), &json!(2000), &json!(5000))
    );
}

async fn ids() {
    let server = Server::start(&[]);
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        assert!(seen.insert(Polls::open(&server).await.sid));
    }
}

async fn version() {
    let server = Server::start(&[]);
    for query in
        ["?transport=polling", "?EIO=abc&transport=polling", "?EIO=3&transport=polling", "?EIO=&transport=polling", ""]
    {
        assert_eq!(get(&server, query).await.0, 400, "{query}");
    }
}

async fn transport() {
    let server = Server::start(&[]);
    for query in ["?EIO=4", "?EIO=4&transport=abc", "?EIO=4&transport="] {
        assert_eq!(get(&server, query).await.0, 400, "{query}");
    }
}

async fn websocket_query() {
    let server = Server::start(&[]);
    for query in [
        "?transport=websocket",
        "?EIO=abc&transport=websocket",
        "?EIO=3&transport=websocket",
        "?EIO=4",
        "?EIO=4&transport=abc",
    ] {
        assert!(Ws::dial(&server, query).await.is_err(), "{query}");
    }
}

async fn method() {
    let server = Server::start(&[]);
    let http = crate::lab::http();
    let url = server.url(&format!("/socket.io/{POLLING}"));
    for method in [reqwest::Method::POST, reqwest::Method::PUT, reqwest::Method::DELETE] {
        assert_eq!(http.request(method.clone(), &url).send().await.unwrap().status(), 400, "{method}");
    }
}

async fn unknown_sid() {
    let server = Server::start(&[]);
    let http = crate::lab::http();
    for sid in ["AAAAAAAAAAAAAAAA", "abc", ""] {
        let url = server.url(&format!("/socket.io/{POLLING}&sid={sid}"));
        assert_eq!(http.get(&url).send().await.unwrap().status(), 400, "poll, {sid}");
        assert_eq!(http.post(&url).body("40").send().await.unwrap().status(), 400, "post, {sid}");
        assert!(Ws::upgrade(&server, sid).await.is_err(), "websocket, {sid}");
    }
}

async fn method_in_session() {
    let server = Server::start(&[]);
    let mut polls = Polls::enter(&server).await;
    let url = server.url(&format!("/socket.io/{POLLING}&sid={}", polls.sid));
    let http = crate::lab::http();
    assert_eq!(http.put(&url).send().await.unwrap().status(), 400);
    polls.post(r#"420["nothing"]"#).await;
    polls.next_json("430").await;
}
