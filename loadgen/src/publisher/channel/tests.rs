//! What a channel does while its socket is busy, and where the server does not answer.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use feed::Postmark;
use feed::framings::websocket::accept_key;
use results::Accepted;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::super::publication::Publication;
use super::super::{Channels, books::Books, ws::Ws};
use super::{Channel, Kind};
use crate::plan::Arrive;
use crate::plan::tests::plan;
use crate::target::{Target, TargetFile, Trust};

/// The chat server of the examples, which is published to through a WebSocket, at a listener's address.
fn chat_at(listener: &TcpListener) -> Target {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/targets/examples/chat.toml");
    let url = format!("http://{}", listener.local_addr().unwrap());
    Target::resolve_as(&url, Arc::new(TargetFile::named(example).unwrap()), None, &Trust::default()).unwrap()
}

/// Lets one WebSocket in.
async fn let_in(listener: &TcpListener) -> TcpStream {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\n") {
        assert!(socket.read_buf(&mut received).await.unwrap() > 0);
    }
    let text = String::from_utf8(received).unwrap();
    let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = accept_key(key.trim().as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

#[tokio::test]
async fn a_socket_that_is_busy_with_a_pong_is_not_taken_for_lost() {
    let sending = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (target, plan) = (chat_at(&listener), plan());
        let books = Books::of_sockets(&plan, Accepted::Written, Arc::default(), Arc::default());
        let books = Rc::new(RefCell::new(books));
        let kind = Kind::Ws(Ws::for_topics(&plan, &target).remove(0));
        let (channel, _server) = tokio::join!(Channel::open(kind, &target, Rc::clone(&books)), let_in(&listener));
        let channel = channel.unwrap();
        let pong = channel.take_writer().expect("it was just opened");
        let arrive = Arrive { offset: plan.warmup, topic: 0, sequence: 0 };
        let postmark = Postmark { run: plan.run, publisher: 0, sequence: 0, intended_ns: 1 };
        let mut sent = pin!(channel.send(Publication { arrive, in_window: true, postmark }, || ()));
        tokio::select! {
            biased;
            () = &mut sent => panic!("it did not wait: {:?}", books.borrow().failures()),
            () = tokio::task::yield_now() => {}
        }
        drop(pong);
        sent.await;
        let report = books.borrow_mut().close(vec![1]);
        assert_eq!(report.published.accepted, 1);
        assert!(report.failures.is_empty(), "{:?}", report.failures);
    };
    LocalSet::new().run_until(sending).await;
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_not_waited_for_without_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = chat_at(&listener);
    let plan = plan();
    let opening = Channels::open(&plan, &target, Arc::default(), Arc::default(), Duration::ZERO);
    let error = LocalSet::new().run_until(opening).await.map(|_| "it was let in").unwrap_err();
    assert!(format!("{error:#}").contains("did not let the publisher in within 5 s"), "{error:#}");
}
