//! Sets a peer up through `scripts/peers.sh`, which holds a lock, so that any number of tests may ask at once.

use std::process::Stdio;

use tokio::process::Command;

use crate::PeerError;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/peers.sh");
/// The script's exit code for what this machine cannot have.
const CANNOT_HAVE: i32 = 3;

/// Sets the peer `name` up; quick when that is done.
///
/// # Errors
/// [`PeerError::CannotHave`] with the reason and what to type where it cannot be installed, for example without network;
/// [`PeerError::Setup`] when there is no such peer or its setup is at fault.
pub async fn set_up(name: &str) -> Result<(), PeerError> {
    let output = Command::new(SCRIPT)
        .args(["setup", name])
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|source| PeerError::Spawn { program: SCRIPT.to_owned(), source })?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(()),
        Some(CANNOT_HAVE) => Err(PeerError::CannotHave { reason: said.lines().last().unwrap_or_default().to_owned() }),
        _ => Err(PeerError::Setup { name: name.to_owned(), output: said }),
    }
}
