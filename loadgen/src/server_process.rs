//! A server of a run's own, as a child process: started on a free port, stopped with the run, never left behind.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;
use tokio::io::{AsyncBufRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::children::Group;
use crate::lines::next_line;
use crate::server_flags::ServerFlags;
use crate::target::{Start, Token, redacted};

/// Longest wait for the server to say where it listens: interpreters take seconds on a busy machine.
const START_BOUND: Duration = Duration::from_secs(30);
/// Longest wait for the server to end by itself once its standard input has ended, and again once it was told SIGTERM.
const STOP_BOUND: Duration = Duration::from_secs(5);
/// What a line of the server says before its address.
const READY: &str = "listening on ";

/// How a line begins that says why a program does not start.
const ERROR: &str = "error: ";

/// A child server. Dropping it ends it at once, with all that it has started.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// It, and all that it has started.
    group: Group,
    /// Its base URL.
    pub url: String,
    /// Its process id.
    pub pid: u32,
}

impl ServerProcess {
    /// Starts our own server with `flags` of its own, and waits until it listens. It ends when this process does, because its standard input ends
    /// then.
    pub async fn start(program: &Path, flags: &ServerFlags) -> anyhow::Result<Self> {
        Self::start_at(program, "127.0.0.1:0", flags).await
    }

    /// The same at `address`, where another one has ended.
    pub async fn start_at(program: &Path, address: &str, flags: &ServerFlags) -> anyhow::Result<Self> {
        Self::start_with(program, &flags.arguments(address)).await
    }

    /// Starts `program` with other arguments, which must make it end when its standard input does.
    pub async fn start_with(program: &Path, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self::launch(command, &program.display().to_string(), name, None).await
    }

    /// Starts a server as its target file says. What it prints is passed on without the `token`.
    pub async fn start_target(name: &str, start: &Start, token: Option<&Token>) -> anyhow::Result<Self> {
        let (program, arguments) = start.command.split_first().context("a target file has a program to start")?;
        // A path is below the target file's folder; a bare name is looked for on the PATH.
        let path = if program.contains('/') { start.folder.join(program) } else { PathBuf::from(program) };
        let mut command = Command::new(&path);
        command.args(arguments).current_dir(&start.folder);
        let shown = path.display().to_string();
        let launched = Self::launch(command, &shown, name.to_owned(), token.cloned()).await;
        launched.with_context(|| match &start.setup {
            Some(setup) => format!("the server of the target `{name}` does not start; it is set up with `{setup}`"),
            None => format!("the server of the target `{name}` does not start"),
        })
    }

    async fn launch(mut command: Command, shown: &str, name: String, token: Option<Token>) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-c goes to the whole foreground group; the server must outlive it until the run has been read off. What it
            // starts is in its group, too, and is ended with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start the server {shown}"))?;
        let pid = child.id().context("the server ended at once")?;
        let stderr = child.stderr.take().expect("its standard error is piped");
        let stdout = child.stdout.take().expect("its standard output is piped");
        let mut this = Self { child, group: Group::of(pid), url: String::new(), pid };
        let complaints = tokio::spawn(pass_on(name.clone(), BufReader::new(stderr), token.clone()));
        let mut stdout = BufReader::new(stdout);
        let ready = tokio::time::timeout(START_BOUND, find_url(&mut stdout, &name, token.as_ref())).await;
        match ready.with_context(|| format!("the server {shown} did not say `{READY}URL` within {START_BOUND:?}"))?? {
            Some(url) => this.url = url,
            None => bail!("the server {shown} did not start: {}", last_words(complaints).await),
        }
        tokio::spawn(pass_on(name, stdout, token));
        Ok(this)
    }

    /// Asks the server to end: by the end of its standard input, then by SIGTERM; then ends it and all that it has started.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        if !self.has_ended().await {
            self.group.signal(Signal::TERM);
        }
        if !self.has_ended().await {
            self.child.start_kill().context("cannot end the server")?;
        }
        // Dropping the rest of its group with it.
        Ok(())
    }

    /// Ends it and all that it has started at once, as a crash would.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.group.signal(Signal::KILL);
        self.child.wait().await.context("cannot see the server's end")?;
        Ok(())
    }

    /// Asks it to end, as who deploys another would (SIGTERM), and waits for that; after `bound`, ends it.
    pub async fn terminate(mut self, bound: Duration) -> anyhow::Result<()> {
        // Waiting would close it, and be a second request to end, on which a server may well end on the spot.
        let _stdin = self.child.stdin.take();
        self.group.signal(Signal::TERM);
        let Ok(ended) = tokio::time::timeout(bound, self.child.wait()).await else { return self.kill().await };
        let status = ended.context("cannot see the server's end")?;
        if !status.success() {
            results::errln!("warning: the server was asked to end (SIGTERM), and ended with {status}");
        }
        Ok(())
    }

    async fn has_ended(&mut self) -> bool {
        tokio::time::timeout(STOP_BOUND, self.child.wait()).await.is_ok()
    }
}

/// The URL in the first line that says one; `None` when there are no more lines.
async fn find_url(
    pipe: &mut (impl AsyncBufRead + Unpin),
    name: &str,
    token: Option<&Token>,
) -> anyhow::Result<Option<String>> {
    while let Some(line) = next_line(pipe).await? {
        let url = line.split_once(READY).and_then(|(_, rest)| rest.split_whitespace().next());
        match url {
            Some(url) => return Ok(Some(url.to_owned())),
            None => results::errln!("{name}: {}", redacted(token, &line)),
        }
    }
    Ok(None)
}

/// Passes on what the server says, so that its pipe never fills; returns the first line that calls itself an error, or else the last
/// one: who refuses a flag names it first, and ends with where to find help.
async fn pass_on(name: String, mut pipe: impl AsyncBufRead + Unpin, token: Option<Token>) -> String {
    let mut telling = String::new();
    while let Ok(Some(line)) = next_line(&mut pipe).await {
        let line = redacted(token.as_ref(), &line);
        results::errln!("{name}: {line}");
        if !telling.starts_with(ERROR) && !line.is_empty() {
            telling = line;
        }
    }
    telling
}

async fn last_words(complaints: JoinHandle<String>) -> String {
    let words = tokio::time::timeout(Duration::from_secs(1), complaints).await;
    words.ok().and_then(Result::ok).unwrap_or_default()
}

/// Where our server is: beside this program, as a build or an installation leaves it, or on the search path. A file that nobody may execute
/// is none.
///
/// # Errors
///
/// Says where it was looked for and what to type when it is in neither place.
pub fn find_server() -> anyhow::Result<PathBuf> {
    let name = format!("feed-server{}", std::env::consts::EXE_SUFFIX);
    let folder = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join(&name)).collect::<Vec<_>>());
    let beside = folder.iter().map(|folder| folder.join(&name));
    beside.chain(on_path).find(|candidate| is_executable(candidate)).with_context(|| {
        let place = folder.as_ref().map_or_else(|| "beside this program".into(), |own| format!("in {}", own.display()));
        format!(
            "no {name} {place} or on the PATH: type `cargo install --path servers/feed-server` in Wirelab's folder, or name a server with --url"
        )
    })
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
