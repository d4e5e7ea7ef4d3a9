//! What a server sends on a connection that no request is outstanding on is no answer (RFC 9112, section 9.2): the connection is closed, and counted.

mod foreign;
mod support;

use std::time::Duration;

use foreign::raw::{Asked, Ending, Kind, Manner, Raw, Unasked, target};
use foreign::{Measured, carry_out};
use support::{WIDE_BOUNDS, loadgen};

/// Answers without news, as a timer sends them that fires although the request was answered.
const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{\"next\":0,\"messages\":[]}";
const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const AT_ONCE: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_millis(10);

/// A run of 4 clients and 20 notifications: 80 deliveries.
async fn measure(server: &Raw, transport: &str) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.toml");
    std::fs::write(&path, target("")).unwrap();
    let mut command = loadgen();
    command.env_remove("WIRELAB_TOKEN").args(["run", "--transport", transport, "--url", &server.url, "--target"]);
    command.arg(path).args(["--clients", "4", "--warmup", "0s", "--settle", "300ms", "--wait", "2s"]);
    command.args(["--rate", "10", "--duration", "2s", "--poll-interval", "200ms", "--connect-rate", "200"]);
    command.args(["--pin", "off"]).args(WIDE_BOUNDS).arg("--out").arg(folder.path().join("run"));
    carry_out(command, folder).await
}

/// A server that sends this where `unasked` says so.
async fn serve(ends: Ending, unasked: impl Fn(Asked) -> Option<Unasked> + Send + Sync + 'static) -> Raw {
    let ends = move |asked: Asked| match asked.kind {
        Kind::Long | Kind::Short if asked.goes_on && !asked.brings => ends,
        _ => Ending::Length,
    };
    Raw::serve(Manner { unasked: std::sync::Arc::new(unasked), ..Manner::ending(ends) }).await
}

/// All deliveries, each once; connections that were closed for what nobody asked for, and what the run says of them.
async fn unasked_in(server: &Raw, transport: &str, name: &str) -> u64 {
    let measured = measure(server, transport).await;
    let said = format!("{transport}, {name}: {}{}", measured.stdout, measured.stderr);
    let run = results::load(&measured.out).unwrap_or_else(|error| panic!("{error}: {said}")).run;
    let books = &run.measured.deliveries;
    assert_eq!((books.expected, books.delivered, books.lost, books.duplicated), (80, 80, 0, 0), "{said}");
    let connections = &run.measured.connections;
    let closed = connections.errors.get("unasked-data").copied().unwrap_or_default();
    let kinds: Vec<&String> = connections.errors.keys().filter(|kind| *kind != "unasked-data").collect();
    assert!(kinds.is_empty(), "{said}");
    let told = format!(
        "unasked        {closed} connections were closed: data came on them that no request was outstanding for"
    );
    assert!(closed == 0 || measured.stdout.contains(&told), "{said}");
    assert!(connections.opened >= 4 + closed, "each is followed by another: {said}");
    measured.run();
    closed
}

#[tokio::test]
async fn a_second_answer_to_a_poll_is_not_that_to_the_next() {
    for (transport, after) in [("short-poll", SOON), ("short-poll", AT_ONCE), ("long-poll", AT_ONCE)] {
        let first = |asked: Asked| matches!(asked.kind, Kind::Long | Kind::Short) && !asked.goes_on;
        let server = serve(Ending::Length, move |asked| first(asked).then_some((after, EMPTY))).await;
        assert_eq!(unasked_in(&server, transport, "the first one twice").await, 4, "{transport} {after:?}");
    }
}

#[tokio::test]
async fn a_second_answer_that_comes_after_the_next_long_poll_is_found_out_by_what_follows() {
    // No client can tell such an answer from the one that it waits for. This one asks again only after a while, where a held poll was answered
    // at once with nothing.
    let server = serve(Ending::Length, |asked| {
        (asked.kind == Kind::Long && asked.brings && asked.number % 10 == 0).then_some((SOON / 2, NO_CONTENT))
    })
    .await;
    let closed = unasked_in(&server, "long-poll", "a timer that fires too").await;
    assert!(closed > 0, "{closed}");
}

#[tokio::test]
async fn what_comes_between_two_answers_of_an_event_stream_sends_nobody_away() {
    for after in [SOON, AT_ONCE] {
        let first = |asked: Asked| asked.kind == Kind::Sse && !asked.goes_on;
        let server = serve(Ending::Length, move |asked| first(asked).then_some((after, NO_CONTENT))).await;
        assert_eq!(unasked_in(&server, "sse", "the first one twice").await, 4, "{after:?}");
    }
}

#[tokio::test]
async fn what_follows_the_end_of_an_answer_fails_no_poll() {
    for (ending, bytes, name) in [
        (Ending::Status204, "0\r\n\r\n", "204 and a last chunk"),
        (Ending::Status304, "0\r\n\r\n", "304 and a last chunk"),
        (Ending::Length, "\n\n}", "a body longer than its length"),
    ] {
        for transport in ["short-poll", "long-poll"] {
            let after = move |asked: Asked| asked.goes_on && (ending == Ending::Length || !asked.brings);
            let server = serve(ending, move |asked| after(asked).then_some((AT_ONCE, bytes))).await;
            let closed = unasked_in(&server, transport, name).await;
            assert!(
                transport == "long-poll" && ending != Ending::Length || closed >= 4,
                "{transport}, {name}: {closed}"
            );
        }
    }
}

#[tokio::test]
async fn empty_lines_and_a_408_between_two_polls_are_in_order() {
    let late = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for (transport, bytes, opened) in
        [("short-poll", "\r\n", 4), ("long-poll", "\r\n\r\n", 4), ("sse", "\r\n", 4), ("short-poll", late, 8)]
    {
        let server = serve(Ending::Length, move |asked| {
            (asked.kind != Kind::Publish && (opened == 4 || !asked.goes_on)).then_some((AT_ONCE, bytes))
        })
        .await;
        assert_eq!(unasked_in(&server, transport, bytes).await, 0);
        assert_eq!(server.connections(), opened, "{transport} {bytes:?}");
    }
}
