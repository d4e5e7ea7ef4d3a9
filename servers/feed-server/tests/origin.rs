//! Pages of other origins: refused on every transport unless they are allowed, and then they may read the answers.

mod lab;

use lab::{Server, handshake};

const FOREIGN: &str = "Origin: https://app.test\r\n";

/// A request for each transport, and the status that it gets when it is let in; `fields` are header fields.
fn requests(fields: &str) -> [(&'static str, String, u16); 6] {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: here.test:8080\r\n{fields}\r\n");
    [
        ("short-poll", get("/topics/news/short-poll"), 200),
        ("long-poll", get("/topics/news/long-poll?wait=0"), 200),
        ("sse", get("/topics/news/sse"), 200),
        ("ws", handshake("").replace("Host: x\r\n", &format!("Host: here.test:8080\r\n{fields}")), 101),
        ("socketio", get("/socket.io/?EIO=4&transport=polling"), 200),
        (
            "publish",
            format!("POST /topics/news HTTP/1.1\r\nHost: here.test:8080\r\n{fields}Content-Length: 1\r\n\r\n1"),
            201,
        ),
    ]
}

/// The head of the answer to `request`.
async fn head(server: &Server, request: &str) -> String {
    let mut client = server.dial().await;
    client.write(request).await;
    client.read_until("\r\n\r\n", 1).await
}

fn status(head: &str) -> u16 {
    head["HTTP/1.1 ".len()..][..3].parse().unwrap()
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_on_every_transport_and_counted() {
    let server = Server::start(&[]);
    for (name, request, _) in requests(FOREIGN) {
        let head = head(&server, &request).await;
        assert_eq!(status(&head), 403, "{name}: {head}");
        assert!(!head.contains("access-control-"), "{name}: {head}");
    }
    let mut asking = server.dial().await;
    asking.write(&requests(FOREIGN)[0].1).await;
    let answer = asking.read_until("}", 1).await;
    assert!(answer.contains("pages of https://app.test may not") && answer.contains("--allow-origin"), "{answer}");
    let stats = server.stats().await;
    assert_eq!((stats.refusals["origin"], stats.published, stats.refused), (7, 0, 1));
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("feed_refusals_total{guard=\"origin\"} 7\n"), "{metrics}");
}

#[tokio::test]
async fn a_page_of_this_server_and_who_is_no_page_are_let_in() {
    let server = Server::start(&[]);
    for fields in ["", "Origin: http://here.test:8080\r\n"] {
        for (name, request, expected) in requests(fields) {
            let head = head(&server, &request).await;
            assert_eq!(status(&head), expected, "{name} with {fields:?}: {head}");
            assert!(!head.contains("access-control-"), "{name}: {head}");
        }
    }
    assert_eq!(server.stats().await.refusals["origin"], 0);
}

#[tokio::test]
async fn an_allowed_page_is_let_in_and_may_read_what_it_is_answered() {
    for allowed in ["https://app.test", "*"] {
        let server = Server::start(&["--allow-origin", "http://other.test", "--allow-origin", allowed]);
        let expected_field = format!("\r\naccess-control-allow-origin: {allowed}\r\n");
        for (name, request, expected) in requests(FOREIGN) {
            let head = head(&server, &request).await;
            assert_eq!(status(&head), expected, "{name}: {head}");
            if name != "ws" {
                assert!(head.contains(&expected_field) && head.contains("\r\nvary: origin\r\n"), "{name}: {head}");
            }
        }
        // A refusal of another kind can be read, too.
        let head = head(&server, &format!("GET /topics/a%20b/sse HTTP/1.1\r\nHost: x\r\n{FOREIGN}\r\n")).await;
        assert!(status(&head) == 400 && head.contains(&expected_field), "{head}");
    }
}

#[tokio::test]
async fn the_answer_to_a_held_poll_can_be_read_by_the_page_that_waits_for_it() {
    let server = Server::start(&["--allow-origin", "https://app.test"]);
    let mut page = server.dial().await;
    let mut program = server.dial().await;
    let ask = |fields: &str| format!("GET /topics/news/long-poll?wait=20 HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    page.write(ask(FOREIGN)).await;
    program.write(ask("")).await;
    server.stats_when(|stats| stats.connections["long-poll"].open == 2).await;
    server.publish("news", "7").await;
    let (page, program) = (page.read_until("}]}", 1).await, program.read_until("}]}", 1).await);
    assert!(page.contains("\r\naccess-control-allow-origin: https://app.test\r\n"), "{page}");
    assert!(!program.contains("access-control-"), "what many get says nothing of one page: {program}");
}

#[tokio::test]
async fn a_browser_that_asks_beforehand_is_told_what_an_allowed_page_may_send() {
    let server = Server::start(&["--allow-origin", "https://app.test"]);
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /topics/news HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: content-type\r\n\r\n"
        )
    };
    let allowed = head(&server, &preflight("https://app.test")).await;
    assert_eq!(status(&allowed), 204, "{allowed}");
    for field in ["origin: https://app.test", "methods: GET, HEAD, POST", "headers: authorization, content-type,"] {
        assert!(allowed.contains(&format!("\r\naccess-control-allow-{field}")), "{field}: {allowed}");
    }
    assert_eq!(status(&head(&server, &preflight("https://evil.test")).await), 403);
}
