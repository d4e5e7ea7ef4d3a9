//! Servers that are no feed are measured as exactly as one, by a file that says how one speaks with them.

mod foreign;
mod support;

use std::path::Path;

use foreign::{carry_out, chat, events, example, hosted, measure, rest, short_run};
use loadgen::target::TargetFile;
use results::Accepted;
use support::{WIDE_BOUNDS, loadgen};
use tokio::task::LocalSet;

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_chat_server_is_measured_through_a_socket_of_the_publishers_own() {
    let serving = async {
        let url = chat::serve(|_| false).await;
        let measured = measure(&["--transport", "ws", "--target", path(&example("chat")), "--url", &url]).await;
        let run = measured.exact(12);
        assert_eq!((run.asked.target.as_deref(), run.asked.contender().as_str()), (Some("chat"), "ws@chat"));
        let published = &run.measured.published;
        assert_eq!((published.accepted_when, &published.publish_time), (Accepted::Written, &None));
        assert!(run.measured.server.is_none(), "nobody knows its process");
        for said in ["ws@chat: 12 clients", "written 12", "publish time is not measured", "--server-pid"] {
            assert!(measured.stdout.contains(said), "{said}: {}", measured.stdout);
        }
    };
    LocalSet::new().run_until(serving).await;
}

#[tokio::test]
async fn what_a_chat_server_forgets_is_lost() {
    let serving = async {
        let url = chat::serve(|said| said % 5 == 0).await;
        let measured = measure(&["--transport", "ws", "--target", path(&example("chat")), "--url", &url]).await;
        let books = measured.run().measured.deliveries;
        assert_eq!((books.expected, books.lost, books.duplicated), (12 * 12, 2 * 12, 0), "{books:?}");
    };
    LocalSet::new().run_until(serving).await;
}

/// What is written is accepted there, so nothing but the account of what was never written tells.
#[tokio::test]
async fn the_load_that_a_server_left_in_the_publishers_hands_is_told() {
    let serving = async {
        let url = chat::serve_listening_to(10, |_| false).await;
        let folder = tempfile::tempdir().unwrap();
        let mut command = loadgen();
        command.args(["run", "--transport", "ws", "--target", path(&example("chat")), "--url", &url]);
        // 40 MB in all, and no two sockets hold half of it.
        command.args(["--clients", "2", "--rate", "20", "--payload", "500000", "--warmup", "0s", "--settle", "200ms"]);
        command.args(["--duration", "4s", "--drain", "1s", "--pin", "off"]).args(WIDE_BOUNDS);
        command.arg("--out").arg(folder.path().join("run"));
        let measured = carry_out(command, folder).await;
        assert_eq!(measured.code, 3, "{}", measured.stdout);
        for said in ["load-applied", "publish-unsent"] {
            assert!(measured.stdout.contains(said), "{said}: {}", measured.stdout);
        }
        let published = results::load(&measured.out).unwrap().run.measured.published;
        assert_eq!(published.due, 80, "{published:?}");
        assert_eq!(published.accepted + published.refused + published.unknown, published.due, "{published:?}");
    };
    LocalSet::new().run_until(serving).await;
}

#[tokio::test]
async fn each_topic_of_a_chat_server_has_a_publishing_socket_in_its_room() {
    let serving = async {
        let url = chat::serve(|_| false).await;
        let words =
            ["--transport", "ws", "--target", path(&example("chat")), "--url", &url, "--topics", "2"].map(String::from);
        let measured = measure(&words.each_ref().map(String::as_str)).await;
        let books = measured.run().measured.deliveries;
        assert_eq!((books.expected, books.delivered, books.duplicated), (2 * 12 * 6, 2 * 12 * 6, 0), "{books:?}");
    };
    LocalSet::new().run_until(serving).await;
}

#[tokio::test]
async fn a_rest_api_is_polled_from_where_its_json_says() {
    let url = rest::serve().await;
    let measured = measure(&["--transport", "short-poll", "--target", path(&example("rest")), "--url", &url]).await;
    let run = measured.exact(12);
    assert_eq!(run.measured.published.accepted_when, Accepted::Answered);
    assert!(run.measured.published.publish_time.unwrap().count > 0);
    assert!(run.measured.polls.unwrap().answered > 0);
}

#[tokio::test]
async fn a_stream_of_events_is_measured_by_its_file() {
    let url = events::serve().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.toml");
    std::fs::write(&file, events::TARGET).unwrap();
    let words = ["--transport", "sse", "--target", path(&file), "--url", &url, "--token", events::KEY];
    let measured = measure(&words).await;
    measured.exact(12);
    assert!(!measured.everything().contains(events::KEY), "{}", measured.everything());
    let command = &measured.run().asked.command;
    let place = command.iter().position(|word| word == "--token").unwrap();
    assert_eq!(command[place + 1], "***");
}

#[tokio::test]
async fn a_hosted_service_is_measured_with_a_token_that_nothing_shows() {
    let serving = async {
        let url = hosted::serve().await;
        let (mut command, folder) =
            short_run(&["--transport", "ws", "--target", path(&example("hosted")), "--url", &url]);
        command.env("WIRELAB_TOKEN", hosted::KEY);
        let measured = carry_out(command, folder).await;
        measured.exact(12);
        assert!(!measured.everything().contains(hosted::KEY), "{}", measured.everything());
    };
    LocalSet::new().run_until(serving).await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_told_either() {
    let url = events::serve().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.toml");
    std::fs::write(&file, events::TARGET).unwrap();
    let words = ["--transport", "sse", "--target", path(&file), "--url", &url, "--token", "not-the-key-at-all"];
    let measured = measure(&words).await;
    assert_eq!(measured.code, 1);
    for said in ["is no `events`", "GET /events?key=*** failed", "answered 403", "loadgen check --target"] {
        assert!(measured.stderr.contains(said), "{said}: {}", measured.stderr);
    }
    assert!(!measured.everything().contains("not-the-key-at-all"), "{}", measured.everything());
}

#[tokio::test]
async fn why_publishing_failed_is_told_by_kind() {
    let url = rest::serve().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rest.toml");
    let text = std::fs::read_to_string(example("rest")).unwrap();
    std::fs::write(&file, text.replacen("/rooms/{topic}/messages", "/rooms/{topic}/nothing", 1)).unwrap();
    let measured = measure(&["--transport", "short-poll", "--target", path(&file), "--url", &url]).await;
    assert_eq!(measured.code, 3, "{}", measured.stdout);
    for said in ["load-applied", "publish-status-404 14"] {
        assert!(measured.stdout.contains(said), "{said}: {}", measured.stdout);
    }
}

#[test]
fn every_peer_is_a_target() {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/peers");
    let mut read = 0;
    for peer in std::fs::read_dir(peers).unwrap() {
        let file = peer.unwrap().path().join("peer.toml");
        if file.is_file() {
            let target = TargetFile::named(path(&file)).unwrap_or_else(|e| panic!("{e:#}"));
            assert!(target.server.is_some(), "{}: a run starts it by itself", target.name);
            read += 1;
        }
    }
    assert!(read >= 5, "{read} peers were found");
}

#[test]
fn every_target_that_comes_with_loadgen_can_be_read() {
    for name in ["feed", "broadcast", "nchan", "socketio"] {
        assert_eq!(TargetFile::named(name).unwrap().name, name);
    }
    for (name, transports) in [("chat", ["ws"]), ("rest", ["short-poll"]), ("hosted", ["ws"])] {
        let file = TargetFile::named(path(&example(name))).unwrap();
        assert_eq!((file.name.as_str(), file.transports()), (name, transports.to_vec()));
    }
}
