//! A feed-server of our own, as a child process: started on a free port, stopped with the run, never left behind.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;

/// Longest wait for the server to say where it listens.
const START_BOUND: Duration = Duration::from_secs(10);
/// Longest wait for the server to end by itself.
const STOP_BOUND: Duration = Duration::from_secs(10);
/// What the server's first line says before its address.
const READY: &str = "listening on ";

/// A child server.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// Its base URL.
    pub url: String,
    /// Its process id.
    pub pid: u32,
}

impl ServerProcess {
    /// Starts `program` and waits until it listens. It ends when this process does, because its standard input ends then.
    pub async fn start(program: &Path) -> anyhow::Result<Self> {
        Self::start_with(program, &["--listen", "127.0.0.1:0", "--exit-on-stdin-close"]).await
    }

    /// Starts `program` with other arguments, which must make it end when its standard input does.
    pub async fn start_with(program: &Path, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-c goes to the whole foreground group; the server must outlive it until the run has been read off.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start the server {}", program.display()))?;
        let pid = child.id().context("the server ended at once")?;
        let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let complaints = tokio::spawn(pass_on(name, child.stderr.take().expect("its standard error is piped")));
        let mut lines = BufReader::new(child.stdout.take().expect("its standard output is piped")).lines();
        let url = loop {
            let line = tokio::time::timeout(START_BOUND, lines.next_line())
                .await
                .with_context(|| format!("the server {} said nothing for {START_BOUND:?}", program.display()))??;
            match line {
                Some(line) => {
                    if let Some((_, url)) = line.split_once(READY) {
                        break url.trim().to_owned();
                    }
                }
                None => bail!("the server {} did not start: {}", program.display(), last_words(complaints).await),
            }
        };
        Ok(Self { child, url, pid })
    }

    /// Asks the server to end, and ends it if it does not.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        if tokio::time::timeout(STOP_BOUND, self.child.wait()).await.is_err() {
            self.child.kill().await.context("cannot end the server")?;
        }
        Ok(())
    }
}

/// Passes the server's complaints on to ours, so that its pipe never fills; returns the last one.
async fn pass_on(name: String, stderr: ChildStderr) -> String {
    let mut lines = BufReader::new(stderr).lines();
    let mut last = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        eprintln!("{name}: {line}");
        last = line;
    }
    last
}

async fn last_words(complaints: JoinHandle<String>) -> String {
    let words = tokio::time::timeout(Duration::from_secs(1), complaints).await;
    words.ok().and_then(Result::ok).unwrap_or_default()
}

/// Where our server is: beside this program, as a build leaves it, or on the search path.
pub fn find_server() -> anyhow::Result<PathBuf> {
    let name = format!("feed-server{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(&name)));
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join(&name)).collect::<Vec<_>>());
    beside.into_iter().chain(on_path).find(|candidate| candidate.is_file()).with_context(|| {
        format!("no {name} beside this program or on the PATH: build it with `cargo build --release`, or name a server with --url")
    })
}
