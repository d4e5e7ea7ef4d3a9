//! A message, an answer or an event that is larger than loadgen reads is loadgen's bound, named as that: the run is invalid by it, however small
//! the share, and no advice blames the server.

mod foreign;
mod support;

use foreign::{Measured, doubled, measure};
use support::reasons;

/// Wraps a text, that of the sequence number 8 with so many bytes beside it.
fn padded(text: &str, bytes: usize) -> String {
    // wl1:<run>:<publisher>:<sequence>:...
    let pad = if text.split(':').nth(3) == Some("00000008") { bytes } else { 1 };
    format!(r#"{{"text":"{text}","pad":"{}"}}"#, "x".repeat(pad))
}

/// Measures a server that sends one notification so over `transport`.
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

/// The run is invalid by the bound that is named, and nobody else is blamed.
fn assert_ours(measured: &Measured, what: &str) {
    let told = &measured.stdout;
    let run = results::load(&measured.out).unwrap_or_else(|e| panic!("{e}: {told}{}", measured.stderr)).run;
    assert_eq!(measured.code, 3, "{told}");
    assert!(reasons(&run).contains(&"too-large"), "{told}");
    let reason = run.verdict.reasons.iter().find(|reason| reason.check == "too-large").unwrap();
    assert!(reason.seen.contains(&format!("{what}, which is the most that loadgen reads")), "{reason}");
    assert!(told.contains(&format!("too-large: {what}, which is the most that loadgen reads")), "{told}");
    assert!(!told.contains("broke the rule") && !told.contains("protocol: "), "{told}");
}

#[tokio::test]
async fn a_websocket_message_above_our_bound_makes_a_run_invalid_by_that_bound() {
    let measured = over("ws", |text| padded(text, 17 << 20)).await;
    assert_ours(&measured, "a message of more than 16777216 bytes");
}

#[tokio::test]
async fn an_event_above_our_bound_makes_a_run_invalid_by_that_bound() {
    let measured = over("sse", |text| padded(text, 5 << 20)).await;
    assert_ours(&measured, "an event of more than 4194304 bytes");
}

#[tokio::test]
async fn an_answer_above_our_bound_makes_a_run_invalid_by_that_bound() {
    let measured = over("short-poll", |text| padded(text, 17 << 20)).await;
    assert_ours(&measured, "an answer with a body of more than 16777216 bytes");
}
