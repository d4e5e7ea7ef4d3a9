//! What EventSource polyfills send in the place of a browser: header fields that need a preflight, and the last id in the query.

mod lab;

use lab::Server;

/// The head of the answer to a request that ends with it, or with a refusal's body behind it.
async fn ask(server: &Server, request: &str, end: &str) -> String {
    let mut client = server.dial().await;
    client.write(request).await;
    client.read_until(end, 1).await
}

#[tokio::test]
async fn a_polyfill_is_told_beforehand_that_it_may_send_what_it_sends() {
    let server = Server::start(&["--allow-origin", "https://app.test"]);
    for asked in [
        "authorization,cache-control,last-event-id",
        "cache-control,last-event-id,x-requested-with",
        "cache-control,pragma",
        "authorization,x-requested-with",
    ] {
        let preflight = format!(
            "OPTIONS /topics/news/sse HTTP/1.1\r\nHost: x\r\nOrigin: https://app.test\r\nAccess-Control-Request-Method: GET\r\n\
             Access-Control-Request-Headers: {asked}\r\n\r\n"
        );
        let head = ask(&server, &preflight, "\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
        let fields = head.lines().find_map(|line| line.strip_prefix("access-control-allow-headers: ")).unwrap();
        let allowed: Vec<_> = fields.split(", ").collect();
        for field in asked.split(',') {
            assert!(allowed.contains(&field), "{field} of {asked}: {head}");
        }
    }
}

/// Three notifications, and what their cursors begin with.
async fn server_with_three() -> (Server, String) {
    let server = Server::start(&[]);
    server.publish_numbers(1..=3).await;
    let etag = server.get("/topics/news/short-poll").await.headers()["etag"].to_str().unwrap().to_owned();
    let epoch = etag.trim_matches('"').split(':').next().unwrap().to_owned();
    (server, epoch)
}

fn stream(query: &str, fields: &str) -> String {
    format!("GET /topics/news/sse?{query} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_id_wherever_a_polyfill_puts_it() {
    let (server, epoch) = server_with_three().await;
    let cases = [
        // What Yaffle's event-source-polyfill sends, at first and later; the oldest ones send an empty one, too.
        ("lastEventId=E%3A1", "", 1),
        ("lastEventId=E:1", "", 1),
        ("lastEventId=&r=7190", "", 3),
        ("lastEventId=E%3A1&r=7190", "", 1),
        ("lastEventId=E:1&lastEventId=E:2", "", 2),
        // amvtek's.
        ("evs_buffer_size_limit=262144", "", 3),
        ("evs_buffer_size_limit=262144&evs_preamble=2056&evs_last_event_id=E:1", "", 1),
        // What programs have them send.
        ("Last-Event-ID=E:1", "", 1),
        ("last_event_id=E:1", "", 1),
        // The header goes first, then this, then `after`.
        ("after=E:0&lastEventId=E:1", "Last-Event-ID: E:2\r\n", 2),
        ("lastEventId=E:1&after=E:0", "", 1),
        ("after=E:0&lastEventId=", "Last-Event-ID:\r\n", 0),
        ("after=earliest", "Last-Event-ID: E:2\r\n", 2),
        ("after=E:0", "", 0),
    ];
    for (query, fields, expected) in cases {
        let with = |text: &str| text.replace("E:", &format!("{epoch}:")).replace("E%3A", &format!("{epoch}%3A"));
        let told = ask(&server, &stream(&with(query), &with(fields)), "}").await;
        let id = format!("\nid:{epoch}:{expected}\nevent:subscribed\n");
        assert!(told.starts_with("HTTP/1.1 200 ") && told.contains(&id), "{query} {fields}: {told}");
    }
}

#[tokio::test]
async fn a_last_id_in_the_query_that_is_none_is_refused_by_its_name() {
    let (server, _) = server_with_three().await;
    let cases = [
        ("lastEventId=42", "lastEventId: malformed cursor `42`: expected epoch:offset"),
        ("evs_last_event_id=earliest", "evs_last_event_id: malformed cursor `earliest`"),
        ("lastEvent=k3f9:1", "unknown field `lastEvent`, expected `after` or `lastEventId`"),
        ("after=k3f9:1&after=k3f9:2", "duplicate field `after`"),
    ];
    for (query, error) in cases {
        let refused = ask(&server, &stream(query, ""), "\"}").await;
        assert!(refused.starts_with("HTTP/1.1 400 ") && refused.contains(error), "{query}: {refused}");
    }
}
