//! A Socket.IO client that shows its token as the official one does: in `auth`, the object of its CONNECT packet.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::lab::{self, Server};
use crate::{BRIEF_S, all, claims, hs256, server};

pub(crate) type Session = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A Socket.IO session over WebSocket that has not entered yet.
pub(crate) async fn session(server: &Server, query: &str) -> Session {
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket{query}", server.address);
    tokio_tungstenite::connect_async(url).await.unwrap().0
}

/// Sends `packet` and reads up to the one that begins with any of `answers`.
pub(crate) async fn ask(client: &mut Session, packet: String, answers: &[&str]) -> String {
    client.send(Message::text(packet)).await.unwrap();
    let answer = async {
        loop {
            let said = client.next().await.unwrap().unwrap().into_text().unwrap().to_string();
            if answers.iter().any(|answer| said.starts_with(answer)) {
                return said;
            }
        }
    };
    timeout(lab::PATIENCE, answer).await.expect("an answer")
}

/// The CONNECT packet of a client that was given `auth: {token}`.
fn auth(token: &str) -> String {
    format!(r#"40{{"token":"{token}"}}"#)
}

const ENTERING: [&str; 2] = ["40", "44"];

#[tokio::test]
async fn a_socketio_client_shows_its_token_as_auth_and_may_do_what_it_says_until_it_expires() {
    let server = server(&[]);
    let mut client = session(&server, "").await;
    let token = hs256(&claims(60.0, r#""read":["news"],"write":["news"]"#));
    let entered = ask(&mut client, auth(&token), &ENTERING).await;
    assert!(entered.starts_with(r#"40{"sid""#), "{entered}");
    for (event, expected) in [
        (r#"["subscribe",{"topic":"news"}]"#, "epoch"),
        (r#"["subscribe",{"topic":"other"}]"#, "does not allow to read other"),
        (r#"["publish",{"topic":"other","payload":1}]"#, "does not allow to write other"),
    ] {
        let answer = ask(&mut client, format!("427{event}"), &["437"]).await;
        assert!(answer.contains(expected), "{event}: {answer}");
    }
    let mut brief = session(&server, "").await;
    ask(&mut brief, auth(&hs256(&all(BRIEF_S))), &["40"]).await;
    let ended = async { while let Some(Ok(_)) = brief.next().await {} };
    timeout(lab::PATIENCE, ended).await.expect("it ends");
    server.ended("socketio", "token-expired", 1).await;
}

#[tokio::test]
async fn a_socketio_client_without_a_good_token_does_not_enter_and_can_do_nothing() {
    let server = server(&["--socketio-connect-timeout", "2s"]);
    let mut client = session(&server, "").await;
    let bad = hs256(&all(-1.0));
    for (connect, why) in [
        ("40".to_owned(), "expected a token: as auth"),
        (auth(&bad), "the token is not good: it has expired"),
        (r#"40{"token":7}"#.to_owned(), "expected a string"),
    ] {
        let answer = ask(&mut client, connect, &ENTERING).await;
        assert!(answer.starts_with(r#"44{"message":"#) && answer.contains(why) && !answer.contains(&bad), "{answer}");
    }
    client.send(Message::text(r#"427["publish",{"topic":"news","payload":1}]"#)).await.unwrap();
    let ended = async {
        while let Some(Ok(said)) = client.next().await {
            assert!(!said.to_text().unwrap_or_default().starts_with("43"), "{said}");
        }
    };
    timeout(lab::PATIENCE, ended).await.expect("the session ends");
    let stats = server.stats().await;
    assert_eq!((stats.refusals["token"], stats.published, stats.topics), (3, 0, 0));
}

#[tokio::test]
async fn a_socketio_client_may_try_four_tokens_and_the_last_one_counts() {
    let server = server(&[]);
    let mut client = session(&server, "").await;
    for _ in 0..3 {
        ask(&mut client, auth("abc"), &["44"]).await;
    }
    client.send(Message::text(auth("abc"))).await.unwrap();
    let ended = async { while let Some(Ok(_)) = client.next().await {} };
    timeout(lab::PATIENCE, ended).await.expect("the fourth ends the session");
    server.ended("socketio", "protocol-error", 1).await;

    // What is shown on entering counts before what the handshake showed, be it less, more, or bad.
    let query = format!("&access_token={}", hs256(&all(60.0)));
    let mut client = session(&server, &query).await;
    ask(&mut client, auth("abc"), &["44"]).await;
    ask(&mut client, auth(&hs256(&claims(60.0, r#""read":["news"]"#))), &["40"]).await;
    let answer = ask(&mut client, r#"427["subscribe",{"topic":"other"}]"#.to_owned(), &["437"]).await;
    assert!(answer.contains("does not allow to read other"), "{answer}");
}

#[tokio::test]
async fn a_polling_session_that_began_with_a_token_is_asked_for_one_each_time() {
    let server = server(&[]);
    let begin = async |query: &str| {
        let answer = server.get(&format!("/socket.io/?EIO=4&transport=polling{query}")).await.text().await.unwrap();
        let sid = answer.split('"').nth(3).unwrap().to_owned();
        server.url(&format!("/socket.io/?EIO=4&transport=polling&sid={sid}"))
    };
    let enter = async |url: &str, connect: &str| {
        let http = lab::http();
        let status = http.post(url).body(connect.to_owned()).send().await.unwrap().status().as_u16();
        let mut said = String::new();
        while status == 200 && !ENTERING.iter().any(|answer| said.contains(answer)) {
            said = http.get(url).timeout(lab::PATIENCE).send().await.unwrap().text().await.unwrap();
        }
        (status, said)
    };
    let token = hs256(&all(60.0));
    let shown = begin(&format!("&access_token={token}")).await;
    assert_eq!(enter(&shown, "40").await.0, 401);
    assert!(enter(&format!("{shown}&access_token={token}"), "40").await.1.contains(r#"40{"sid""#));
    let (_, said) = enter(&begin("").await, "40").await;
    assert!(said.contains(r#"44{"message":"expected a token"#), "{said}");
    let (_, said) = enter(&begin("").await, &auth(&token)).await;
    assert!(said.contains(r#"40{"sid""#), "{said}");
}
