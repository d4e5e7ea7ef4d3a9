//! A notification whose text stands twice in one message is one delivery, and so is one of which that cannot be told; one that a server
//! certainly sends in two messages is two.

mod foreign;
mod support;

use foreign::{Measured, doubled, measure};

/// Measures a server that wraps texts so over `transport`.
async fn over(transport: &str, wrapping: doubled::Wrapping) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doubled.toml");
    let (url, target) = match transport {
        "ws" => (doubled::serve_ws(wrapping).await, doubled::WS_TARGET),
        _ => (doubled::serve(wrapping).await, doubled::TARGET),
    };
    std::fs::write(&path, target).unwrap();
    measure(&["--transport", transport, "--target", path.to_str().unwrap(), "--url", &url]).await
}

#[tokio::test]
async fn a_text_that_stands_in_two_fields_of_a_message_is_one_delivery_over_every_transport() {
    for transport in ["short-poll", "sse", "ws"] {
        let measured = over(transport, |text| format!(r#"{{"raw":"{text}","cooked":"<p>{text}</p>"}}"#)).await;
        let run = measured.exact(12);
        // Of the warm-up, too: 14 notifications of 12 clients.
        assert_eq!(run.measured.repeated_within_messages, Some(14 * 12), "{transport}");
        let told = "within message 168 repetitions of a notification within its own message; each was one delivery";
        assert!(measured.stdout.contains(told), "{transport}: {}", measured.stdout);
    }
}

#[tokio::test]
async fn a_message_that_a_poll_brings_twice_is_duplicated_whatever_its_fields_repeat() {
    let wrapping = |text: &str| format!(r#"{{"raw":"{text}","cooked":"{text}"}},{{"raw":"{text}","cooked":"{text}"}}"#);
    let run = over("short-poll", wrapping).await.run();
    let books = &run.measured.deliveries;
    assert_eq!((books.expected, books.delivered, books.duplicated), (144, 144, 144), "{books:?}");
    assert_eq!(run.measured.repeated_within_messages, Some(2 * 14 * 12));
}

/// Measures short polls of a server with answers of this form, whose cursor is in a header; so often that nothing waits at the end.
async fn polled(wrapping: doubled::Wrapping, answering: doubled::Answering) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doubled.toml");
    std::fs::write(&path, doubled::TARGET.replace("json /next", "header X-Next")).unwrap();
    let url = doubled::serve_answering(wrapping, answering).await;
    measure(&["--transport", "short-poll", "--target", path.to_str().unwrap(), "--url", &url]).await
}

/// What a run counted as duplicated (144 notifications are due to its clients in the window), and as repeated within (168 in all).
fn counted((name, found): (&str, Measured)) -> (&str, u64, u64) {
    let run = found.run();
    let books = &run.measured.deliveries;
    assert_eq!((books.expected, books.delivered, books.lost), (144, 144, 0), "{name}: {books:?}");
    (name, books.duplicated, run.measured.repeated_within_messages.unwrap())
}

/// The first of the news alone.
fn one_at_a_time(news: &[String], _: usize) -> (String, usize) {
    news.first().map_or(("{}".into(), 0), |first| (first.clone(), 1))
}

/// All that is new, line by line.
fn lines(news: &[String], _: usize) -> (String, usize) {
    (news.join("\n"), news.len())
}

/// All that is new in a list without more.
fn array(news: &[String], _: usize) -> (String, usize) {
    (format!("[{}]", news.join(",")), news.len())
}

#[tokio::test]
async fn a_text_that_stands_in_two_parts_of_an_answer_is_one_delivery() {
    let blocks = |text: &str| {
        format!(r#"{{"id":7,"text":"{text}","blocks":[{{"plain":"{text}"}},{{"html":"<p>{text}</p>"}}]}}"#)
    };
    let two_lists = |text: &str| {
        format!(r#"{{"events":[{{"text":"{text}"}}],"lastSeen":[{{"text":"{text}"}},{{"text":"{text}"}}]}}"#)
    };
    let entry = |text: &str| format!("<entry>\n<title>{text}</title>\n<content>{text}</content>\n</entry>");
    let by_key = |text: &str| format!(r#"{{"-N1":{{"text":"{text}"}},"-N2":{{"text":"{text}"}}}}"#);
    let (blocks, two_lists, entry, by_key) = tokio::join!(
        polled(blocks, one_at_a_time),
        polled(two_lists, one_at_a_time),
        polled(entry, lines),
        polled(by_key, one_at_a_time)
    );
    let found = [("blocks", blocks), ("two lists", two_lists), ("entry", entry), ("by key", by_key)].map(counted);
    assert_eq!(found, [("blocks", 0, 2 * 168), ("two lists", 0, 2 * 168), ("entry", 0, 168), ("by key", 0, 168)]);
}

#[tokio::test]
async fn a_text_that_stands_in_two_elements_of_an_event_or_a_frame_is_one_delivery() {
    let patch = |text: &str| {
        format!(r#"[{{"op":"add","path":"/raw","value":"{text}"}},{{"op":"add","path":"/html","value":"<p>{text}"}}]"#)
    };
    let arguments = |text: &str| format!(r#"[36,1,2,{{}},["{text}"],{{"text":"{text}"}}]"#);
    let (patch, arguments) = tokio::join!(over("sse", patch), over("ws", arguments));
    let found = [("JSON Patch (RFC 6902)", patch), ("EVENT of WAMP", arguments)].map(counted);
    assert_eq!(found, [("JSON Patch (RFC 6902)", 0, 168), ("EVENT of WAMP", 0, 168)]);
}

#[tokio::test]
async fn a_message_that_certainly_comes_twice_in_one_answer_or_frame_is_duplicated() {
    let two_ids = |text: &str| format!(r#"{{"id":1,"text":"{text}"}},{{"id":2,"text":"{text}"}}"#);
    let two_lines = |text: &str| format!("{{\"text\":\"{text}\"}}\n{{\"text\":\"{text}\"}}");
    let (list, polled_lines, frame) =
        tokio::join!(polled(two_ids, array), polled(two_lines, lines), over("ws", two_lines));
    let found = [("list", list), ("JSON lines", polled_lines), ("JSON lines in a frame", frame)].map(counted);
    assert_eq!(found, [("list", 144, 0), ("JSON lines", 144, 0), ("JSON lines in a frame", 144, 0)]);
}
