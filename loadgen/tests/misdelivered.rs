//! A server that gives every topic's notifications to everybody: they are counted by name, and no load of several topics is called valid.

mod foreign;
mod support;

use foreign::{Measured, chat, example, measure};
use results::Run;
use support::{finish, loadgen, reasons};
use tokio::task::LocalSet;

/// A run of 12 clients: on each topic 14 notifications, 12 of them in the window.
async fn measured(url: &str, more: &[&str]) -> (Measured, Run) {
    let chat = example("chat");
    let words = ["--transport", "ws", "--target", chat.to_str().unwrap(), "--url", url];
    let measured = measure(&[&words, more].concat()).await;
    let run = results::load(&measured.out).unwrap_or_else(|e| panic!("{e}: {}", measured.stderr)).run;
    (measured, run)
}

#[tokio::test]
async fn a_leak_between_topics_is_counted_told_and_invalid() {
    let serving = async {
        let url = chat::serve_mixing_rooms().await;
        let (measured, run) = measured(&url, &["--topics", "4", "--assert", "misdelivered==0"]).await;
        let told = &measured.stdout;
        assert_eq!((measured.code, reasons(&run)), (3, vec!["misdelivered"]), "{told}");
        let books = &run.measured.deliveries;
        assert_eq!((books.expected, books.delivered, books.duplicated), (12 * 12, 12 * 12, 0), "{books:?}");
        // Each of 12 clients heard the 14 notifications of three other topics, and two greetings are foreign.
        assert_eq!(run.measured.misdelivered, Some(12 * 3 * 14), "{told}");
        assert_eq!(run.measured.foreign, Some(12), "{told}");
        assert!(
            told.contains("\nmisdelivered   504 notifications of this run reached clients of other topics\n"),
            "{told}"
        );
        assert!(told.contains("\nassert         misdelivered==0 FAILED: 504\n"), "{told}");
    };
    LocalSet::new().run_until(serving).await;
}

#[tokio::test]
async fn a_run_of_one_topic_has_no_leak() {
    let serving = async {
        let url = chat::serve_mixing_rooms().await;
        let (measured, run) = measured(&url, &["--assert", "misdelivered==0"]).await;
        assert_eq!(reasons(&run), [""; 0], "{}", measured.stdout);
        assert_eq!(run.measured.misdelivered, Some(0));
    };
    LocalSet::new().run_until(serving).await;
}

#[tokio::test]
async fn a_server_that_keeps_topics_apart_misdelivers_nothing() {
    let serving = async {
        let url = chat::serve(|_| false).await;
        let (measured, run) = measured(&url, &["--topics", "4"]).await;
        assert_eq!(reasons(&run), [""; 0], "{}", measured.stdout);
        assert_eq!(run.measured.misdelivered, Some(0));
    };
    LocalSet::new().run_until(serving).await;
}

#[tokio::test]
async fn leaks_of_several_workers_are_added_up() {
    let serving = async {
        let url = chat::serve_mixing_rooms().await;
        let (measured, run) = measured(&url, &["--topics", "2", "--workers", "2"]).await;
        assert_eq!(measured.code, 3, "{}{}", measured.stdout, measured.stderr);
        assert!(reasons(&run).contains(&"misdelivered"), "{:?}", run.verdict);
        // Two publishers of each topic, 14 notifications between them, of which six clients of the other topic heard each.
        assert_eq!(run.measured.misdelivered, Some(2 * 6 * 14), "{}", measured.stdout);
        assert!(
            run.verdict.reasons.iter().any(|reason| reason.seen.starts_with("shard 1/2: 84 ")),
            "{:?}",
            run.verdict
        );
    };
    LocalSet::new().run_until(serving).await;
}

#[tokio::test]
async fn check_tries_two_topics_and_says_that_they_are_mixed() {
    let serving = async {
        let mixed = chat::serve_mixing_rooms().await;
        let apart = chat::serve(|_| false).await;
        let check = async |url: String| {
            let mut command = loadgen();
            command.args(["check", "--target", example("chat").to_str().unwrap(), &url]);
            tokio::task::spawn_blocking(move || finish(&mut command)).await.unwrap()
        };
        let (code, told, _) = check(mixed).await;
        assert!(
            told.contains("ws: what was published on one topic came to a client of another (misdelivered)"),
            "{told}"
        );
        assert!(told.lines().any(|line| line.starts_with("ws ") && line.ends_with("mixed")), "{told}");
        assert_eq!(code, 1, "{told}");
        let (code, told, _) = check(apart).await;
        assert!(told.lines().any(|line| line.starts_with("ws ") && line.ends_with("kept apart")), "{told}");
        assert_eq!(code, 0, "{told}");
    };
    LocalSet::new().run_until(serving).await;
}
