//! A feed with its guards on: the generator is let in with what they ask for, and without it a run fails and says why.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use support::{WIDE_BOUNDS, finish, finish_undisturbed, loadgen, sibling};
use tempfile::TempDir;

/// The key set of the server, with one secret for HS256.
const KEYS: &str = r#"{"keys":[{"kty":"oct","k":"YSBzZWNyZXQgdGhhdCBvbmx5IHRlc3RzIGtub3csIDMy"}]}"#;
/// A token by that secret: `{"exp":4102444800,"read":["*"],"write":["*"]}`.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDAsInJlYWQiOlsiKiJdLCJ3cml0ZSI6WyIqIl19.\
                     n9G71c7u6nXqXdjSDfOFyxqsKrIC5V4mQPEtw5_ZqjY";

/// A server of its own, which ends with this.
struct Feed {
    child: Child,
    url: String,
    folder: TempDir,
}

impl Feed {
    fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys.json");
        std::fs::write(&keys, KEYS).unwrap();
        let mut command = sibling("feed-server");
        command.args(["--listen", "127.0.0.1:0", "--jwt-keys"]).arg(keys).args(flags);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("feed-server listening on ").unwrap().to_owned();
        Self { child, url, folder }
    }

    /// A run of a moment: exit code, and all that it said and wrote.
    fn run(&self, transport: &str, token: Option<&str>) -> (i32, String) {
        let out = self.folder.path().join("run");
        let mut command = loadgen();
        command.env_remove("WIRELAB_TOKEN").args(["run", "--transport", transport, "--url", &self.url]);
        command.args(["--clients", "5", "--rate", "4", "--warmup", "500ms", "--settle", "200ms", "--duration", "1s"]);
        command.args(["--poll-interval", "200ms", "--pin", "off"]).args(WIDE_BOUNDS).arg("--out").arg(&out);
        command.envs(token.map(|token| ("WIRELAB_TOKEN", token)));
        let (code, stdout, stderr) = finish_undisturbed(&mut command, &out);
        let written = std::fs::read_to_string(out.join("run.json")).unwrap_or_default();
        // A run that failed has none.
        let _ = std::fs::remove_dir_all(out);
        (code, [stdout, stderr, written].join("\n"))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_token_lets_the_generator_in_over_every_transport_and_is_shown_nowhere() {
    let feed = Feed::start(&[]);
    for transport in ["short-poll", "long-poll", "sse", "ws", "socketio"] {
        let (code, said) = feed.run(transport, Some(TOKEN));
        assert_eq!(code, 0, "{transport}: {said}");
        assert!(!said.contains(TOKEN) && !said.contains(TOKEN.rsplit_once('.').unwrap().1), "{said}");
    }
}

#[test]
fn a_token_lets_the_check_in_and_without_one_it_says_what_was_missing() {
    let feed = Feed::start(&[]);
    for (token, expected, word) in [(Some(TOKEN), 0, "keeps the contract"), (None, 1, "401")] {
        let mut command = loadgen();
        command
            .env_remove("WIRELAB_TOKEN")
            .args(["check", &feed.url])
            .envs(token.map(|token| ("WIRELAB_TOKEN", token)));
        let (code, stdout, stderr) = finish(&mut command);
        let said = [stdout, stderr].join("\n");
        assert!(code == expected && said.contains(word), "{code}: {said}");
        assert!(!said.contains(TOKEN), "{said}");
    }
}

#[test]
fn without_a_token_a_run_fails_and_says_that_it_was_not_let_in() {
    let feed = Feed::start(&[]);
    for token in [None, Some("not.a.token")] {
        let (code, said) = feed.run("ws", token);
        assert!(code != 0 && said.contains("401"), "{code}: {said}");
    }
}
