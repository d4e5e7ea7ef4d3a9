//! Starts the peers: servers in other languages that do the feed's job, each as its own process on a free port.
//!
//! A peer is a folder beside this crate with a `peer.toml` that tells loadgen how to speak to it. `scripts/peers.sh` sets it up.

mod error;
mod process;
mod setup;
#[path = "../../feed-server/tests/lab/skip.rs"]
mod skip;

pub use error::PeerError;
pub use process::{Peer, skip};
pub use setup::set_up;

use std::path::PathBuf;

/// The folder of a peer, whether or not there is one of that name.
pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The names of all peers, sorted: the folders that hold a `peer.toml`.
pub fn names() -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(env!("CARGO_MANIFEST_DIR"))? {
        let entry = entry?;
        if entry.path().join("peer.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
