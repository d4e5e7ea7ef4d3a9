#!/usr/bin/env bash
# What a restart costs the clients: the server is killed (SIGKILL) and started again, then drained (SIGTERM) and replaced, once with its
# history in memory and once behind a Redis of this script's own, over ws, sse and long-poll.
#
#   scripts/restarts.sh [--clients N] [--transports NAMES] [--out DIR]
#
# 5,000 clients at 5/s unless told otherwise, in some four minutes. Prints a table: what was expected, lost, duplicated, told as a gap, and
# how long after each fault 50, 95 and 100 % were live again; leaves a report whose plot `recovery` shows all of it. Exits 0 if all was
# as designed: behind Redis nothing lost, nothing twice and no gap; in memory nothing twice, and a gap told to each client for each new
# server; everybody live again at the end. Else 1. Needs the programs of `make build`, or those in $WIRELAB_PROGRAMS, python3, and
# Redis, which is installed when this is root.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

programs=$(scripts/programs.sh)
clients=5000
transports=ws,sse,long-poll
out=${WIRELAB_RUNS:-wirelab-runs}/$(date -u +%Y-%m-%dT%H-%M-%SZ)-restarts

usage() {
  echo "error: $1; see the head of scripts/restarts.sh" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --clients) clients=${2-} ;;
    --transports) transports=${2-} ;;
    --out) out=${2-} ;;
    *) usage "unknown word $1" ;;
  esac
  shift 2 || usage "the last flag lacks its value"
done
for program in feed-server loadgen report; do
  [ -x "$programs/$program" ] || {
    echo "error: $programs/$program is missing: build it with \`make build\`" >&2
    exit 1
  }
done
command -v python3 > /dev/null || {
  echo "error: python3, which makes the table, is not installed: for example \`apt-get install python3\`" >&2
  exit 1
}
PATH=$PATH:/usr/sbin:/sbin
scripts/need.sh redis-server

work=$(mktemp -d)
redis=
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
  if [ -n "$redis" ]; then
    kill "$redis" 2> /dev/null || true
    wait "$redis" 2> /dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# On a port that nobody has, below those that the kernel gives out; Redis ends at once if it is somebody's all the same.
start_redis() {
  for _ in $(seq 20); do
    port=$((10000 + RANDOM % 20000))
    redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --save "" --appendonly yes > "$work/redis.log" 2>&1 &
    redis=$!
    for _ in $(seq 200); do
      kill -0 "$redis" 2> /dev/null || break
      # Its own word, for another's Redis would answer as well.
      if grep -q "Ready to accept connections" "$work/redis.log"; then
        return 0
      fi
      sleep 0.05
    done
    wait "$redis" || true
    redis=
  done
  echo "error: Redis did not start: $(tail -n 1 "$work/redis.log")" >&2
  exit 1
}

# All transports through both faults, with these flags for the server.
play() {
  local status=0
  "$programs/loadgen" compare --scenario restart-behind-redis --transports "$transports" --clients "$clients" \
    --server-flags "$2" --out "$out/$1" > "$work/$1" || status=$?
  # 3: a measurement is not to be believed, as the table says of it.
  [ "$status" -eq 0 ] || [ "$status" -eq 3 ] || exit "$status"
}

start_redis
mkdir -p "$out"
play memory ""
play redis "--broker redis://127.0.0.1:$port"
"$programs/report" "$out"/*/round-* --out "$out/report" > "$work/report"
python3 scripts/restarts.py "$out"
