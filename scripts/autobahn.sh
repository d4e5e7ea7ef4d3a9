#!/usr/bin/env bash
# Has the Autobahn test suite try both ends of our WebSocket, and holds what it says against what is expected.
#
# Its fuzzing client tries feed-server (`/echo`, with --echo), its fuzzing server the generator's client (`loadgen echo`): sections
# 1 to 7, 9 and 10. Sections 12 and 13 are about compression, which neither end offers. Prints a table for each direction; exits 0 if
# every case is OK or INFORMATIONAL and as expected (scripts/autobahn/expected-*.json), else 1. The suite needs Python 2.7 (from
# PYTHON2, the PATH, pyenv or Debian) and PyPI; where it cannot be had, `SKIPPED autobahn: <reason>` is printed and the exit code is 0,
# 1 with --require. The suite's own pages stay in scripts/autobahn/.setup/reports. With --update, what it says becomes what is
# expected, for a reviewer to read the difference.
#
#   scripts/autobahn.sh [--require] [--update] [FOLDER OF THE PROGRAMS, default those of `make build`]
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

require=0
update=
while [[ ${1-} == --* ]]; do
  case $1 in
    --require) require=1 ;;
    --update) update=--update ;;
    *)
      echo "error: unknown flag $1: expected --require or --update" >&2
      exit 2
      ;;
  esac
  shift
done
programs=$(realpath "${1:-$(scripts/programs.sh)}")
setup=$PWD/scripts/autobahn/.setup
reports=$setup/reports
# Both directions take half a minute on a quiet machine: past this, something hangs.
patience=600
child=

# shellcheck disable=SC2317 # the trap calls it
cleanup() {
  if [ -n "$child" ]; then
    kill "$child" 2> /dev/null || true
    wait "$child" 2> /dev/null || true
  fi
}
trap cleanup EXIT

fail() {
  echo "error: $*" >&2
  exit 1
}

skip() {
  echo "SKIPPED autobahn: $*"
  exit "$require"
}

# The first Python 2.7 that really starts: what is on the PATH may be a shim without one.
find_python() {
  local candidate
  for candidate in "${PYTHON2-}" python2.7 python2 "${PYENV_ROOT:-${HOME-}/.pyenv}"/versions/2.7.*/bin/python2.7; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; assert sys.version_info[:2] == (2, 7)' 2> /dev/null; then
      echo "$candidate"
      return
    fi
  done
  scripts/need.sh python2.7 && echo python2.7
}

set_up() {
  python=$(find_python 2> "$setup/said") ||
    skip "no Python 2.7 on the PATH, in PYTHON2 or in pyenv, and $(tail -n 1 "$setup/said")"
  if ! cmp -s scripts/autobahn/requirements.txt "$setup/requirements.txt"; then
    rm -rf "$setup/site"
    echo "installing the Autobahn test suite" >&2
    "$python" -m pip install -q --disable-pip-version-check --no-deps --target "$setup/site" \
      -r scripts/autobahn/requirements.txt > "$setup/said" 2>&1 || skip "it cannot be installed: $(tail -n 1 "$setup/said")"
    cp scripts/autobahn/requirements.txt "$setup/requirements.txt"
  fi
}

# The suite, in one of its modes, with a specification that is read from standard input.
wstest() {
  cat > "$setup/$1.json"
  # Its packages share namespaces, which takes a site directory, not only a path.
  exec timeout -k 5 "$patience" "$python" -c \
    'import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite.wstest import run; run()' \
    "$setup/site" -m "$1" -w 0 -s "$setup/$1.json" > "$setup/$1.said" 2>&1
}

# Waits up to 20 s until a file has a line with this text.
await() {
  for _ in $(seq 400); do
    if grep -q "$2" "$1" 2> /dev/null; then
      return 0
    fi
    sleep 0.05
  done
  return 1
}

try_server() {
  "$programs/feed-server" --listen 127.0.0.1:0 --echo --message-max 16777216 > "$setup/server.said" 2>&1 &
  child=$!
  await "$setup/server.said" "listening on" || fail "feed-server did not start: $(tail -n 1 "$setup/server.said")"
  local port
  port=$(grep -o '[0-9]*$' "$setup/server.said" | sed -n 1p)
  (wstest fuzzingclient) << SPECIFICATION || fail "the fuzzing client ended with $?: $(tail -n 1 "$setup/fuzzingclient.said")"
{"outdir": "$reports/server", "servers": [{"agent": "feed-server", "url": "ws://127.0.0.1:$port/echo"}],
 "cases": ["*"], "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {}}
SPECIFICATION
  cleanup
  child=
}

# Starts the fuzzing server on a port; false when it ended before it could be connected to.
serve_client() {
  wstest fuzzingserver << SPECIFICATION &
{"outdir": "$reports/client", "url": "ws://127.0.0.1:$1", "cases": ["*"], "exclude-cases": ["12.*", "13.*"],
 "exclude-agent-cases": {}}
SPECIFICATION
  child=$!
  for _ in $(seq 400); do
    if (: > "/dev/tcp/127.0.0.1/$1") 2> /dev/null; then
      return 0
    fi
    kill -0 "$child" 2> /dev/null || return 1
    sleep 0.05
  done
}

try_client() {
  local port try
  for try in 1 2 3 4 5; do
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
    if serve_client "$port"; then
      break
    fi
    # Somebody may have taken the port meanwhile.
    [ "$try" -lt 5 ] && grep -q "Address already in use" "$setup/fuzzingserver.said" ||
      fail "the fuzzing server did not start: $(tail -n 1 "$setup/fuzzingserver.said")"
  done
  timeout -k 5 "$patience" "$programs/loadgen" echo "127.0.0.1:$port" > "$setup/client.said" 2>&1 ||
    fail "loadgen echo ended with $?: $(tail -n 1 "$setup/client.said")"
  cleanup
  child=
}

for program in loadgen feed-server; do
  [ -x "$programs/$program" ] || fail "$programs/$program is missing: build it with \`make build\`"
done
command -v python3 > /dev/null || skip "python3, which reads the reports, is not installed"
mkdir -p "$setup"
set_up
rm -rf "$reports"
try_server
try_client
status=0
for side in server client; do
  python3 scripts/autobahn/summary.py $update "$reports/$side/index.json" "scripts/autobahn/expected-$side.json" || status=1
done
exit "$status"
