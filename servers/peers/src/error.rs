//! Why a peer is not there.

use std::time::Duration;

/// What can go wrong between a peer's name and its URL.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// This machine cannot have the peer: a test of it is skipped by name.
    #[error("{reason}")]
    CannotHave {
        /// The reason, with what to type.
        reason: String,
    },
    /// Its setup is wrong: a fault of the peer, not of the machine.
    #[error("the setup of the peer {name} failed (scripts/peers.sh setup {name}): {output}")]
    Setup {
        /// The peer.
        name: String,
        /// What the setup said.
        output: String,
    },
    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The peer ended before it listened.
    #[error(
        "the peer {name} ended before it listened ({status}; last said `{said}`, errors stand above); \
         try scripts/peers.sh start {name}"
    )]
    Ended {
        /// The peer.
        name: String,
        /// How it ended.
        status: String,
        /// Its last line on standard output; empty if it had none.
        said: String,
    },
    /// The peer said nothing for too long.
    #[error(
        "the peer {name} did not say `listening on http://...` within {bound:?}; try scripts/peers.sh start {name}"
    )]
    Silent {
        /// The peer.
        name: String,
        /// How long it was waited for.
        bound: Duration,
    },
    /// The peer did not end when it was asked to.
    #[error("the peer {name} was asked to end ({how}) and had not after {bound:?}")]
    Endless {
        /// The peer.
        name: String,
        /// How it was asked.
        how: &'static str,
        /// How long it was waited for.
        bound: Duration,
    },
}
