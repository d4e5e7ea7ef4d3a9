//! Flags that a run gives the feed-server it starts: `--server-flags`, in words as a shell splits them.

use anyhow::{Context, ensure};
use clap::Args;

/// What loadgen says to its own server itself: where to listen, and when to end.
const RESERVED: [&str; 2] = ["--listen", "--exit-on-stdin-close"];
/// What the server is told to log, unless its flags say it: which clients it ended is in its counters, and a line for each is not for
/// this terminal.
const LOG: [&str; 2] = ["--log", "warn,feed_server::ends=off"];

/// How a server that the run starts is started.
#[derive(Debug, Clone, Default, Args)]
pub struct ServerArgs {
    /// Flags for the feed-server that is started, in words as a shell splits them: --server-flags '--broker redis://127.0.0.1:6379
    /// --history 10000'; may be given several times. A password in a URL appears in no result, log or error. What else the server
    /// needs, such as that Redis, costs what no figure of the run holds
    #[arg(long = "server-flags", value_name = "FLAGS", allow_hyphen_values = true)]
    server_flags: Vec<String>,
}

impl ServerArgs {
    /// The words of all of them. What is wrong with them is said without repeating them, for there may be a secret among them.
    pub fn read(&self) -> anyhow::Result<ServerFlags> {
        let split = self.server_flags.iter().map(|text| shlex::split(text));
        let words = split.collect::<Option<Vec<_>>>().context(
            "--server-flags cannot be split into words: expected every quote to be closed and no backslash at the end",
        )?;
        let words = words.concat();
        for reserved in RESERVED {
            ensure!(
                !words.iter().any(|word| names(word, reserved)),
                "--server-flags holds {reserved}: expected the server's other flags, for loadgen chooses a free port and ends what it \
                 started; to measure a server elsewhere, start it yourself and name it with --url"
            );
        }
        Ok(ServerFlags(words))
    }
}

/// Flags of a feed-server, word by word. They may hold a secret: to be shown through [`redacted`](crate::target::redacted) alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServerFlags(Vec<String>);

impl ServerFlags {
    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when `flag` is among them, with a value or without.
    pub fn have(&self, flag: &str) -> bool {
        self.0.iter().any(|word| names(word, flag))
    }

    /// The words as they were given.
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// All arguments of a feed-server that is to listen on `address`, and to end when its standard input does.
    pub fn arguments<'a>(&'a self, address: &'a str) -> Vec<&'a str> {
        let log = LOG.into_iter().filter(|_| !self.have(LOG[0]));
        [RESERVED[0], address, RESERVED[1]].into_iter().chain(log).chain(self.0.iter().map(String::as_str)).collect()
    }
}

impl std::fmt::Debug for ServerFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} words", self.0.len())
    }
}

/// True when `word` is `flag`, or `flag` with its value behind an equals sign.
fn names(word: &str, flag: &str) -> bool {
    word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[&str]) -> anyhow::Result<ServerFlags> {
        ServerArgs { server_flags: flags.iter().map(|&flags| flags.to_owned()).collect() }.read()
    }

    #[test]
    fn flags_are_split_as_a_shell_does_and_follow_what_loadgen_says_itself() {
        let flags = read(&["--broker redis://h --topics-max=7", "--jwt-keys 'my keys.json'"]).unwrap();
        let own = ["--listen", "127.0.0.1:0", "--exit-on-stdin-close", "--log", "warn,feed_server::ends=off"];
        let given = ["--broker", "redis://h", "--topics-max=7", "--jwt-keys", "my keys.json"];
        assert_eq!(flags.arguments("127.0.0.1:0"), [&own[..], &given].concat());
        assert!(flags.have("--topics-max") && flags.have("--broker") && !flags.have("--topics"));
    }

    #[test]
    fn what_the_server_is_to_log_is_said_once() {
        for flags in ["--log info", "--log=info"] {
            let flags = read(&[flags]).unwrap();
            assert_eq!(flags.arguments("a:1")[..3], ["--listen", "a:1", "--exit-on-stdin-close"]);
            assert_eq!(flags.arguments("a:1").iter().filter(|word| names(word, "--log")).count(), 1);
        }
        assert_eq!(read(&["--log-format json"]).unwrap().arguments("a:1").len(), 7, "that is another flag");
    }

    #[test]
    fn what_cannot_be_given_is_refused_without_being_repeated() {
        for flags in ["--listen 127.0.0.1:1", "--listen=127.0.0.1:1", "--history 9 --exit-on-stdin-close"] {
            let error = read(&[flags]).unwrap_err().to_string();
            assert!(error.contains("--url") && !error.contains("127.0.0.1:1"), "{error}");
        }
        let error = read(&["--broker 'redis://me:s3cret@h"]).unwrap_err().to_string();
        assert!(error.contains("every quote to be closed") && !error.contains("s3cret"), "{error}");
        assert!(!format!("{:?}", read(&["--broker redis://me:s3cret@h"]).unwrap()).contains("s3cret"));
    }
}
