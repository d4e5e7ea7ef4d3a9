#!/usr/bin/env bash
# Sets strangers who mean no good on feed-server for two minutes, and says what that costs the others.
#
# Heads that trickle, floods of header fields, half requests, frames that announce 2^63 bytes, claim compression or hold no UTF-8, and
# thousands who come and go each second, all on loopback. Meanwhile loadgen measures clients of its own over WebSocket, SSE and long
# polling, each once without strangers and once with them. Prints a table: latency, losses, memory, descriptors. Exits 0 if nothing was
# lost, p99 stayed within 2 times the quiet one, and memory and descriptors came back to their bounds; else 1. A machine that does
# something else at the same time shows in p99.
#
#   scripts/abuse.sh [--seconds 120] [--opens 2000] [FOLDER OF THE PROGRAMS, default those of `make build`]
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

command -v python3 > /dev/null || {
  echo "error: python3, which plays the strangers, is not installed: for example \`apt-get install python3\`" >&2
  exit 1
}
WIRELAB_PROGRAMS=$(scripts/programs.sh)
export WIRELAB_PROGRAMS
exec python3 scripts/abuse "$@"
