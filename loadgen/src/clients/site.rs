//! What all clients of a player know about the server and the load.

use std::fmt::Write;
use std::sync::Arc;

use feed::{Cursor, Transport, subscribe_path};

use super::Turns;
use crate::plan::Plan;
use crate::target::Target;
use crate::wire::Dialer;

/// Where clients connect, and to what.
#[derive(Debug)]
pub struct Site {
    /// The load.
    pub plan: Arc<Plan>,
    /// Opens connections.
    pub dialer: Dialer,
    /// Value of the `Host` field.
    pub host: String,
    /// What stands before every path, without a slash at its end; usually empty.
    pub prefix: String,
    /// Who asks again, and when.
    pub turns: Turns,
}

impl Site {
    /// The site that `target` is, for clients that connect through `dialer`.
    pub fn new(plan: Arc<Plan>, dialer: Dialer, target: &Target) -> Self {
        let (host, prefix) = (target.host.clone(), target.prefix.clone());
        Self { plan, dialer, host, prefix, turns: Turns::default() }
    }

    /// The path of a subscription of `client`; `query` without the question mark.
    pub fn path(&self, client: u32, transport: Transport, query: &str) -> String {
        let topic = &self.plan.topics[usize::from(self.plan.topic_of(client))];
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{}{mark}{query}", self.prefix, subscribe_path(topic, transport))
    }

    /// The head of a GET request; `fields` are further lines, each with its CRLF.
    pub fn get(&self, path: &str, fields: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", self.host)
    }
}

/// `after=...` for a cursor, or nothing.
pub(super) fn after(resume: Option<Cursor>) -> String {
    let mut query = String::new();
    if let Some(cursor) = resume {
        let _ = write!(query, "after={cursor}");
    }
    query
}
