//! A server as a target file describes it, read and checked: how to start it, publish to it, subscribe to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use feed::Transport;
use serde::Deserialize;

use super::built_in;
use super::carried::Carried;
use super::publishing::{self, Publishing};
use super::subscription::{self, SocketIoSubscription, Subscription};
use super::template::Variable;
use super::toml_file as written;

/// Name of the target that is meant where none is named.
pub const FEED: &str = "feed";

/// A server, and how one speaks with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetFile {
    /// Its name in tables.
    pub name: String,
    /// What it was asked for by: its name if it is built in, or the path of its file.
    pub source: String,
    /// What it is, in a sentence.
    pub about: String,
    /// How a run starts it by itself.
    pub server: Option<Start>,
    /// How one publishes.
    pub publishing: Publishing,
    /// How one subscribes, by name of the transport.
    subscriptions: BTreeMap<&'static str, Arc<Subscription>>,
    /// How one subscribes over Socket.IO.
    pub socketio: Option<SocketIoSubscription>,
}

/// How a server is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The program, and its arguments.
    pub command: Vec<String>,
    /// The folder that it is started in.
    pub folder: PathBuf,
    /// What sets it up, for who cannot start it.
    pub setup: Option<String>,
}

/// What makes a client live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Live {
    /// Its request is sent.
    Request,
    /// The head of the answer has come: 101 of a WebSocket, 200 of a stream.
    Head,
    /// The first message, the first bytes of a stream, the first answer to a poll.
    Message,
}

impl TargetFile {
    /// The target of a built-in name, or of a file.
    pub fn named(text: &str) -> anyhow::Result<Self> {
        if let Some(file) = built_in::find(text) {
            let built_in = Self::parse(file, Path::new(".")).with_context(|| format!("built-in target `{text}`"))?;
            return Ok(Self { source: text.to_owned(), ..built_in });
        }
        let path = Path::new(text);
        if path.extension().is_none_or(|extension| extension != "toml") {
            let known = built_in::names().join(", ");
            bail!("unknown target `{text}`: expected one of {known}, or the path of a target file (.toml)");
        }
        let file = std::fs::read_to_string(path).with_context(|| format!("cannot read the target file {text}"))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let written = Self::parse(&file, folder).with_context(|| format!("target file {text}"))?;
        Ok(Self { source: text.to_owned(), ..written })
    }

    /// The target that is meant where none is named: Wirelab's own feed.
    pub fn feed() -> Self {
        Self::named(FEED).expect("the built-in targets are tested")
    }

    /// Reads the text of a target file that lies in `folder`.
    pub fn parse(text: &str, folder: &Path) -> anyhow::Result<Self> {
        let written::File { name, about, server, publish, transports } = toml::from_str(text)?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        ensure!(is_name, "name = `{name}`: expected letters, digits and hyphens");
        let server = server.map(|server| start(server, folder)).transpose().context("[server]")?;
        let publishing = publishing::read(publish).context("[publish]")?;
        let (subscriptions, socketio) = subscription::read_all(transports)?;
        ensure!(
            !subscriptions.is_empty() || socketio.is_some(),
            "[transports] is empty: expected at least one of [transports.ws], .sse, .long-poll, .short-poll, .socketio"
        );
        let source = name.clone();
        Ok(Self { name, source, about, server, publishing, subscriptions, socketio })
    }

    /// The same, of which every request carries what its base URL has.
    pub(super) fn carrying(&self, carried: &Carried) -> Self {
        let mut file = self.clone();
        file.publishing.carry(carried);
        for subscription in file.subscriptions.values_mut() {
            Arc::make_mut(subscription).request.carry(carried);
        }
        if let (Some(socketio), Some(query)) = (&mut file.socketio, &carried.query) {
            socketio.path.begin_query(query);
        }
        file
    }

    /// True for Wirelab's own feed, the only one that tells its cost in `/stats` and speaks of cursors.
    pub fn is_feed(&self) -> bool {
        self.name == FEED
    }

    /// How one subscribes over `transport`, if one can.
    pub fn subscription(&self, transport: Transport) -> Option<&Arc<Subscription>> {
        self.subscriptions.get(transport.name())
    }

    /// True when one can subscribe over `transport`.
    pub fn has(&self, transport: Transport) -> bool {
        match transport {
            Transport::SocketIo => self.socketio.is_some(),
            _ => self.subscription(transport).is_some(),
        }
    }

    /// Names of the transports that it has.
    pub fn transports(&self) -> Vec<&'static str> {
        Transport::ALL.into_iter().filter(|transport| self.has(*transport)).map(Transport::name).collect()
    }

    /// Whether a run over `transport` can be made of it: with so many topics, with or without a token.
    pub fn ready(&self, transport: Transport, topics: u32, has_token: bool) -> anyhow::Result<()> {
        let (name, topic) = (&self.name, Variable::Topic);
        let (has_topic, needs_token) = match (self.subscription(transport), &self.socketio) {
            (Some(subscription), _) => (subscription.asks_for(topic), subscription.needs_token()),
            // The feed's own subscription names its topic.
            (None, Some(socketio)) if transport == Transport::SocketIo => {
                (self.is_feed() || socketio.asks_for(topic), socketio.needs_token())
            }
            _ => {
                let known = self.transports().join(", ");
                bail!("the target `{name}` has no transport `{transport}`: expected one of {known}");
            }
        };
        let place = match has_topic {
            _ if !self.publishing.asks_for(topic) => Some("[publish]".to_owned()),
            false => Some(format!("[transports.{transport}]")),
            true => None,
        };
        if let Some(place) = place.filter(|_| topics > 1) {
            bail!("--topics {topics} needs {{topic}} in {place} of the target `{name}`, which has one topic for all");
        }
        let needs_token = self.publishing.needs_token() || needs_token;
        ensure!(has_token || !needs_token, "the target `{name}` needs a token: give it with --token or WIRELAB_TOKEN");
        Ok(())
    }
}

fn start(server: written::Server, folder: &Path) -> anyhow::Result<Start> {
    let program = server.start.first().context("start is empty: expected a program and its arguments")?;
    ensure!(!program.is_empty(), "start begins with an empty word: expected a program");
    let folder = folder.canonicalize().with_context(|| format!("cannot find the folder {}", folder.display()))?;
    Ok(Start { command: server.start, folder, setup: server.setup })
}
