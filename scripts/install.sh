#!/usr/bin/env bash
# Installs loadgen, feed-server and report, which need nothing beside them, or removes them again.
#
#   scripts/install.sh [--remove]
#
# They go to $DESTDIR$PREFIX/bin; PREFIX is /usr/local unless the environment says otherwise. They are built first, where cargo is on the
# PATH; else those that $WIRELAB_PROGRAMS names are installed, which is how root installs what somebody else has built. --remove takes away
# these three files and nothing else.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

bin=${DESTDIR-}${PREFIX:-/usr/local}/bin
names=(loadgen feed-server report)

# A relative path counts from the root of the tree, and a tilde that no shell has replaced is the home.
case $bin in "~/"*) bin=${HOME:?expected a path in PREFIX: ~ means nothing where HOME is not set}/${bin#"~/"} ;; esac
if [ "${1-}" = --remove ]; then
  for name in "${names[@]}"; do
    if [ -e "$bin/$name" ]; then
      rm -f "$bin/$name"
      echo "removed $bin/$name"
    fi
  done
  exit
fi
[ $# -eq 0 ] || {
  echo "error: unknown word $1: expected nothing or --remove" >&2
  exit 2
}
if [ -z "${WIRELAB_PROGRAMS-}" ] && command -v cargo > /dev/null; then
  cargo build --release --locked --workspace
fi
programs=$(scripts/programs.sh)
for name in "${names[@]}"; do
  [ -x "$programs/$name" ] || {
    echo "error: $programs/$name is missing: build it with \`make build\`" >&2
    exit 1
  }
done
install -d "$bin" || {
  echo "error: $bin cannot be made: name a folder of your own, for example \`make install PREFIX=~/.local\`, or become root" >&2
  exit 1
}
for name in "${names[@]}"; do
  install -m 755 "$programs/$name" "$bin/$name"
  echo "installed $bin/$name"
done
case :$PATH: in *:"$bin":*) ;; *) [ -n "${DESTDIR-}" ] || echo "$bin is not on the PATH: add it, or type the whole path" ;; esac
