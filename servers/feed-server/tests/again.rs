//! The same question again and again: a poll that differs from the one before in its cursor alone is answered as if it were the first,
//! and one that differs in anything else is answered for what it says.

mod lab;

use std::time::Duration;

use lab::{Raw, Server, now};

/// Two ways of saying where one is.
const WAYS: [fn(&str) -> String; 2] = [by_query, by_field];

fn by_query(cursor: &str) -> String {
    get(&format!("/topics/news/long-poll?after={cursor}&wait=20"), "")
}

fn by_field(cursor: &str) -> String {
    get("/topics/news/long-poll?wait=20", &format!("If-None-Match: \"{cursor}\"\r\n"))
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
}

/// The cursor that an answer ends with.
fn cursor(answer: &str) -> String {
    let etag = answer.split("etag: \"").last().expect("it has an ETag");
    etag.split('"').next().unwrap().to_owned()
}

/// Waits until the server has read `bytes` of long polls.
async fn has_read(server: &Server, bytes: usize) {
    server.stats_when(|stats| stats.connections["long-poll"].bytes_read >= bytes as u64).await;
}

/// A client that has asked the same three times, and heard of three notifications; with it, its cursor and how much it has asked.
async fn regular(server: &Server, ask: fn(&str) -> String) -> (Raw, String, usize) {
    let head = server.get("/topics/news/short-poll").await.headers()["etag"].to_str().unwrap().to_owned();
    let mut at = head.trim_matches('"').to_owned();
    let mut asked = server.stats().await.connections["long-poll"].bytes_read as usize;
    let mut client = server.dial().await;
    for _ in 0..3 {
        client.write(ask(&at)).await;
        asked += ask(&at).len();
        has_read(server, asked).await;
        let id = server.publish("news", "1").await;
        let answer = client.read_until("]}", 1).await;
        assert_eq!(answer.matches(&format!("\"id\":{id},")).count(), 1, "{answer}");
        at = cursor(&answer);
    }
    (client, at, asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_question_is_answered_each_time_and_counted_to_the_byte() {
    let server = Server::start(&[]);
    let (mut asked, mut received) = (0, 0);
    for ask in WAYS {
        let (mut client, _, until_now) = regular(&server, ask).await;
        asked = until_now as u64;
        received += client.received;
        // What was read of polls stays theirs when something else is asked.
        client.get("/topics/news/sse").await;
        client.read_until("subscribed", 1).await;
    }
    let stats = server.stats_when(|stats| {
        let polls = &stats.connections["long-poll"];
        polls.open == 0 && polls.bytes_written >= received
    });
    let stats = stats.await;
    let stats = &stats.connections["long-poll"];
    assert_eq!((stats.answered, stats.delivered, stats.empty, stats.opened), (6, 6, 0, 2));
    assert_eq!((stats.bytes_read, stats.bytes_written), (asked, received));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_is_another_one_is_answered_for_what_it_says() {
    let server = Server::start(&["--history", "5"]);
    server.publish("other", "\"of another topic\"").await;
    server.publish_numbers(1..=9).await;
    for ask in WAYS {
        for turn in 0.. {
            let (mut client, at, _) = regular(&server, ask).await;
            let (epoch, offset) = at.split_once(':').unwrap();
            let offset: u64 = offset.parse().unwrap();
            let before = format!("{epoch}:{}", offset - 2);
            let (request, expected) = match turn {
                0 => (ask(&before), "\"notifications\":[{"),
                1 => (ask(&format!("{epoch}:{}", offset - 7)), "\"gap\":\""),
                2 => (ask(&format!("{epoch}:{}", offset + 1)), "\"gap\":\""),
                3 => (ask(&format!("zz{epoch}:{offset}")), "\"gap\":\""),
                4 => (ask(&at).replace("/news/", "/other/"), "\"gap\":\""),
                5 => (ask(&at).replace("wait=20", "wait=0"), "HTTP/1.1 "),
                6 => (ask(&at).replace("wait=20", "wait=61"), "HTTP/1.1 400 "),
                7 => (ask(&at).replace("wait=20", "weit=20"), "HTTP/1.1 400 "),
                8 => (ask(&at).replace("/long-poll", "/short-poll").replace("wait=20", ""), "HTTP/1.1 "),
                9 => (ask(&at).replace("GET", "HEAD"), "HTTP/1.1 "),
                10 => (ask(&at).replace("GET", "PUT"), "HTTP/1.1 405 "),
                11 => (ask(&format!("{epoch}:-{offset}")), "HTTP/1.1 "),
                12 => (ask(&at).replace("/news/", "/news%2"), "HTTP/1.1 4"),
                _ => break,
            };
            // An If-None-Match that holds no cursor matches nothing, and the question is one without a cursor: it is held.
            if turn == 11 && ask(&at) == by_field(&at) {
                continue;
            }
            client.write(&request).await;
            let answer = client.read_until(expected, 1).await;
            assert!(answer.starts_with("HTTP/1.1 "), "{request}{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_question_with_close_in_it_is_the_last() {
    let server = Server::start(&[]);
    for ask in WAYS {
        let (mut client, at, asked) = regular(&server, ask).await;
        let last = ask(&at).replace("Host: x\r\n", "Host: x\r\nConnection: close\r\n");
        client.write(&last).await;
        has_read(&server, asked + last.len()).await;
        server.publish("news", "\"last\"").await;
        let answer = client.read_to_end().await;
        assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("\"last\"}]}"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_behind_the_same_question_waits_its_turn() {
    let server = Server::start(&[]);
    for ask in WAYS {
        let (mut client, at, asked) = regular(&server, ask).await;
        let segment = [ask(&at), ask(&at), get("/healthz", "")].concat();
        client.write(&segment).await;
        has_read(&server, asked + segment.len()).await;
        server.publish("news", "\"both\"").await;
        let answers = client.read_until("ok\n", 1).await;
        assert_eq!(answers.matches("\"both\"").count(), 2, "{answers}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_question_in_two_halves_is_answered() {
    let server = Server::start(&[]);
    for ask in WAYS {
        let (mut client, at, asked) = regular(&server, ask).await;
        let request = ask(&at);
        client.write(&request[..40]).await;
        // Read under whatever it will turn out to be for: until then, for what came before.
        let sum = |stats: &feed::ServerStats| stats.connections["long-poll"].bytes_read as usize;
        server.stats_when(|stats| sum(stats) >= asked + 40).await;
        client.write(&request[40..]).await;
        has_read(&server, asked + request.len()).await;
        server.publish("news", "\"whole\"").await;
        client.read_until("\"whole\"}]}", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_before_the_same_question_comes_is_not_waited_for() {
    let server = Server::start(&[]);
    for ask in WAYS {
        let (mut client, mut at, _) = regular(&server, ask).await;
        for _ in 0..3 {
            let id = server.publish("news", "2").await;
            client.write(ask(&at)).await;
            let answer = client.read_until("]}", 1).await;
            assert_eq!(answer.matches(&format!("\"id\":{id},")).count(), 1, "{answer}");
            assert_eq!(answer.matches("\"id\":").count(), 1, "{answer}");
            at = cursor(&answer);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_question_waits_as_long_as_the_first_and_is_then_told_that_nothing_came() {
    let server = Server::start(&[]);
    for (ask, status) in WAYS.into_iter().zip(["HTTP/1.1 200 ", "HTTP/1.1 304 "]) {
        let ask = |cursor: &str| ask(cursor).replace("wait=20", "wait=2");
        let head = server.get("/topics/news/short-poll").await.headers()["etag"].to_str().unwrap().to_owned();
        let at = head.trim_matches('"').to_owned();
        let asked = server.stats().await.connections["long-poll"].bytes_read as usize + ask(&at).len();
        let mut client = server.dial().await;
        client.write(ask(&at)).await;
        has_read(&server, asked).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.publish("news", "1").await;
        let at = cursor(&client.read_until("]}", 1).await);
        let before = now();
        client.write(ask(&at)).await;
        let answer = client.read_until("\r\n\r\n", 1).await;
        assert!(answer.starts_with(status) && cursor(&answer) == at, "{answer}");
        // The 20 s of others it would not be waited for.
        assert!(before.elapsed() >= Duration::from_secs(2), "{:?}", before.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_the_same_is_told_that_the_server_stops() {
    for ask in WAYS {
        let mut server = Server::start(&[]);
        let (mut held, at, asked) = regular(&server, ask).await;
        held.write(ask(&at)).await;
        has_read(&server, asked + ask(&at).len()).await;
        let mut idle = server.dial().await;
        idle.write(get("/topics/news/long-poll?after=earliest", "")).await;
        idle.read_until("]}", 1).await;
        server.tell_to_stop();
        let answer = held.read_to_end().await;
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(answer.starts_with("HTTP/1.1 304 ") || answer.ends_with("\"notifications\":[]}"), "{answer}");
        assert_eq!(idle.read_to_end().await, "");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_announced_yet_is_not_waited_for_either() {
    let server = Server::start(&["--coalesce", "1500"]);
    lab::assert_quick(Duration::from_secs(1), async || {
        let (mut client, at, _) = regular(&server, by_query).await;
        let before = now();
        let id = server.publish("news", "2").await;
        client.write(by_query(&at)).await;
        client.read_until(&format!("\"id\":{id},"), 1).await;
        before.elapsed()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_answered_and_asks_no_more_idles_no_longer_than_others() {
    let server = Server::start(&["--idle-timeout", "2s"]);
    for ask in WAYS {
        // Not as long again as it may.
        lab::assert_quick(Duration::from_millis(3500), async || {
            let (mut client, at, asked) = regular(&server, ask).await;
            client.write(ask(&at)).await;
            has_read(&server, asked + ask(&at).len()).await;
            // Held for longer than it may idle, and answered soon before one looks again whether it does.
            tokio::time::sleep(Duration::from_millis(2300)).await;
            let before = now();
            server.publish("news", "\"last\"").await;
            client.read_until("\"last\"}]}", 1).await;
            assert_eq!(client.read_to_end().await, "");
            assert!(before.elapsed() >= Duration::from_millis(1900), "{:?}", before.elapsed());
            before.elapsed()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_be_held_is_not_to_idle() {
    let server = Server::start(&["--idle-timeout", "200ms"]);
    let mut client = server.dial().await;
    let before = now();
    client.write(get("/topics/news/long-poll?wait=1", "")).await;
    client.read_until("]}", 1).await;
    assert!(before.elapsed() >= Duration::from_secs(1), "{:?}", before.elapsed());
}
