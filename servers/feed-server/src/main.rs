//! `feed-server`: reads its flags, says where it listens, serves until it is told to stop.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod console;
mod signals;

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use feed_server::{Config, LogFormat, listen, run};
use tokio::runtime;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let config = match Config::try_parse() {
        Ok(config) => config,
        Err(told) => return show(&told),
    };
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::complain(&format!("feed-server: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Shows what stands for a configuration: help, the version, or what is wrong with a flag.
fn show(told: &clap::Error) -> ExitCode {
    match console::wrote(told.print()) {
        Err(error) if !told.use_stderr() => {
            console::complain(&format!("feed-server: cannot write to standard output: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(1)),
    }
}

fn serve(config: Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log)
        .with_context(|| format!("bad --log `{}`: expected for example `info` or `feed_server=debug`", config.log))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(console::Log);
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
        console::say(&format!("feed-server listening on {}", listening.url()?))
            .context("cannot write to standard output where it listens")?;
        // On a worker, not on this thread: accepting then costs no hop between threads.
        tokio::spawn(run(listening, config, stop)).await.context("the server panicked")?
    });
    // Not waiting for whoever still asks the system for a broker's address, which can take longer than `--drain`.
    runtime.shutdown_background();
    served
}
