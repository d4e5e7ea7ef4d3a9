//! `loadgen merge`: the shards of one run, put together as if one process had played it.

use results::RunFolder;

use super::End;
use super::run::{default_folder, end_of};
use crate::config::MergeArgs;
use crate::{junit, merge, output};

/// Merges, and prints what one process would have printed.
pub fn exec(args: MergeArgs) -> anyhow::Result<End> {
    let parts = args.shards.iter().map(|folder| merge::read(folder)).collect::<anyhow::Result<Vec<_>>>()?;
    args.junit.as_deref().map(junit::prove_writable).transpose()?;
    let merged = merge::merge(parts, None, &args.assertions)?;
    let out = args.out.unwrap_or_else(|| default_folder("merged"));
    merged.write(&RunFolder::create(&out)?)?;
    args.junit.as_deref().map(|path| junit::write(path, &merged.run)).transpose()?;
    print!("{}", output::run_table(&merged.run));
    println!("{:<14} {}", "results", out.display());
    Ok(end_of(&merged.run))
}
