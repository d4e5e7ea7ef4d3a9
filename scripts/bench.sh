#!/usr/bin/env bash
# Runs the whole table of costs: server and generator against the floor and against what people use, in one interleaved record.
#
# Sets up the peers that it compares with; what cannot be had, and what is not installed, is named as missing with the command that
# would. Takes at most twenty minutes; `--quick` is one round of everything, some five. Needs the programs of `make build` (or others:
# WIRELAB_PROGRAMS names their folder) and python3. Words go on to scripts/bench, whose `--help` lists them.
#
#   scripts/bench.sh --quick --rows ws,publishing
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

programs=$(scripts/programs.sh)
export WIRELAB_PROGRAMS=$programs
for program in loadgen feed-server; do
  [ -x "$programs/$program" ] || {
    echo "error: $programs/$program is missing: build it with \`make build\`" >&2
    exit 1
  }
done
command -v python3 > /dev/null || {
  echo "error: python3, which leads the measurements, is not installed: for example \`apt-get install python3\`" >&2
  exit 1
}
exec python3 scripts/bench "$@"
