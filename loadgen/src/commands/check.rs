//! `loadgen check`: walks a server through the feed's contract.

use super::End;
use crate::config::CheckArgs;

/// Checks a server, prints each step, and ends well only if all of them hold.
pub async fn exec(args: CheckArgs) -> anyhow::Result<End> {
    anyhow::bail!("cannot check {} yet", args.url)
}
