#!/usr/bin/env bash
# Formatting, lints and documentation, with warnings as errors.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
scripts/kubernetes.sh
