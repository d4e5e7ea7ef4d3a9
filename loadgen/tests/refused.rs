//! A message that refuses a client does not make it live: it is counted and quoted, and so is the first message that nobody expected.

mod foreign;
mod support;

use foreign::{Measured, carry_out, doubled, gated, short_run};
use support::{finish, loadgen};

/// The key of a client, which no quote may show.
const KEY: &str = "open-sesame-0815";
const SHOWN: &str = r#"{"success":false,"key":"***","why":"the room is full"}"#;

/// Runs or checks with a target file of these lines.
async fn run(file: &str, transport: &str, url: &str, more: &[&str]) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("target.toml");
    std::fs::write(&path, file).unwrap();
    let (mut command, kept) = short_run(&["--transport", transport, "--target", path.to_str().unwrap(), "--url", url]);
    command.env("WIRELAB_TOKEN", KEY).args(more);
    let measured = carry_out(command, kept).await;
    assert!(!measured.everything().contains(KEY), "{}", measured.everything());
    measured
}

async fn check(file: &str, url: &str) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("target.toml");
    std::fs::write(&path, file).unwrap();
    let mut command = loadgen();
    command.args(["check", "--target"]).arg(&path).arg(url).env("WIRELAB_TOKEN", KEY);
    let (code, stdout, stderr) = tokio::task::spawn_blocking(move || finish(&mut command)).await.unwrap();
    assert!(!stdout.contains(KEY) && !stderr.contains(KEY), "{stdout}{stderr}");
    (code, stdout + &stderr)
}

#[tokio::test]
async fn a_client_that_is_refused_by_a_message_is_not_live_and_the_refusal_is_quoted() {
    let file = gated::target("live = { message = \"json /success = true\" }\nrefused = \"json /success = false\"");
    // The first to try is the probe.
    let measured = run(&file, "ws", &gated::serve(0).await, &[]).await;
    assert_eq!(measured.code, 1, "{}", measured.stdout);
    let told = format!("the server refused the subscription: {SHOWN}");
    assert!(measured.stderr.contains(&told), "{}", measured.stderr);

    let measured = run(&file, "ws", &gated::serve(5).await, &[]).await;
    assert_eq!(measured.code, 3, "{}{}", measured.stdout, measured.stderr);
    let told = format!("clients-live: 5 of 12 clients were live; the server refused the subscription: `{SHOWN}`");
    assert!(measured.stdout.contains(&told), "{}", measured.stdout);
    assert!(measured.stdout.contains(&format!("subscription-refused, the first: `{SHOWN}`\n")), "{}", measured.stdout);
    let run = results::load(&measured.out).unwrap().run.measured;
    // Whoever is refused tries again as long as the others connect.
    let refused = run.connections.errors["subscription-refused"];
    assert!(refused >= 7 && refused == run.connections.failed, "{:?}", run.connections);
    assert_eq!((run.connections.live_at_start, run.deliveries.delivered), (5, 5 * 12));
    assert_eq!(run.foreign, Some(2 * (5 + refused)), "a greeting and an answer each");

    let (code, said) = check(&file, &gated::serve(0).await).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("ws: cannot subscribe: the server refused the subscription: {SHOWN}")), "{said}");
}

#[tokio::test]
async fn a_greeting_does_not_make_a_client_live_where_the_target_says_what_does() {
    let file = gated::target("live = { message = [\"json /success = true\", \"contains room\"] }");
    run(&file, "ws", &gated::serve(100).await, &[]).await.exact(12);
    let measured = run(&file, "ws", &gated::serve(0).await, &["--connect-timeout", "500ms"]).await;
    assert_eq!(measured.code, 1, "{}", measured.stdout);
}

#[tokio::test]
async fn a_refusal_that_nobody_described_is_quoted_as_the_first_message() {
    let measured = run(&gated::target("live = \"message\""), "ws", &gated::serve(0).await, &[]).await;
    let told = "latency: not measured: nothing that was published in the window arrived; the first message was `{\"greeting\":\"hello\"}`";
    assert!(measured.stdout.contains(told), "{}", measured.stdout);
    assert!(measured.stdout.contains("feed's own; the first: `{\"greeting\":\"hello\"}`"), "{}", measured.stdout);
    let (code, said) = check(&gated::target("live = \"message\""), &gated::serve(100).await).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("ws: the first that was no notification: `{\"greeting\":\"hello\"}`"), "{said}");
}

#[tokio::test]
async fn a_refusal_in_a_200_is_one_over_a_stream_and_a_poll_too() {
    let url = doubled::serve_refusing().await;
    let refusing = |transport: &str| {
        let with = "refused = [\"json /ok = false\", \"json /error present\"]\n[transports.sse]";
        match transport {
            "sse" => format!("{}\nrefused = \"json /ok = false\"", doubled::TARGET),
            _ => doubled::TARGET.replace("[transports.sse]", with),
        }
    };
    for transport in ["sse", "short-poll"] {
        let measured = run(&refusing(transport), transport, &url, &[]).await;
        assert_eq!(measured.code, 1, "{transport}: {}{}", measured.stdout, measured.stderr);
        let told = r#"the server refused the subscription: {"ok":false,"error":"log in first"}"#;
        assert!(measured.stderr.contains(told), "{transport}: {}", measured.stderr);
    }
}

#[tokio::test]
async fn a_value_that_was_to_be_remembered_and_never_learnt_is_told_by_name() {
    let url = doubled::serve(|text| format!("\"{text}\"")).await;
    let file = doubled::TARGET.replace("json /next", "json /nxt");
    let measured = run(&file, "short-poll", &url, &[]).await;
    assert_eq!(measured.code, 3, "{}", measured.stdout);
    let told = "never-learnt: `since` (json /nxt) stood in no answer; the first that brought nothing was `{\"messages\":[],\"next\":0}`";
    assert!(measured.stdout.contains(told), "{}", measured.stdout);
    let (code, said) = check(&file, &url).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("short-poll: `since` (json /nxt) was never learnt: no answer had it"), "{said}");
    let right = run(doubled::TARGET, "short-poll", &doubled::serve(|text| format!("\"{text}\"")).await, &[]).await;
    assert!(right.exact(12).measured.never_learnt.is_empty());
}

#[tokio::test]
async fn the_first_answer_to_a_publication_is_quoted_unless_the_file_says_what_an_acceptance_is() {
    let url = doubled::serve(|text| format!("\"{text}\"")).await;
    let (_, said) = check(doubled::TARGET, &url).await;
    assert!(said.contains("publishing: the first answer was `200 {\"error\":null}`\n"), "{said}");
    let file = doubled::TARGET.replace("body =", "accepted = \"json /error = null\"\nbody =");
    let (_, said) = check(&file, &url).await;
    assert!(said.contains("accepted when answered with 2xx and json /error = null\n"), "{said}");
    assert!(!said.contains("the first answer was"), "{said}");
    let file = doubled::TARGET.replace("body =", "accepted = \"json /error absent\"\nbody =");
    let (code, said) = check(&file, &url).await;
    assert_eq!(code, 0, "it comes back all the same: {said}");
    let told = "what was published was not accepted: publish-not-accepted; the first answer was `200 {\"error\":null}`";
    assert!(said.contains(told), "{said}");
}
