//! `loadgen check --target` says what a server supports, found out by using it; nginx with nchan among them.

mod foreign;
mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use foreign::{chat, example, measure};
use loadgen::process_tree;
use results::CostSource;
use support::skip::skipped;
use support::{finish, loadgen};
use tokio::task::LocalSet;

/// Tries a target out while this thread's servers go on; exit code and what was said.
async fn check(target: &str, url: &str) -> (i32, String) {
    let mut command = loadgen();
    command.args(["check", "--target", target, url]);
    let (code, stdout, stderr) = tokio::task::spawn_blocking(move || finish(&mut command)).await.unwrap();
    (code, stdout + &stderr)
}

/// The cells of a transport's row.
fn row<'a>(table: &'a str, transport: &str) -> Vec<&'a str> {
    let row =
        table.lines().find(|line| line.starts_with(&format!("{transport} "))).unwrap_or_else(|| panic!("{table}"));
    row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[tokio::test]
async fn what_a_chat_server_supports_is_found_out_by_using_it() {
    let serving = async {
        let url = chat::serve(|_| false).await;
        let (code, said) = check(example("chat").to_str().unwrap(), &url).await;
        assert_eq!(code, 0, "{said}");
        let row = row(&said, "ws");
        assert_eq!((row[3], row[5], row[6]), ("2 of 2", "no", "no cursor"), "{said}");
        assert!(row[4].ends_with(" B") && said.contains("1 of 1 transports deliver"), "{said}");
    };
    LocalSet::new().run_until(serving).await;
}

#[tokio::test]
async fn a_server_that_hands_nothing_on_is_told_and_exits_with_one() {
    let serving = async {
        let url = chat::serve(|_| true).await;
        let (code, said) = check(example("chat").to_str().unwrap(), &url).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("ws: what was published came back to 0 of 2 clients within 3 s"), "{said}");
    };
    LocalSet::new().run_until(serving).await;
}

#[tokio::test]
async fn a_target_that_cannot_be_subscribed_to_is_told_with_the_answer() {
    let url = foreign::rest::serve().await;
    let (code, said) = check("broadcast", &url).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("ws: cannot subscribe: the server answered 404"), "{said}");
}

#[tokio::test]
async fn a_token_that_a_target_needs_is_asked_for_before_anything_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.toml");
    let file = "name = \"secret\"\n[publish]\npath = \"/pub\"\nbody = '{\"key\":\"{token}\",\"text\":{payload}}'\n\
                [transports.ws]\npath = \"/ws\"\n";
    std::fs::write(&path, file).unwrap();
    let (code, said) = check(path.to_str().unwrap(), "http://127.0.0.1:9").await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("the target `secret` needs a token: give it with --token or WIRELAB_TOKEN"), "{said}");
}

/// nginx with the two locations that the built-in target expects; ended when it is dropped.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// Starts nginx on a free port for `test`; `None`, having said why, where it is not installed.
async fn nginx(test: &str, folder: &Path) -> Option<(Nginx, String)> {
    if !Path::new(MODULE).is_file() {
        skipped(test, &format!("{MODULE} is missing; apt-get install nginx-light libnginx-mod-nchan"));
        return None;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};"))
        .join(" ");
    let config = format!(
        "load_module {MODULE}; daemon off; worker_processes 1; pid {dir}/pid; error_log stderr warn;\n\
         events {{ worker_connections 512; }}\nhttp {{ access_log off; {temporary}\n server {{ listen 127.0.0.1:{port};\n\
         location ~ ^/pub/(.+)$ {{ nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 1000; }}\n\
         location ~ ^/sub/(.+)$ {{ nchan_subscriber websocket eventsource longpoll; nchan_channel_id $1; }}\n }} }}\n"
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, config).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    let child = command.arg("-p").arg(folder).arg("-c").arg(&path).stderr(Stdio::inherit()).spawn().unwrap();
    let nginx = Nginx(child);
    let listens = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), listens).await.expect("nginx listens");
    Some((nginx, format!("http://127.0.0.1:{port}")))
}

#[tokio::test]
async fn nginx_with_nchan_is_measured_over_all_its_transports_workers_included() {
    let folder = tempfile::tempdir().unwrap();
    let Some((nginx, url)) =
        nginx("nginx_with_nchan_is_measured_over_all_its_transports_workers_included", folder.path()).await
    else {
        return;
    };
    let (code, said) = check("nchan", &url).await;
    assert_eq!(code, 0, "{said}");
    for (transport, comes_back_to) in [("long-poll", "all it missed"), ("sse", "all it missed"), ("ws", "no cursor")] {
        let row = row(&said, transport);
        assert_eq!((row[3], row[5], row[6]), ("2 of 2", "yes", comes_back_to), "{said}");
    }
    let master = nginx.0.id();
    assert!(process_tree::spent_by(master).unwrap().processes >= 2, "a master and its worker");
    let pid = master.to_string();
    for transport in ["long-poll", "sse", "ws"] {
        let words = ["--transport", transport, "--target", "nchan", "--url", &url, "--server-pid", &pid];
        let run = measure(&words).await.exact(12);
        let server = run.measured.server.expect("its process was named");
        assert_eq!((server.source, server.open_at_end), (CostSource::ProcessTree, None));
        assert!(server.rss_end_bytes > 4 << 20, "{server:?}");
    }
}

#[tokio::test]
async fn a_named_process_that_is_not_there_makes_a_run_invalid() {
    let serving = async {
        let url = chat::serve(|_| false).await;
        let gone = {
            let mut child = Command::new("true").spawn().unwrap();
            child.wait().unwrap();
            child.id().to_string()
        };
        let words =
            ["--transport", "ws", "--target", example("chat").to_str().unwrap(), "--url", &url, "--server-pid", &gone]
                .map(String::from);
        let measured = measure(&words.each_ref().map(String::as_str)).await;
        assert_eq!(measured.code, 3, "{}", measured.stdout);
        assert!(measured.stdout.contains("server-stats"), "{}", measured.stdout);
    };
    LocalSet::new().run_until(serving).await;
}
