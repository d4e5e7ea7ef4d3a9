//! What servers of others do at the end of an answer or of a connection is no loss: streams are asked for again, polls sent again.

mod foreign;
mod support;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use foreign::raw::{Asked, Ending, Kind, Manner, Raw, target};
use foreign::{Measured, carry_out};
use results::Run;
use support::{WIDE_BOUNDS, finish, loadgen};

/// A run of 4 clients and 20 notifications: 80 deliveries.
fn run(server: &Raw, transport: &str, sse: &str, more: &[&str]) -> (Command, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.toml");
    std::fs::write(&path, target(sse)).unwrap();
    let mut command = loadgen();
    command.env_remove("WIRELAB_TOKEN").args(["run", "--transport", transport, "--url", &server.url, "--target"]);
    command.arg(path).args(["--clients", "4", "--warmup", "0s", "--settle", "300ms", "--wait", "2s"]);
    command.args(["--connect-rate", "200", "--pin", "off"]).args(WIDE_BOUNDS);
    for (flag, usual) in [("--rate", "10"), ("--duration", "2s"), ("--poll-interval", "200ms")] {
        if !more.contains(&flag) {
            command.args([flag, usual]);
        }
    }
    command.args(more).arg("--out").arg(folder.path().join("run"));
    (command, folder)
}

async fn measure(server: &Raw, transport: &str, sse: &str, more: &[&str]) -> Measured {
    let (command, folder) = run(server, transport, sse, more);
    carry_out(command, folder).await
}

/// The run, all of whose 80 deliveries arrived, without an error.
fn whole(measured: &Measured) -> Run {
    let run = measured.exact(4);
    assert_eq!(run.measured.deliveries.expected, 80);
    assert!(run.measured.connections.errors.is_empty(), "{:?}", run.measured.connections.errors);
    let live = (run.measured.connections.live_at_start, run.measured.connections.live_at_end);
    assert_eq!(live, (4, 4));
    run
}

#[tokio::test]
async fn an_event_without_the_line_that_ends_it_is_discarded_and_that_is_said() {
    let server = Raw::serve(Manner { ends_within_event: true, ..Manner::default() }).await;
    let measured = measure(&server, "sse", "", &[]).await;
    assert_eq!(measured.code, 3, "{}", measured.stdout);
    let said = "events ended without the empty line that ends one, and were discarded";
    assert!(measured.stdout.contains(said), "{}", measured.stdout);
    let run = results::load(&measured.out).unwrap().run;
    assert!(run.measured.connections.errors["event-without-end"] >= 4, "{:?}", run.measured.connections.errors);
}

#[tokio::test]
async fn a_comment_behind_the_last_event_cuts_no_event() {
    for farewell in [": bye\n", ": bye", "retry: 50\n", "event: end\nid\n"] {
        let server = Raw::serve(Manner { farewell, ..Manner::default() }).await;
        whole(&measure(&server, "sse", "", &[]).await);
    }
}

/// Tries the target out; exit code and what was said.
async fn check(server: &Raw, sse: &str) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("raw.toml");
    std::fs::write(&path, target(sse)).unwrap();
    let mut command = loadgen();
    command.args(["check", "--target", path.to_str().unwrap(), &server.url]);
    let (code, stdout, stderr) = tokio::task::spawn_blocking(move || finish(&mut command)).await.unwrap();
    (code, stdout + &stderr)
}

