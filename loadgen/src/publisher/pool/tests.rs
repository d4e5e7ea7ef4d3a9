//! What the pool does with servers that answer slowly, end connections, or leave a request without an answer.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use feed::Postmark;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use super::super::Report;
use super::super::books::Books;
use super::super::publication::Publication;
use super::Pool;
use crate::clock;
use crate::plan::tests::plan;
use crate::plan::{Arrive, Plan};
use crate::recording::{Departures, Windows};
use crate::target::{Target, TargetFile, Trust};

/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
const OK: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
const OK_AND_CLOSE: &[u8] = b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";

/// A pool, its books and its plan, whose window has the numbers 10 to 29.
struct Publisher {
    pool: Rc<Pool>,
    books: Rc<RefCell<Books>>,
    plan: Plan,
}

impl Publisher {
    async fn open(plan: Plan, url: &str) -> Self {
        Self::to(plan, &Target::resolve(url, &Trust { insecure: true, ..Trust::default() }).unwrap()).await
    }

    async fn to(plan: Plan, target: &Target) -> Self {
        let departures = Arc::new(Departures::new(&plan, &Windows::of(&plan)));
        let books = Rc::new(RefCell::new(Books::of_requests(&plan, departures, Arc::default())));
        let pool = Pool::open(&plan, target, Duration::from_millis(1), Rc::clone(&books)).await.unwrap();
        Self { pool, books, plan }
    }

    /// Publishes number `sequence`, now.
    async fn publish(&self, sequence: u32) {
        let arrive = Arrive { offset: self.plan.warmup, topic: 0, sequence };
        let postmark = Postmark { run: self.plan.run, publisher: 0, sequence, intended_ns: clock::now_ns() };
        self.pool.publish(Publication { arrive, in_window: true, postmark });
        tokio::task::yield_now().await;
    }

    /// Waits until it is known what becomes of everything.
    async fn settle(&self) {
        let settled = async {
            while self.pool.is_busy() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("everything is answered");
    }

    /// Ends it; its report.
    fn close(self) -> Report {
        self.pool.give_up();
        self.books.borrow_mut().close(vec![30])
    }
}

/// Serves each connection with `serve`, which is told its number; the server's URL.
async fn server<F: Future<Output = ()> + 'static>(serve: impl Fn(TcpStream, usize) -> F + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::task::spawn_local(async move {
        for number in 0.. {
            let Ok((socket, _)) = listener.accept().await else { return };
            tokio::task::spawn_local(serve(socket, number));
        }
    });
    url
}

/// Reads one request; false at the end of the stream.
async fn read_request(socket: &mut TcpStream, received: &mut Vec<u8>) -> bool {
    loop {
        if let Some(len) = request_len(received) {
            received.drain(..len);
            return true;
        }
        if !matches!(socket.read_buf(received).await, Ok(1..)) {
            return false;
        }
    }
}

fn request_len(received: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(received, b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&received[..head]).unwrap();
    let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let len = head + length.parse::<usize>().unwrap();
    (received.len() >= len).then_some(len)
}

async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_slow_answer_holds_up_no_other_request() {
    local(async {
        // Nothing is answered until all ten have come: on one connection, the second never would.
        let arrived = Rc::new(tokio::sync::Semaphore::new(0));
        let all = Rc::clone(&arrived);
        let url = server(move |mut socket, _| {
            let all = Rc::clone(&all);
            async move {
                let mut received = Vec::new();
                while read_request(&mut socket, &mut received).await {
                    all.add_permits(1);
                    while all.available_permits() < 10 {
                        tokio::task::yield_now().await;
                    }
                    socket.write_all(OK).await.unwrap();
                }
            }
        })
        .await;
        let publisher = Publisher::open(plan(), &url).await;
        for sequence in 10..20 {
            publisher.publish(sequence).await;
        }
        publisher.settle().await;
        let published = publisher.close().published;
        assert_eq!((published.accepted, published.refused, published.unknown), (10, 0, 0), "{published:?}");
        assert!((10..=17).contains(&published.most_connections), "{published:?}");
    })
    .await;
}

