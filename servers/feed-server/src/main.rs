//! `feed-server`: reads its flags, says where it listens, serves until it is told to stop.

mod signals;

use std::io::{ErrorKind, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use feed_server::{Config, LogFormat, listen, run};
use tokio::runtime;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match serve(Config::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "feed-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log)
        .with_context(|| format!("bad --log `{}`: expected for example `info` or `feed_server=debug`", config.log))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // It would say so on stderr, and panic: a log that nobody reads is no reason not to serve.
    let log = log.log_internal_errors(false);
    match config.log_format {
        LogFormat::Human => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
    // The CPUs that this process may use, not those that the machine has.
    let workers = config.workers.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let mut runtime = match workers {
        1 => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(workers).enable_all().build().context("cannot start the runtime")?;
    let served = runtime.block_on(async {
        let listening = listen(&config).await?;
        let stop = signals::stop(config.exit_on_stdin_close)?;
        announce(&listening.url()?)?;
        // On a worker, not on this thread: accepting then costs no hop between threads.
        tokio::spawn(run(listening, config, stop)).await.context("the server panicked")?
    });
    // Not waiting for whoever still asks the system for a broker's address, which can take longer than `--drain`.
    runtime.shutdown_background();
    served
}

/// Says where it listens, for people and for programs that started it. A pipe that nobody reads is no reason not to serve.
fn announce(url: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "feed-server listening on {url}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        said => said.context("cannot write to standard output where it listens"),
    }
}
