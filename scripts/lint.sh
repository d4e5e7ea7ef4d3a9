#!/usr/bin/env bash
# Formatting, lints, documentation and the arrows between folders, with warnings as errors.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

command -v python3 > /dev/null || {
  echo "error: python3 (3.11 or newer), which reads the arrows between folders, is not installed: for example \`apt-get install python3\`" >&2
  exit 1
}
# -P: scripts/token.py is not Python's own.
python3 -P scripts/arrows_test.py
python3 -P scripts/arrows.py

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
scripts/kubernetes.sh

# Licences, banned crates and where crates come from (deny.toml). Advisories are not asked for here, for their database is on the network:
# cargo deny check advisories.
if command -v cargo-deny > /dev/null; then
  cargo deny --log-level error check licenses bans sources
else
  echo "SKIPPED cargo deny: it is not installed (cargo install cargo-deny --locked)"
fi

built=$(scripts/programs.sh --target)
# A peer in Rust is a workspace of its own: its features would otherwise become the product's.
peer=servers/peers/axum-broadcast/Cargo.toml
cargo fmt --manifest-path "$peer" --check
cargo clippy --manifest-path "$peer" --all-targets --locked --target-dir "$built/peers" -- -D warnings

# So are the fuzz targets, which are built with instruments; their versions are the product's.
fuzz=scripts/fuzz/Cargo.toml
cp Cargo.lock scripts/fuzz/Cargo.lock
cargo fmt --manifest-path "$fuzz" --check
cargo clippy --manifest-path "$fuzz" --target-dir "$built/fuzzing" -- -D warnings
