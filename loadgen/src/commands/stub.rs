//! `loadgen stub`: the server whose behaviour is known, as the self-test and the tests start it.

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::End;
use crate::interrupt::Interrupt;
use crate::selftest::stub::{self, Script};

/// Serves until standard input ends or a signal comes.
pub async fn exec(script: Script) -> anyhow::Result<End> {
    let interrupt = Interrupt::listen()?;
    let listener =
        TcpListener::bind(script.listen).await.with_context(|| format!("cannot listen on {}", script.listen))?;
    results::outln!("stub listening on http://{}", listener.local_addr()?);
    if script.exit_on_stdin_close {
        stub::serve(listener, script, either(end_of_input(), interrupt)).await?;
    } else {
        stub::serve(listener, script, either(std::future::pending(), interrupt)).await?;
    }
    Ok(End::Fine)
}

async fn either(end: impl Future<Output = ()>, interrupt: Interrupt) {
    tokio::select! {
        () = end => {}
        () = interrupt.wanted() => {}
    }
}

async fn end_of_input() {
    let (input_ended, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = input_ended.send(());
    });
    let _ = ended.await;
}
