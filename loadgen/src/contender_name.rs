//! `ws`, or `ws@node-ws`: a transport, and the server on which it is compared, if that is another than the rest's.

use std::str::FromStr;
use std::sync::Arc;

use feed::Transport;

use crate::target::TargetFile;

/// One of several that `loadgen compare` is to measure.
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
