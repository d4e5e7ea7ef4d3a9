//! A notification whose text stands twice in one message is one delivery; one that a server sends in two messages is two.

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