#[tokio::test]
async fn a_stream_of_one_answer_an_event_loses_nothing_and_comes_back_on_its_connection() {
    let server = Raw::serve(Manner { greets: false, ..Manner::default() }).await;
    let measured = measure(&server, "sse", "live = \"request\"", &[]).await;
    let run = whole(&measured);
    let connections = &run.measured.connections;
    assert_eq!((connections.opened, connections.reconnected, connections.failed), (4, 0, 0), "one for each client");
    assert_eq!(connections.orderly.unwrap().answers, 80);
    assert!(
        measured.stdout.contains("ended          80 answers of event streams ended in good order"),
        "{}",
        measured.stdout
    );
    // Each asks from the first event on with what it has seen; behind the last one, the run may end before it asks again.
    let requests = server.requests();
    let returns = requests.iter().filter(|request| request.contains(" after ")).count();
    assert!((76..=80).contains(&returns) && requests.len() == returns + 4, "{requests:?}");
    // To the byte, both ways.
    let told = run.measured.bytes.whole_run.unwrap();
    assert_eq!((told.sent.stream, told.received.stream), server.bytes());
    let (code, said) = check(&server, "live = \"request\"").await;
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn a_stream_whose_answers_end_with_their_connection_comes_back_on_another() {
    let server =
        Raw::serve(Manner::ending(|asked| if asked.kind == Kind::Sse { Ending::Close } else { Ending::Length })).await;
    let measured = measure(&server, "sse", "", &[]).await;
    let run = whole(&measured);
    // Each answer has a connection, that of the first request among them; behind the last one, the run may end before it asks again.
    let opened = run.measured.connections.opened;
    assert!((4 + 80..=4 + 80 + 4).contains(&opened), "{opened}");
    let told = run.measured.bytes.whole_run.unwrap();
    assert_eq!((told.sent.stream, told.received.stream), server.bytes());
}

#[tokio::test]
async fn a_stream_that_ends_at_once_without_an_event_is_asked_for_ten_times_a_second_at_most() {
    let server = Raw::serve(Manner { holds: false, ..Manner::default() }).await;
    let measured = measure(&server, "sse", "", &["--reconnect", "immediate"]).await;
    let run = whole(&measured);
    // Four clients, some three seconds, and 20 events for which each comes back at once.
    let requests = server.requests().len();
    assert!(requests < 4 * (100 + 2 * 20), "{requests} requests");
    assert!(run.measured.connections.orderly.unwrap().answers >= 80);
}

#[tokio::test]
async fn a_204_on_an_event_stream_ends_reconnecting_for_good() {
    // Welcomes four clients and the probe, then sends everybody away at the next request.
    let server = Raw::serve(Manner::ending(|asked: Asked| match asked.kind {
        Kind::Sse if asked.brings => Ending::Status204,
        _ => Ending::Length,
    }))
    .await;
    let measured = measure(&server, "sse", "", &[]).await;
    assert_eq!(measured.code, 3, "{}{}", measured.stdout, measured.stderr);
    let run = results::load(&measured.out).unwrap().run;
    assert_eq!(run.measured.connections.orderly.unwrap().told_to_stop, 4);
    assert!(run.measured.connections.errors.is_empty(), "{:?}", run.measured.connections.errors);
    assert_eq!(server.requests().len(), 8, "a welcome and a goodbye each: {:?}", server.requests());
    let first = measured.stdout.lines().find(|line| line.starts_with("  ")).unwrap();
    assert!(first.contains("told-to-stop: 4 clients were answered 204 No Content on an event stream"), "{first}");
    assert!(measured.stdout.contains("told to stop   4 clients, by 204 on an event stream"), "{}", measured.stdout);
}

#[tokio::test]
async fn clients_that_were_told_to_stop_are_not_told_as_still_connecting() {
    let server = Raw::serve(Manner::ending(|asked: Asked| match asked.kind {
        Kind::Sse if asked.number >= 40 => Ending::Status204,
        _ => Ending::Length,
    }))
    .await;
    let measured = measure(&server, "sse", "", &[]).await;
    let run = results::load(&measured.out).unwrap().run;
    let told = &measured.stdout;
    assert_eq!((run.measured.connections.live_at_start, run.measured.connections.live_at_end), (4, 0), "{told}");
    assert!(told.contains("told-to-stop: 4 clients were answered 204"), "{told}");
    assert!(!told.contains("clients-live") && !told.contains("still connecting"), "{told}");
}

#[tokio::test]
async fn a_204_to_the_first_request_of_a_stream_is_the_first_thing_that_is_said() {
    let server = Raw::serve(Manner::ending(|_| Ending::Status204)).await;
    let measured = measure(&server, "sse", "", &[]).await;
    let said = measured.stderr.lines().next().unwrap();
    assert!(said.starts_with("error: the server answered 204 No Content to the request of an event stream"), "{said}");
    assert!(server.requests().is_empty(), "no client was played");
}

#[tokio::test]
async fn a_coding_that_nobody_asked_for_is_the_first_thing_that_is_said() {
    for (fields, name) in [
        ("Content-Encoding: gzip\r\n", "Content-Encoding: gzip"),
        ("Content-Encoding:\r\n BR\r\n", "Content-Encoding: br"),
    ] {
        let server = Raw::serve(Manner { fields, ..Manner::default() }).await;
        for transport in ["sse", "long-poll", "short-poll"] {
            let measured = measure(&server, transport, "", &[]).await;
            let said = measured.stderr.lines().next().unwrap_or_default().to_owned();
            assert!(
                said.starts_with(&format!("error: the answer is coded ({name}): loadgen did not ask")),
                "{transport}: {said}"
            );
        }
        let (code, said) = check(&server, "").await;
        assert_eq!(code, 1, "{said}");
        for transport in ["sse", "long-poll", "short-poll"] {
            assert!(said.contains(&format!("{transport}: cannot subscribe: the answer is coded ({name})")), "{said}");
        }
    }
}

#[tokio::test]
async fn answers_that_are_coded_only_later_make_a_run_invalid_by_the_name_of_the_coding() {
    for transport in ["long-poll", "short-poll"] {
        // A compressor leaves small answers alone.
        let server = Raw::serve(Manner { codes_news: true, ..Manner::default() }).await;
        let measured = measure(&server, transport, "", &[]).await;
        assert_eq!(measured.code, 3, "{transport}: {}{}", measured.stdout, measured.stderr);
        let first = measured.stdout.lines().find(|line| line.starts_with("  ")).unwrap();
        assert!(
            first.contains("coded-answers: answers came coded: ") && first.contains(" with gzip"),
            "{transport}: {first}"
        );
        let (code, said) = check(&server, "").await;
        assert_eq!(code, 1, "{said}");
        let told =
            format!("{transport}: a client that had subscribed was lost: the answer is coded (Content-Encoding: gzip)");
        assert!(said.contains(&told), "{said}");
    }
}

#[tokio::test]
async fn folded_fields_and_media_types_of_either_case_are_read_as_they_are_meant() {
    let manner = Manner {
        event_stream: "Text/Event-Stream ; charset=UTF-8",
        fields: "X-Note: folded\r\n\tover several\r\n  lines\r\n",
        ..Manner::default()
    };
    let server = Raw::serve(manner).await;
    for transport in ["sse", "long-poll", "short-poll"] {
        whole(&measure(&server, transport, "", &[]).await);
    }
    let (code, said) = check(&server, "").await;
    assert!(code == 0 && said.contains("3 of 3 transports deliver"), "{said}");
}

#[tokio::test]
async fn connections_that_a_server_ends_after_some_answers_or_when_idle_lose_no_poll() {
    let after_three = Manner { closes_after: 3, ..Manner::default() };
    let idle = Manner { closes_idle: Duration::from_millis(1000), ..Manner::default() };
    for (manner, transport, more, name) in [
        (after_three.clone(), "short-poll", &[][..], "after three answers"),
        (after_three.clone(), "long-poll", &[][..], "after three answers"),
        (after_three, "sse", &[][..], "after three answers"),
        (idle, "short-poll", &["--poll-interval", "1s", "--duration", "4s", "--rate", "5"][..], "when idle"),
    ] {
        // The publisher's own connections are another matter.
        let server = Raw::serve(Manner { spares_publishers: true, ..manner }).await;
        let measured = measure(&server, transport, "", more).await;
        let run = whole(&measured);
        let sent_again = run.measured.connections.orderly.unwrap().sent_again;
        let is_told = measured.stdout.contains(&format!("sent again     {sent_again} requests"));
        assert!(sent_again == 0 || is_told, "{transport} {name}: {}", measured.stdout);
        assert_eq!(run.measured.connections.failed, 0, "{transport} {name}");
        if name == "after three answers" {
            assert!(run.measured.connections.opened > 8, "{transport} {name}: {:?}", run.measured.connections);
        }
    }
}
