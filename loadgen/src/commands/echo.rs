//! `loadgen echo`: a WebSocket client that says everything back, for the server of a conformance suite to try.
//!
//! It dials, shakes hands, reads and answers with the same code as the clients of a load; only what they enter, it returns.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use feed::framings::websocket::{Opcode, Reader, Role};
use tokio::time::timeout;

use super::End;
use crate::clients::ClientError;
use crate::interrupt::Interrupt;
use crate::target::{Target, Trust};
use crate::wire::http::HttpError;
use crate::wire::websocket::{CLOSE_PATIENCE, MAX_MESSAGE, frame, hear};
use crate::wire::{Dialer, Handshake, Traffic, http};

/// Longest that one case may take: the suite gives none more than that, and a loop that nobody ends would be no answer.
const CASE_PATIENCE: Duration = Duration::from_secs(120);
/// What we are called in the suite's reports.
const AGENT: &str = "loadgen";

/// Whom to be tried by.
#[derive(Debug, Args)]
pub struct EchoArgs {
    /// Where the Autobahn fuzzing server listens
    #[arg(value_name = "ADDRESS")]
    server: SocketAddr,
}

/// Goes through all cases that the server has, and has it write its report.
pub async fn exec(args: EchoArgs) -> anyhow::Result<End> {
    let interrupt = Interrupt::listen()?;
    tokio::select! {
        end = go_through(args) => end,
        () = interrupt.wanted() => Ok(End::Unfinished),
    }
}

async fn go_through(args: EchoArgs) -> anyhow::Result<End> {
    let target = Target::resolve(&format!("http://{}", args.server), &Trust::default())?;
    let suite = Suite { server: args.server, dialer: Dialer::unbound(&target, Rc::new(Traffic::default())) };
    let mut count = None;
    suite
        .talk("/getCaseCount", |_, said, _| count = std::str::from_utf8(said).ok().and_then(|n| n.parse().ok()))
        .await?;
    let count: u32 = count.context("the suite did not say how many cases it has: is it an Autobahn fuzzing server?")?;
    for case in 1..=count {
        let path = format!("/runCase?case={case}&agent={AGENT}");
        suite.talk(&path, |opcode, message, replies| replies.extend_from_slice(&frame(opcode, message))).await?;
    }
    suite.talk(&format!("/updateReports?agent={AGENT}"), |_, _, _| ()).await?;
    results::outln!("{count} cases done");
    Ok(End::Fine)
}

struct Suite {
    server: SocketAddr,
    dialer: Dialer,
}

impl Suite {
    /// Has one WebSocket at `path`, until the suite ends it; `answer` says what to say to a message.
    async fn talk(&self, path: &str, answer: impl FnMut(Opcode, &[u8], &mut Vec<u8>)) -> anyhow::Result<()> {
        timeout(CASE_PATIENCE, self.converse(path, answer))
            .await
            .with_context(|| format!("{path} is not over after {} s", CASE_PATIENCE.as_secs()))?
            .with_context(|| format!("{path} at {}", self.server))
    }

    async fn converse(&self, path: &str, mut answer: impl FnMut(Opcode, &[u8], &mut Vec<u8>)) -> anyhow::Result<()> {
        let handshake = Handshake::new();
        let mut connection = self.dialer.dial(0).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{}\r\n", self.server, handshake.fields(None));
        connection.write_all(request.as_bytes()).await?;
        let head = connection.read(|bytes, _| http::read_head(bytes)).await?.ok_or(HttpError::Closed)?;
        ensure!(handshake.is_accepted(&head), "expected 101 and the answer to our key, not {}", head.status);
        let mut reader = Reader::new(Role::Client, MAX_MESSAGE);
        loop {
            let mut replies = Vec::new();
            let heard = connection
                .read(|bytes, _| {
                    Ok::<_, ClientError>(Some((bytes.len(), hear(&mut reader, bytes, &mut replies, &mut answer))))
                })
                .await;
            // A suite that resets the connection, or takes no more, has seen what it wanted.
            let Ok(Some(heard)) = heard else { return Ok(()) };
            if connection.write_all(&replies).await.is_err() {
                return Ok(());
            }
            if heard.is_err() {
                connection.leave_after_peer(CLOSE_PATIENCE).await;
                return Ok(());
            }
        }
    }
}
