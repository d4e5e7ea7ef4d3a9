#!/usr/bin/env bash
# Holds the minimum Rust version that Cargo.toml states: with that toolchain everything compiles, and no dependency asks for a newer one.
#
# The toolchain is used if it is installed, and installed by rustup where that is possible; else `SKIPPED rust-version: <reason>` is
# printed once the rest holds, and the exit code is 0. Exits 1 if something does not hold. Takes some three minutes.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

# Longest wait for rustup, s.
readonly INSTALL_BOUND=300

fail() {
  echo "error: $*" >&2
  exit 1
}

skip() {
  echo "SKIPPED rust-version: $*"
  exit 0
}

stated=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
[ -n "$stated" ] || fail "Cargo.toml states no rust-version in [workspace.package]"
# Where people are told.
for file in README.md scripts/programs.sh scripts/test.sh; do
  grep -q "\b$stated or newer" "$file" || fail "$file does not say \`$stated or newer\`, where Cargo.toml states $stated"
done
for manifest in loadgen loadgen/results reports servers/feed servers/feed-server servers/peers; do
  grep -q '^rust-version.workspace = true$' "$manifest/Cargo.toml" || fail "$manifest/Cargo.toml does not take rust-version from the workspace"
done
# The highest of what the packages ask for, ours among them.
asked=$(cargo metadata --locked --format-version 1 | grep -o '"rust_version":"[^"]*"' | cut -d '"' -f 4 | sort -uV | tail -n 1)
[ "$(printf '%s\n' "$asked" "$stated" "$stated.0" | sort -V | tail -n 1)" = "$stated.0" ] ||
  fail "a dependency asks for Rust $asked, where Cargo.toml states $stated: see cargo metadata for \"rust_version\":\"$asked\""
echo "stated: $stated; the highest that a package asks for: $asked"

command -v rustup > /dev/null || skip "rustup, which gets Rust $stated, is not installed"
toolchain=$(rustup toolchain list | sed -n "s/^\($stated\(\.[0-9]*\)\?\)-.*/\1/p" | head -n 1)
if [ -z "$toolchain" ]; then
  toolchain=$stated
  said=$(timeout "$INSTALL_BOUND" rustup toolchain install --profile minimal "$toolchain" 2>&1) ||
    skip "rustup cannot install Rust $stated: $(grep -m 1 "^error" <<< "$said" || tail -n 1 <<< "$said")"
fi
cargo "+$toolchain" check --workspace --locked --target-dir "$(scripts/programs.sh --target)/rust-version"
echo "everything compiles with Rust $toolchain"
