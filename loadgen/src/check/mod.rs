//! The contract, walked step by step against any server, with other eyes than the generator's.
//!
//! The clients here are not those that measure: requests go through reqwest, WebSockets through tungstenite, and where
//! exact bytes matter, a socket is read by hand. So a fault of the generator's own clients is not taken for the server's, nor
//! the other way round. One file per area, each with its `walk`; `reading` has what holds for all transports.

mod answer;
mod bad_input;
mod events;
mod frames;
mod health;
mod long_poll;
mod message;
mod polling;
mod publish;
mod reading;
mod report;
mod server;
mod short_poll;
mod sse;
mod step;
mod wire;
mod ws;

pub use step::{Outcome, Step};

use crate::target::{Token, Trust};
use report::Report;
use server::Server;

/// What the walk found.
#[derive(Debug)]
pub struct Walked {
    /// Every step, in the order in which they were taken.
    pub steps: Vec<Step>,
    /// What showed that this is no feed at all, if that is so.
    pub not_a_feed: Option<String>,
}

/// Walks a server through the contract; `tell` is called with each step as it is taken. Every request shows `token`, and no step
/// repeats it. An error means that nobody listens.
pub async fn walk(
    url: &str,
    token: Option<&Token>,
    trust: &Trust,
    tell: &mut dyn FnMut(&Step),
) -> anyhow::Result<Walked> {
    let server = Server::reach(url, token.cloned(), trust).await?;
    // What the URL has of secrets is hidden, too.
    let mut report = Report::new(server.target.token.as_ref(), tell);
    health::walk(&server, &mut report).await;
    publish::walk(&server, &mut report).await;
    short_poll::walk(&server, &mut report).await;
    long_poll::walk(&server, &mut report).await;
    sse::walk(&server, &mut report).await;
    ws::walk(&server, &mut report).await;
    bad_input::walk(&server, &mut report).await;
    let (steps, not_a_feed) = report.finish();
    Ok(Walked { steps, not_a_feed })
}
