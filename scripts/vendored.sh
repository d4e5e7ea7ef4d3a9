#!/usr/bin/env bash
# Builds everything from a folder of `cargo vendor`, with no network and nothing that was downloaded before.
#
# What a distribution or a machine behind a firewall does: the sources of all crates are put into a folder, and cargo is told to take them
# from there. Its own folder (CARGO_HOME) is empty meanwhile. Exits 0 when the programs are built and start; `SKIPPED vendored: <reason>`
# where the crates cannot be had for the folder. Takes some five minutes.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cargo vendor --locked --versioned-dirs "$work/vendor" > "$work/config.toml" 2> "$work/said" || {
  # Without a network, and with a cache that lacks something, there is nothing to try this with; whatever else is wrong is an error.
  if grep -qE "failed to download|failed to fetch|network|offline" "$work/said"; then
    echo "SKIPPED vendored: cargo vendor gets no crates: $(grep -m 1 -E "failed|error" "$work/said")"
    exit 0
  fi
  cat "$work/said" >&2
  exit 1
}
echo "$(find "$work/vendor" -mindepth 1 -maxdepth 1 | wc -l) crates in a folder"
mkdir "$work/cargo-home"
# Rustup finds its toolchains by HOME, or by RUSTUP_HOME. Nobody debugs these programs.
CARGO_HOME=$work/cargo-home CARGO_NET_OFFLINE=true CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
  cargo build --workspace --locked --config "$work/config.toml" --target-dir "$work/built"
for program in loadgen feed-server report; do
  "$work/built/debug/$program" --version
done
[ ! -e "$work/cargo-home/registry/cache" ] || {
  echo "error: cargo downloaded crates, where it had a folder of them" >&2
  exit 1
}
