//! How the command line names a target: `--target`, `--token`, and contenders such as `ws@node-ws`.

use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use feed::Transport;

use crate::target::{FEED, TargetFile, Token, Trust};

/// How one speaks with the server.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// How one subscribes and publishes there: feed, broadcast, nchan, socketio, or the path of a target file (see TARGETS.md)
    #[arg(long = "target", value_name = "NAME|FILE", default_value = FEED, value_parser = target_value)]
    pub file: Arc<TargetFile>,
    /// The secret that stands for {token} in a target file. Other users of this machine can read a command line: rather
    /// set the variable. It appears in no result, log or error
    #[arg(long, value_name = "TOKEN", env = "WIRELAB_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Whom it is believed over TLS.
    #[command(flatten)]
    pub trust: Trust,
}

impl TargetArgs {
    /// The secret, if one was given.
    pub fn token(&self) -> anyhow::Result<Option<Token>> {
        self.token.clone().map(Token::new).transpose()
    }
}

/// What one transport of a target is called beside others: `ws` on the feed, `ws@node-ws` elsewhere.
pub fn contender_label(transport: Transport, target: &TargetFile) -> String {
    if target.is_feed() { transport.name().to_owned() } else { format!("{transport}@{}", target.name) }
}

/// One of several that `loadgen compare` is to measure: a transport, and its server if that is another than `--target` says.
#[derive(Debug, Clone)]
pub struct ContenderName {
    /// How notifications are carried.
    pub transport: Transport,
    /// The server, if it is named.
    pub target: Option<Arc<TargetFile>>,
}

impl FromStr for ContenderName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (transport, target) = text.split_once('@').map_or((text, None), |(name, target)| (name, Some(target)));
        let transport = transport.parse().map_err(|e: feed::UnknownTransport| e.to_string())?;
        let target = target.map(TargetFile::named).transpose().map_err(|e| format!("{e:#}"))?;
        Ok(Self { transport, target: target.map(Arc::new) })
    }
}

fn target_value(text: &str) -> Result<Arc<TargetFile>, String> {
    TargetFile::named(text).map(Arc::new).map_err(|e| format!("{e:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contender_is_a_transport_and_maybe_a_target() {
        let plain: ContenderName = "sse".parse().unwrap();
        assert!(plain.transport == Transport::Sse && plain.target.is_none());
        let foreign: ContenderName = "ws@nchan".parse().unwrap();
        assert_eq!(foreign.target.unwrap().name, "nchan");
        assert!("tcp@nchan".parse::<ContenderName>().unwrap_err().contains("unknown transport `tcp`"));
        assert!(
            "ws@nothing".parse::<ContenderName>().unwrap_err().contains("unknown target `nothing`: expected one of")
        );
    }
}
