#!/usr/bin/env bash
# Prints the folder of the release programs: where cargo builds is asked of cargo, for CARGO_TARGET_DIR and `build.target-dir` change it.
#
#   scripts/programs.sh             the folder of the programs of `make build`, or the one that $WIRELAB_PROGRAMS names
#   scripts/programs.sh --target    the folder that cargo builds into
#   scripts/programs.sh --debug     the folder of the programs that `cargo build` leaves
#
# A relative path in CARGO_TARGET_DIR counts from the root of the tree, which is where every script runs cargo. Where `build.target` of
# cargo's configuration or CARGO_BUILD_TARGET names a platform, the programs are in a folder of that name. Exits 1 where cargo does not tell.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

# The member `target_directory` of the JSON object on standard input; a quote or a backslash in it is escaped.
target_directory() {
  sed -n 's/.*"target_directory":"\(\([^"\\]\|\\.\)*\)".*/\1/p' | sed 's/\\\(.\)/\1/g'
}

profile=release
case ${1-} in
  "") ;;
  --debug) profile=debug ;;
  --target) profile= ;;
  *)
    echo "error: unknown word $1: expected nothing, --target or --debug" >&2
    exit 2
    ;;
esac
if [ "$profile" = release ] && [ -n "${WIRELAB_PROGRAMS-}" ]; then
  echo "$WIRELAB_PROGRAMS"
  exit
fi
command -v cargo > /dev/null || {
  echo "error: cargo is not on the PATH: install a Rust toolchain, 1.94 or newer, or name the folder of the programs in WIRELAB_PROGRAMS" >&2
  exit 1
}
target=$(cargo metadata --format-version 1 --no-deps | target_directory)
[ -n "$target" ] || {
  echo "error: \`cargo metadata\` does not say where it builds: name the folder of the programs in WIRELAB_PROGRAMS" >&2
  exit 1
}
if [ -z "$profile" ]; then
  echo "$target"
  exit
fi
programs=$target/$profile
if [ -n "${CARGO_BUILD_TARGET-}" ]; then
  programs=$target/$CARGO_BUILD_TARGET/$profile
elif [ ! -x "$programs/loadgen" ]; then
  # No folder but this one tells that cargo's configuration names a platform.
  for other in "$target"/*/"$profile"; do
    [ ! -x "$other/loadgen" ] || programs=$other
  done
fi
echo "$programs"