#[tokio::test]
async fn no_more_connections_are_opened_than_may_be_and_what_finds_none_waits() {
    local(async {
        let url = server(|mut socket, _| async move {
            let mut received = Vec::new();
            while read_request(&mut socket, &mut received).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
                socket.write_all(OK).await.unwrap();
            }
        })
        .await;
        let publisher = Publisher::open(Plan { publish_connections: 3, ..plan() }, &url).await;
        for sequence in 10..20 {
            publisher.publish(sequence).await;
        }
        publisher.settle().await;
        let report = publisher.close();
        let published = report.published;
        assert_eq!((published.accepted, published.most_connections), (10, 3), "{published:?}");
        assert!(published.waited >= 7, "{published:?}");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_loses_nothing_whether_or_not_it_says_so() {
    for answer in [OK, OK_AND_CLOSE, b"HTTP/1.0 200 OK\r\n\r\nnot so long that it needs one"] {
        local(async {
            let url = server(move |mut socket, _| async move {
                read_request(&mut socket, &mut Vec::new()).await;
                socket.write_all(answer).await.unwrap();
            })
            .await;
            let publisher = Publisher::open(plan(), &url).await;
            for sequence in 10..30 {
                publisher.publish(sequence).await;
                publisher.settle().await;
            }
            let report = publisher.close();
            assert_eq!(report.published.accepted, 20);
            assert!(report.failures.is_empty(), "{:?}", report.failures);
        })
        .await;
    }
}

#[tokio::test]
async fn a_connection_that_was_ended_for_idleness_is_not_written_to() {
    local(async {
        let url = server(|mut socket, _| async move {
            let mut received = Vec::new();
            while let Ok(true) =
                tokio::time::timeout(Duration::from_millis(300), read_request(&mut socket, &mut received)).await
            {
                socket.write_all(OK).await.unwrap();
            }
        })
        .await;
        let publisher = Publisher::open(plan(), &url).await;
        for sequence in 10..14 {
            publisher.publish(sequence).await;
            publisher.settle().await;
            // The thread sleeps, so that the pool learns of the end of its connections only when it publishes again.
            std::thread::sleep(Duration::from_millis(150));
            tokio::time::sleep(Duration::from_millis(150)).await;
            std::thread::sleep(Duration::from_millis(50));
        }
        let report = publisher.close();
        assert_eq!(report.published.accepted, 4);
        assert!(report.failures.is_empty(), "{:?}", report.failures);
    })
    .await;
}

#[tokio::test]
async fn what_stood_behind_an_answer_that_closes_is_sent_again_and_what_was_left_without_an_answer_is_unknown() {
    local(async {
        // The first connection answers one of three pipelined requests and closes; the second takes one and says nothing; others answer.
        let url = server(|mut socket, number| async move {
            let mut received = Vec::new();
            match number {
                0 => {
                    for _ in 0..3 {
                        read_request(&mut socket, &mut received).await;
                    }
                    socket.write_all(OK_AND_CLOSE).await.unwrap();
                }
                1 => {
                    for _ in 0..2 {
                        read_request(&mut socket, &mut received).await;
                    }
                }
                _ => {
                    while read_request(&mut socket, &mut received).await {
                        socket.write_all(OK).await.unwrap();
                    }
                }
            }
        })
        .await;
        let publisher = Publisher::open(Plan { publish_pipelined: true, ..plan() }, &url).await;
        for sequence in 10..13 {
            publisher.publish(sequence).await;
        }
        publisher.settle().await;
        let report = publisher.close();
        let published = &report.published;
        assert_eq!((published.accepted, published.unknown, published.sent_again), (1, 2, 2), "{published:?}");
        assert_eq!((report.refused, published.refused), (vec![vec![11, 12]], 0), "no known acceptance, and no refusal");
    })
    .await;
}

#[tokio::test]
async fn where_nobody_listens_a_publication_is_refused_at_once_and_told() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let publisher = Publisher::open(plan(), &url).await;
        // What it has not accepted is reset.
        drop(listener);
        let cut_off = async {
            while !publisher.pool.is_cut_off() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, cut_off).await.expect("it is noticed");
        publisher.publish(10).await;
        assert!(!publisher.pool.is_busy(), "nobody waits");
        let report = publisher.close();
        assert_eq!(report.failures.keys().collect::<Vec<_>>(), ["publish-unconnected"]);
        assert_eq!((report.published.refused, report.published.sent), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn answers_prove_the_order_of_publishing() {
    local(async {
        // Numbers 10 and 11 are answered together, 12 is published after that.
        let arrived = Rc::new(tokio::sync::Semaphore::new(0));
        let all = Rc::clone(&arrived);
        let url = server(move |mut socket, _| {
            let all = Rc::clone(&all);
            async move {
                let mut received = Vec::new();
                while read_request(&mut socket, &mut received).await {
                    all.add_permits(1);
                    while all.available_permits() < 2 {
                        tokio::task::yield_now().await;
                    }
                    socket.write_all(OK).await.unwrap();
                }
            }
        })
        .await;
        let publisher = Publisher::open(plan(), &url).await;
        publisher.publish(10).await;
        publisher.publish(11).await;
        publisher.settle().await;
        publisher.publish(12).await;
        publisher.settle().await;
        let order = publisher.close().orders.remove(0);
        assert_eq!([(10, 11), (10, 12), (11, 12)].map(|(a, b)| order.proves(a, b)), [false, true, true]);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_ends_unused_connections_at_once_is_published_to_all_the_same() {
    local(async {
        let url = server(|mut socket, _| async move {
            let mut received = Vec::new();
            // Sooner than any life of a connection that counts.
            let patience = Duration::from_millis(20);
            while let Ok(true) = tokio::time::timeout(patience, read_request(&mut socket, &mut received)).await {
                socket.write_all(OK).await.unwrap();
            }
        })
        .await;
        let publisher = Publisher::open(plan(), &url).await;
        for sequence in 10..16 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            publisher.publish(sequence).await;
            publisher.settle().await;
        }
        let report = publisher.close();
        assert_eq!(report.published.accepted, 6, "{:?} {:?}", report.published, report.failures);
    })
    .await;
}

#[tokio::test]
async fn a_close_that_follows_each_answer_without_a_word_is_learnt() {
    local(async {
        // The end comes a moment after the answer, when the next request may be on its way.
        let url = server(|mut socket, _| async move {
            read_request(&mut socket, &mut Vec::new()).await;
            socket.write_all(OK).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        })
        .await;
        let publisher = Publisher::open(plan(), &url).await;
        for sequence in 10..13 {
            publisher.publish(sequence).await;
            publisher.settle().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // From now on one follows the other at once.
        for sequence in 13..30 {
            publisher.publish(sequence).await;
            publisher.settle().await;
        }
        let report = publisher.close();
        assert_eq!(report.published.accepted, 20, "{:?} {:?}", report.published, report.failures);
    })
    .await;
}

#[tokio::test]
async fn what_carries_a_key_is_sent_once_the_server_is_back() {
    const KEYED: &str = r#"
name = "keyed"
[publish]
path = "/say"
headers = { Idempotency-Key = "{unique}" }
[transports.sse]
path = "/events"
"#;
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let file = Arc::new(TargetFile::parse(KEYED, ".".as_ref()).unwrap());
        let target = Target::resolve_as(&format!("http://{address}"), file, None, &Trust::default()).unwrap();
        let publisher = Publisher::to(plan(), &target).await;
        publisher.publish(10).await;
        let (mut socket, _) = listener.accept().await.unwrap();
        assert!(read_request(&mut socket, &mut Vec::new()).await);
        // It is gone with all its connections, and nobody listens.
        drop((socket, listener));
        let cut_off = async {
            while !publisher.pool.is_cut_off() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, cut_off).await.expect("it is noticed");
        let listener = TcpListener::bind(address).await.unwrap();
        tokio::task::spawn_local(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::task::spawn_local(async move {
                    let mut received = Vec::new();
                    while read_request(&mut socket, &mut received).await {
                        socket.write_all(OK).await.unwrap();
                    }
                });
            }
        });
        publisher.settle().await;
        let published = publisher.close().published;
        assert_eq!((published.accepted, published.refused, published.sent_again), (1, 0, 1), "{published:?}");
    })
    .await;
}

#[tokio::test]
async fn of_an_answer_that_is_cut_off_the_status_counts_and_408_on_a_kept_connection_answers_nothing() {
    const CUT: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 20\r\n\r\nten bytes.";
    const REFUSED: &[u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 20\r\n\r\nten bytes.";
    const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    local(async {
        for (first, second, accepted, kinds) in [
            (CUT, OK, 2, vec!["publish-truncated"]),
            (REFUSED, OK, 1, vec!["publish-status-503", "publish-truncated"]),
            (OK, LATE, 2, vec![]),
            (LATE, OK, 1, vec!["publish-status-408"]),
        ] {
            let url = server(move |mut socket, number| async move {
                let mut received = Vec::new();
                for turn in 0.. {
                    if !read_request(&mut socket, &mut received).await {
                        return;
                    }
                    let answer = match (number, turn) {
                        (0, 0) => first,
                        (0, _) => second,
                        _ => OK,
                    };
                    socket.write_all(answer).await.unwrap();
                    if answer != OK {
                        return;
                    }
                }
            })
            .await;
            let publisher = Publisher::open(plan(), &url).await;
            for sequence in 10..12 {
                publisher.publish(sequence).await;
                publisher.settle().await;
            }
            let report = publisher.close();
            assert_eq!(report.published.accepted, accepted, "{:?} {:?}", report.published, report.failures);
            assert_eq!(report.failures.keys().collect::<Vec<_>>(), kinds);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_http_is_one_kind_of_failure_whatever_it_says() {
    local(async {
        let url = server(|mut socket, number| async move {
            read_request(&mut socket, &mut Vec::new()).await;
            socket.write_all(format!("{{\"id\":{number}}}\r\n").as_bytes()).await.unwrap();
        })
        .await;
        let publisher = Publisher::open(plan(), &url).await;
        for sequence in 10..13 {
            publisher.publish(sequence).await;
            publisher.settle().await;
            let pausing = async {
                while publisher.pool.is_pausing.get() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(PATIENCE, pausing).await.expect("it goes on");
        }
        let report = publisher.close();
        let kind = "publish-protocol: not an HTTP/1.1 answer (RFC 9112 4)";
        assert_eq!(report.failures, [(kind.to_owned(), 3), ("publish-unknown".to_owned(), 3)].into());
        assert!(report.quotes[kind].contains("{\"id\":"), "{:?}", report.quotes);
    })
    .await;
}

/// Takes TLS connections, with a certificate of its own.
fn acceptor() -> TlsAcceptor {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()));
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

#[tokio::test]
async fn what_is_sent_over_tls_is_with_the_kernel_even_when_the_socket_is_full() {
    /// Nothing has moved for so long: the sockets are full.
    const LULL: Duration = Duration::from_millis(500);
    const ALL: u32 = 2_000;
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let plan = Plan { payload: 4_000, publish_pipelined: true, ..plan() };
        let (publisher, peer) = tokio::join!(Publisher::open(plan, &url), async {
            acceptor().accept(listener.accept().await.unwrap().0).await
        });
        let mut peer = peer.unwrap();
        // The peer does not read, so that one of them has to wait, and is left waiting.
        for sequence in 10..10 + ALL {
            publisher.publish(sequence).await;
        }
        let mut sent = 0;
        let full = async {
            loop {
                tokio::time::sleep(LULL).await;
                let now = publisher.books.borrow().sent_so_far();
                if now == std::mem::replace(&mut sent, now) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, full).await.expect("the socket is full");
        assert!(sent > 10 && sent < u64::from(ALL), "{sent}");
        let (mut received, mut came) = (Vec::new(), 0);
        while came < ALL as usize {
            let read = tokio::time::timeout(PATIENCE, peer.read_buf(&mut received)).await;
            assert!(read.expect("all that is sent arrives").unwrap() > 0);
            came = memchr::memmem::find_iter(&received, b"POST ").count();
        }
        assert_eq!(publisher.books.borrow().sent_so_far(), u64::from(ALL));
        publisher.pool.give_up();
    })
    .await;
}

#[tokio::test]
async fn over_tls_a_rested_connection_goes_on_although_the_server_has_sent_session_tickets() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        tokio::task::spawn_local(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else { return };
                tokio::task::spawn_local(async move {
                    let mut sealed = acceptor().accept(socket).await.unwrap();
                    let mut received = Vec::new();
                    while sealed.read_buf(&mut received).await.unwrap_or(0) > 0 {
                        while let Some(len) = request_len(&received) {
                            received.drain(..len);
                            sealed.write_all(OK).await.unwrap();
                            sealed.flush().await.unwrap();
                        }
                    }
                });
            }
        });
        let publisher = Publisher::open(plan(), &url).await;
        // Longer than a short rest, in which nothing was read.
        std::thread::sleep(Duration::from_millis(50));
        for sequence in 10..13 {
            publisher.publish(sequence).await;
            publisher.settle().await;
        }
        assert_eq!(publisher.close().published.accepted, 3);
    })
    .await;
}
