#!/usr/bin/env bash
# Sets up what the tests need and runs them all.
#
# The tests drive the programs as processes, so everything is built first. Components that are not part of the product (a
# packet capture, for one) are set up by the test that needs them, or it says by name that it was skipped and why.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo > /dev/null; then
  echo "error: cargo is not on the PATH: install a Rust toolchain, 1.94 or newer" >&2
  exit 1
fi
cargo build --workspace --locked
cargo test --workspace --locked "$@"
