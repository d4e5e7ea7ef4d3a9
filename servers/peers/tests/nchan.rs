//! nginx with Nchan: the same notification over four transports, what its history gives back, and its clean end.

mod lab;

use lab::Client;
use lab::wire::{Wire, field, publish};
use peers::Peer;

const STREAM: &str = "Accept: text/event-stream";

/// Opens an event stream and waits for its first bytes.
async fn open_stream(peer: &Peer, topic: &str, fields: &[&str]) -> Wire {
    let mut stream = Wire::dial(peer).await;
    stream.get(&format!("/topics/{topic}/sse"), &[&[STREAM], fields].concat()).await;
    let head = stream.hear_until(": hi\n\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream"), "{head}");
    stream
}

/// Polls, with the cursor that an earlier answer left behind, if there was one.
async fn ask(poller: &mut Wire, path: &str, after: Option<&str>) {
    match after {
        None => poller.get(path, &[]).await,
        Some(head) => {
            let etag = format!("If-None-Match: {}", field(head, "etag").expect("an ETag"));
            let modified = format!("If-Modified-Since: {}", field(head, "last-modified").expect("a Last-Modified"));
            poller.get(path, &[&etag, &modified]).await;
        }
    }
}

#[tokio::test]
async fn what_is_published_reaches_every_transport_untouched() {
    let Some(peer) = Peer::for_test("nchan", &[]).await else { return };
    let payload = r#"{"text": "wl1:0badcafe:0000:00000001:00000000000000ff;"}"#;
    let mut socket = Client::connect(&peer.ws("/topics/news/ws")).await;
    let mut stream = open_stream(&peer, "news", &[]).await;
    let mut held = Wire::dial(&peer).await;
    ask(&mut held, "/topics/news/long-poll", None).await;
    // The first is answered 201 or 202 by whether the others are subscribed already: both say that it was taken.
    assert!([201, 202].contains(&publish(&peer, "news", payload).await.0));
    assert_eq!(socket.hear().await, payload);
    assert!(stream.hear_until("\n\n").await.ends_with(&format!("\ndata: {payload}\n\n")));
    assert_eq!(held.hear_answer().await.1, payload);
    let mut poller = Wire::dial(&peer).await;
    ask(&mut poller, "/topics/news/short-poll", None).await;
    assert_eq!(poller.hear_answer().await.1, payload);
}

#[tokio::test]
async fn an_event_stream_goes_on_after_its_last_event_id() {
    let Some(peer) = Peer::for_test("nchan", &[]).await else { return };
    let mut stream = open_stream(&peer, "news", &[]).await;
    publish(&peer, "news", "1").await;
    let event = stream.hear_until("\n\n").await;
    let id = event.lines().find_map(|line| line.strip_prefix("id: ")).expect("an event has an id").to_owned();
    drop(stream);
    for number in ["2", "3"] {
        publish(&peer, "news", number).await;
    }
    let mut stream = open_stream(&peer, "news", &[&format!("Last-Event-ID: {id}")]).await;
    for number in ["2", "3"] {
        assert!(stream.hear_until("\n\n").await.ends_with(&format!("\ndata: {number}\n\n")));
    }
}

#[tokio::test]
async fn a_long_poll_goes_on_from_its_etag_and_waits_once_it_has_everything() {
    let Some(peer) = Peer::for_test("nchan", &[]).await else { return };
    let mut poller = Wire::dial(&peer).await;
    ask(&mut poller, "/topics/news/short-poll", None).await;
    assert!(
        poller.hear_answer().await.0.starts_with("HTTP/1.1 304 "),
        "a topic without history has nothing to poll for"
    );
    publish(&peer, "news", "1").await;
    ask(&mut poller, "/topics/news/short-poll", None).await;
    let (mut head, body) = poller.hear_answer().await;
    assert_eq!(body, "1");
    for number in ["2", "3"] {
        publish(&peer, "news", number).await;
    }
    for number in ["2", "3"] {
        ask(&mut poller, "/topics/news/long-poll", Some(&head)).await;
        let answer = poller.hear_answer().await;
        assert_eq!(answer.1, number, "one message an answer, in order");
        head = answer.0;
    }
    ask(&mut poller, "/topics/news/long-poll", Some(&head)).await;
    publish(&peer, "news", "4").await;
    assert_eq!(poller.hear_answer().await.1, "4");
}

#[tokio::test]
async fn a_short_poll_without_news_is_told_so_and_one_with_news_is_given_one_message() {
    let Some(peer) = Peer::for_test("nchan", &[]).await else { return };
    for number in ["1", "2"] {
        publish(&peer, "news", number).await;
    }
    let mut poller = Wire::dial(&peer).await;
    ask(&mut poller, "/topics/news/short-poll", None).await;
    let first = poller.hear_answer().await;
    ask(&mut poller, "/topics/news/short-poll", Some(&first.0)).await;
    let second = poller.hear_answer().await;
    assert_eq!((first.1.as_str(), second.1.as_str()), ("1", "2"));
    ask(&mut poller, "/topics/news/short-poll", Some(&second.0)).await;
    assert!(poller.hear_answer().await.0.starts_with("HTTP/1.1 304 "));
}

#[tokio::test]
async fn it_ends_with_its_standard_input_and_leaves_no_file_behind() {
    let folder = tempfile::tempdir().unwrap();
    let Some(peer) = Peer::for_test("nchan", &[("TMPDIR", folder.path().to_str().unwrap())]).await else { return };
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files(), 1, "the folder of its configuration");
    let mut held = Wire::dial(&peer).await;
    ask(&mut held, "/topics/news/long-poll", None).await;
    peer.close_stdin().await.unwrap();
    held.end().await;
    assert_eq!(files(), 0);
}
