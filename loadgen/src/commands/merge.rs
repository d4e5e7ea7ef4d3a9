//! `loadgen merge`: the shards of one run, put together as if one process had played it.

use anyhow::Context;
use results::RunFolder;

use super::End;
use super::run::{NOT_SAVED, default_folder, end_of};
use crate::config::MergeArgs;
use crate::{junit, merge, output};

/// Merges, and prints what one process would have printed.
pub fn exec(args: MergeArgs) -> anyhow::Result<End> {
    let parts = args.shards.iter().map(|folder| merge::read(folder)).collect::<anyhow::Result<Vec<_>>>()?;
    args.junit.as_deref().map(junit::prove_writable).transpose()?;
    let merged = merge::merge(parts, None, &args.assertions)?;
    let out = args.out.unwrap_or_else(|| default_folder("merged"));
    let folder = RunFolder::create(&out)?;
    results::out!("{}", output::run_table(&merged.run));
    merged.write(&folder).context(NOT_SAVED)?;
    results::outln!("{:<14} {}", "results", out.display());
    args.junit.as_deref().map(|path| junit::write(path, &merged.run)).transpose()?;
    Ok(end_of(&merged.run))
}
