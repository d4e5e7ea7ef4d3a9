//! Tokens: who shows none or a bad one is kept out of every transport, who shows a good one may do what it says, as long as it lasts.

#[path = "tokens/auth.rs"]
mod auth;
#[path = "tokens/jwks.rs"]
mod jwks;
mod lab;

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt, StreamExt};
use lab::{Server, handshake};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};
use tempfile::NamedTempFile;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

const SECRET: &[u8] = b"a secret of tests, thirty-two bytes and some";

/// How long a token lasts that expires while a test looks on, s: longer than it takes to come in with it, on a busy machine, too.
const BRIEF_S: f64 = 3.0;

fn written(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn ed25519() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap()
}

/// The keys of the server: one of each kind.
fn keys() -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let (secret, public) = (written(SECRET), written(ed25519().public_key()));
    write!(
        file,
        r#"{{"keys":[{{"kty":"oct","kid":"s","k":"{secret}"}},{{"kty":"OKP","crv":"Ed25519","kid":"e","x":"{public}"}}]}}"#
    )
    .unwrap();
    file
}

fn server(flags: &[&str]) -> Server {
    let keys = keys();
    Server::start(&[&["--jwt-keys", keys.path().to_str().unwrap()], flags].concat())
}

/// A token as RFC 7515, section 3.1 writes it; what signs it is not the server's code.
fn token(head: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", written(head), written(claims));
    let signature = written(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn hs256(claims: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    token(r#"{"alg":"HS256","typ":"JWT"}"#, claims, |message| hmac::sign(&key, message).as_ref().to_vec())
}

fn eddsa(claims: &str) -> String {
    token(r#"{"alg":"EdDSA","kid":"e"}"#, claims, |message| ed25519().sign(message).as_ref().to_vec())
}

fn unix_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Claims that last for `seconds`.
fn claims(seconds: f64, rest: &str) -> String {
    format!(r#"{{"exp":{},{rest}}}"#, unix_s() + seconds)
}

fn all(seconds: f64) -> String {
    claims(seconds, r#""read":["*"],"write":["*"]"#)
}

/// A request for each transport and for publishing, with `query` and header fields, and the status of who is let in.
fn requests(query: &str, fields: &str) -> [(&'static str, String, u16); 6] {
    let get = |path: &str| {
        let query = if query.is_empty() { String::new() } else { format!("&{query}") };
        format!("GET {path}{query} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
    };
    [
        ("short-poll", get("/topics/news/short-poll?after=earliest"), 200),
        ("long-poll", get("/topics/news/long-poll?wait=0"), 200),
        ("sse", get("/topics/news/sse?after=earliest"), 200),
        ("ws", handshake(&format!("?{query}")).replace("Host: x\r\n", &format!("Host: x\r\n{fields}")), 101),
        ("socketio", get("/socket.io/?EIO=4&transport=polling"), 200),
        (
            "publish",
            format!("POST /topics/news?{query} HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: 1\r\n\r\n1"),
            201,
        ),
    ]
}

async fn head(server: &Server, request: &str) -> String {
    let mut client = server.dial().await;
    client.write(request).await;
    client.read_until("\r\n\r\n", 1).await
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[tokio::test]
async fn without_a_token_nothing_is_read_or_published() {
    let server = server(&[]);
    // A Socket.IO session may begin without, and is asked when it enters.
    for (name, request, _) in requests("", "").into_iter().filter(|(name, ..)| *name != "socketio") {
        let head = head(&server, &request).await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{name}: {head}");
        assert!(head.contains("\r\nwww-authenticate: Bearer realm=\"feed\"\r\n"), "{name}: {head}");
    }
    assert!(head(&server, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n").await.starts_with("HTTP/1.1 401 "));
    for path in ["/healthz", "/readyz", "/stats", "/metrics", "/"] {
        assert_eq!(server.get(path).await.status(), 200, "{path} is for those who watch the server");
    }
    let stats = server.stats().await;
    assert_eq!((stats.refusals["token"], stats.published, stats.refused, stats.topics), (6, 0, 1, 0));
}

#[tokio::test]
async fn a_good_token_opens_every_transport_in_the_head_or_in_the_query() {
    let server = server(&[]);
    for token in [hs256(&all(60.0)), eddsa(&all(60.0))] {
        for (query, fields) in [
            (String::new(), bearer(&token)),
            (String::new(), bearer(&token).replace("Bearer", "bEARER")),
            (format!("access_token={token}"), String::new()),
        ] {
            for (name, request, expected) in requests(&query, &fields) {
                let head = head(&server, &request).await;
                assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{name}: {head}");
            }
        }
    }
    assert_eq!(server.stats().await.refusals["token"], 0);
}

#[tokio::test]
async fn a_bad_token_is_refused_with_what_is_wrong_and_is_not_repeated() {
    let server = server(&[]);
    let good = hs256(&all(60.0));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"another secret of thirty-two bytes.");
    let other = |head: &str| token(head, &all(60.0), |message| hmac::sign(&key, message).as_ref().to_vec());
    let public = hmac::Key::new(hmac::HMAC_SHA256, ed25519().public_key().as_ref());
    let confused =
        token(r#"{"alg":"HS256","kid":"e"}"#, &all(60.0), |message| hmac::sign(&public, message).as_ref().to_vec());
    let cases = [
        ("abc".to_owned(), "no JWT"),
        (format!("{message}."), "not signed by a key of this server"),
        (format!("{}.{signature}", message.replacen('.', ".e", 1)), "not signed by a key of this server"),
        (other(r#"{"alg":"HS256"}"#), "not signed by a key of this server"),
        (other(r#"{"alg":"HS256","kid":"unknown"}"#), "not signed by a key of this server"),
        (confused, "not signed by a key of this server"),
        (token(r#"{"alg":"none"}"#, &all(60.0), |_| Vec::new()), "no JWT"),
        (other(r#"{"alg":"HS512"}"#), "not signed by a key of this server"),
        (hs256(&all(-1.0)), "has expired"),
        (hs256(&claims(60.0, &format!(r#""nbf":{},"read":["*"]"#, unix_s() + 30.0))), "not valid yet"),
        (hs256(r#"{"read":["*"]}"#), "does not say when it expires"),
        (hs256(&claims(60.0, r#""read":"news""#)), "its claims make no sense"),
        (hs256(r#"{"exp":"soon","read":["s3cret"]}"#), "its claims make no sense"),
        (hs256(&claims(60.0, r#""aud":"others","read":["*"]"#)), "for somebody else"),
    ];
    let count = cases.len() as u64;
    for (token, why) in cases {
        let mut client = server.dial().await;
        client.write(&requests("", &bearer(&token))[0].1).await;
        let answer = client.read_until("\"}", 1).await;
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("error=\"invalid_token\""), "{answer}");
        assert!(answer.contains(why), "{why}: {answer}");
        assert!(!answer.contains(&token) && !answer.contains("s3cret"), "{answer}");
    }
    let basic = requests("", "Authorization: Basic dTpw\r\n");
    assert!(head(&server, &basic[0].1).await.starts_with("HTTP/1.1 401 "));
    for twice in [
        requests(&format!("access_token={good}&access_token={good}"), ""),
        requests(&format!("access_token={good}"), &bearer(&good)),
    ] {
        let head = head(&server, &twice[0].1).await;
        assert!(head.starts_with("HTTP/1.1 400 ") && head.contains("error=\"invalid_request\""), "{head}");
    }
    assert_eq!(server.stats().await.refusals["token"], count + 3);
}

#[tokio::test]
async fn a_token_is_for_the_audience_that_the_server_is_told() {
    let server = server(&["--jwt-audience", "feed"]);
    for (rest, expected) in
        [(r#""aud":"feed""#, 200), (r#""aud":["x","feed"]"#, 200), (r#""aud":"x""#, 401), (r#""sub":"y""#, 401)]
    {
        let token = hs256(&claims(60.0, &format!(r#"{rest},"read":["*"]"#)));
        let head = head(&server, &requests("", &bearer(&token))[0].1).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{rest}: {head}");
    }
}

#[tokio::test]
async fn a_token_allows_the_topics_that_it_names() {
    let server = server(&[]);
    let reads = bearer(&hs256(&claims(60.0, r#""read":["news","user-*"]"#)));
    let writes = bearer(&eddsa(&claims(60.0, r#""write":["news"]"#)));
    for (fields, may_read) in [(&reads, true), (&writes, false)] {
        for (name, request, expected) in requests("", fields) {
            let head = head(&server, &request).await;
            let allowed = name == "socketio" || (name == "publish") != may_read;
            let expected = if allowed { expected } else { 403 };
            assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{name} {may_read}: {head}");
            assert_eq!(head.contains("error=\"insufficient_scope\""), !allowed, "{head}");
        }
    }
    let poll = |topic: &str| format!("GET /topics/{topic}/short-poll HTTP/1.1\r\nHost: x\r\n{reads}\r\n");
    for (topic, expected) in [("user-7", 200), ("%75ser-7", 200), ("users", 403), ("other", 403), ("%6fther", 403)] {
        let head = head(&server, &poll(topic)).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{topic}: {head}");
    }
    let stats = server.stats().await;
    assert_eq!((stats.refusals["grant"], stats.refused, stats.published), (1 + 4 + 3, 1, 1));
    assert_eq!(stats.topics, 2, "what is refused makes no topic");
}

#[tokio::test]
async fn a_websocket_publishes_where_its_token_says() {
    let server = server(&[]);
    for (rest, allowed) in
        [(r#""read":["news"],"write":["news"]"#, true), (r#""read":["news"],"write":["other"]"#, false)]
    {
        let token = hs256(&claims(60.0, rest));
        let url = format!("ws://{}/topics/news/ws?access_token={token}", server.address);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        socket.send(Message::text(r#"{"type":"publish","messageId":"1","payload":1}"#)).await.unwrap();
        let ack = async {
            loop {
                let said = socket.next().await.unwrap().unwrap().into_text().unwrap();
                if said.contains(r#""type":"ack""#) {
                    return said;
                }
            }
        };
        let ack = timeout(lab::PATIENCE, ack).await.unwrap();
        assert_eq!(ack.contains(r#""success":true"#), allowed, "{ack}");
        assert_eq!(ack.contains("does not allow to write news"), !allowed, "{ack}");
    }
    let stats = server.stats().await;
    assert_eq!((stats.published, stats.refused, stats.refusals["grant"]), (1, 1, 1));
}

#[tokio::test]
async fn a_stream_ends_when_its_token_does() {
    let server = server(&["--heartbeat", "20s", "--ping-interval", "20s"]);
    let url = format!("ws://{}/topics/news/ws?access_token={}", server.address, hs256(&all(BRIEF_S)));
    let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let fields = bearer(&hs256(&all(BRIEF_S)));
    let mut sse = server.dial().await;
    sse.write(format!("GET /topics/news/sse HTTP/1.1\r\nHost: x\r\n{fields}\r\n")).await;
    let mut held = server.dial().await;
    held.write(format!("GET /topics/news/long-poll?wait=30 HTTP/1.1\r\nHost: x\r\n{fields}\r\n")).await;
    let lasting = bearer(&hs256(&all(60.0)));
    let mut stays = server.dial().await;
    stays.write(format!("GET /topics/news/sse HTTP/1.1\r\nHost: x\r\n{lasting}\r\n")).await;
    stays.read_until("recovered\":true}\n\n\r\n", 1).await;

    let close = async {
        loop {
            if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                return frame.unwrap();
            }
        }
    };
    let close = timeout(lab::PATIENCE, close).await.unwrap();
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1008, "token expired"));
    assert!(sse.read_to_end().await.ends_with("0\r\n\r\n"));
    let answer = held.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("connection: close"), "{answer}");
    for transport in ["ws", "sse", "long-poll"] {
        server.ended(transport, "token-expired", 1).await;
    }
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("feed_ended_total{transport=\"ws\",reason=\"token-expired\"} 1\n"), "{metrics}");

    let publish = format!("POST /topics/news HTTP/1.1\r\nHost: x\r\n{lasting}Content-Length: 1\r\n\r\n7");
    assert!(head(&server, &publish).await.starts_with("HTTP/1.1 201 "));
    stays.read_until("\"payload\":7}", 1).await;
}

#[tokio::test]
async fn a_stream_that_has_always_something_to_say_ends_when_its_token_does_as_well() {
    let server = server(&["--history", "1000000"]);
    let lasting = bearer(&hs256(&all(60.0)));
    let mut publisher = server.dial().await;
    let one = format!("POST /topics/news HTTP/1.1\r\nHost: x\r\n{lasting}Content-Length: 1\r\n\r\n7");
    let mut reader = server.dial().await;
    let fields = bearer(&hs256(&all(BRIEF_S)));
    reader.write(format!("GET /topics/news/sse HTTP/1.1\r\nHost: x\r\n{fields}\r\n")).await;
    reader.read_until("recovered\":true}\n\n\r\n", 1).await;
    let publishing = async {
        loop {
            publisher.write(one.repeat(20)).await;
            publisher.read_until("\"epoch\"", 20).await;
        }
    };
    tokio::select! {
        () = publishing => {}
        rest = reader.read_to_end() => assert!(rest.ends_with("0\r\n\r\n")),
    }
}

#[tokio::test]
async fn a_poll_on_a_kept_alive_connection_is_refused_once_its_token_has_expired() {
    let server = server(&[]);
    let fields = bearer(&hs256(&all(BRIEF_S)));
    let mut clients = Vec::new();
    for path in ["long-poll?wait=0", "short-poll"] {
        let mut client = server.dial().await;
        let poll = format!("GET /topics/news/{path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        client.write(&poll).await;
        assert!(client.read_until("]}", 1).await.starts_with("HTTP/1.1 200 "));
        clients.push((client, poll));
    }
    tokio::time::sleep(Duration::from_secs_f64(BRIEF_S)).await;
    for (mut client, poll) in clients {
        client.write(&poll).await;
        let answer = client.read_until("\"}", 1).await;
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("has expired"), "{answer}");
    }
}

#[tokio::test]
async fn a_socketio_session_may_do_what_its_token_says_and_ends_with_it() {
    let server = server(&[]);
    let enter = async |seconds: f64| {
        let token = hs256(&claims(seconds, r#""read":["news"],"write":["news"]"#));
        let mut client = auth::session(&server, &format!("&access_token={token}")).await;
        // No event before CONNECT is answered: the contract says what may become of one that comes earlier.
        auth::ask(&mut client, "40".to_owned(), &["40{"]).await;
        client
    };
    let mut client = enter(60.0).await;
    let events = [
        (r#"["subscribe",{"topic":"news"}]"#, "epoch"),
        (r#"["subscribe",{"topic":"other"}]"#, "does not allow to read other"),
        (r#"["publish",{"topic":"news","payload":1}]"#, "\"id\":1"),
        (r#"["publish",{"topic":"other","payload":1}]"#, "does not allow to write other"),
    ];
    for (number, (event, expected)) in events.iter().enumerate() {
        let answer = auth::ask(&mut client, format!("42{number}{event}"), &[&format!("43{number}")]).await;
        assert!(answer.contains(expected), "{event}: {answer}");
    }
    let stats = server.stats().await;
    assert_eq!((stats.refusals["grant"], stats.published, stats.refused), (2, 1, 1));

    let mut brief = enter(BRIEF_S).await;
    let ended = async { while let Some(Ok(_)) = brief.next().await {} };
    timeout(lab::PATIENCE, ended).await.expect("it ends");
    server.ended("socketio", "token-expired", 1).await;
}

#[tokio::test]
async fn a_token_that_nobody_asks_for_is_not_looked_at() {
    let server = Server::start(&[]);
    let head = head(&server, &requests("", &bearer("anything"))[0].1).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}
