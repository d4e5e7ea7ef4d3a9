#!/usr/bin/env bash
# What a failover of Redis costs: two feed-servers are published on while the primary is swapped or lost, ten times behind a name that
# moves, then ten times behind Sentinels. Prints, for each failover, what publishers and /readyz were answered over time, and the ledger.
#
#   scripts/failovers.sh [--failovers N] [--rate PER_SECOND] [--kinds moved-name,sentinel] [--out DIR]
#
# 10 failovers of each kind at 200/s unless told otherwise, in some five minutes. Exits 0 if all was as designed, else 1: each time
# publishing works again by itself; nothing that was acknowledged is lost but what the old primary had not told its replica; nothing comes
# twice; what a reader misses it is told as a gap, and there is no gap where nothing was lost; /readyz never says ready between two
# publications that the same server refuses. Leaves every answer with its instant in DIR. Needs the programs of `make build`, or those
# in $WIRELAB_PROGRAMS, and python3. A name that moves is a private /etc/hosts, for which it takes root or user namespaces; where it
# cannot be had, and where Sentinel cannot, prints `SKIPPED failovers: KIND: REASON` and does the rest.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

programs=$(scripts/programs.sh)
failovers=10
rate=200
kinds=moved-name,sentinel
out=${WIRELAB_RUNS:-wirelab-runs}/$(date -u +%Y-%m-%dT%H-%M-%SZ)-failovers

usage() {
  echo "error: $1; see the head of scripts/failovers.sh" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --failovers) failovers=${2-} ;;
    --rate) rate=${2-} ;;
    --kinds) kinds=${2-} ;;
    --out) out=${2-} ;;
    *) usage "unknown word $1" ;;
  esac
  [ -n "${2-}" ] || usage "$1 lacks its value"
  shift 2
done
[[ $failovers =~ ^[1-9][0-9]?$ ]] || usage "--failovers takes a number from 1 to 99, not \`$failovers\`"
[[ $rate =~ ^[1-9][0-9]{0,3}$ ]] || usage "--rate takes a number from 1 to 9999, not \`$rate\`"
[[ $kinds =~ ^(moved-name|sentinel)(,(moved-name|sentinel))?$ ]] || usage "--kinds takes moved-name, sentinel, or both, not \`$kinds\`"
[ -x "$programs/feed-server" ] || {
  echo "error: $programs/feed-server is missing: build it with \`make build\`" >&2
  exit 1
}
command -v python3 > /dev/null || {
  echo "error: python3, which does all this, is not installed: for example \`apt-get install python3\`" >&2
  exit 1
}
PATH=$PATH:/usr/sbin:/sbin
scripts/need.sh redis-server

work=$(mktemp -d)
player=
# Ended before its folder goes: it ends what it has started.
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
  if [ -n "$player" ]; then
    kill "$player" 2> /dev/null || true
    wait "$player" 2> /dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$out"

# How a process gets a mount of its own over /etc/hosts; nothing when it cannot.
private_mount() {
  local way
  echo "127.0.0.1 localhost" > "$work/hosts"
  for way in "unshare --mount" "unshare --map-root-user --mount"; do
    # shellcheck disable=SC2086 # several words
    if $way sh -c "mount --bind '$work/hosts' /etc/hosts && cmp -s '$work/hosts' /etc/hosts" 2> "$work/why"; then
      echo "$way"
      return 0
    fi
  done
}

status=0
for kind in ${kinds//,/ }; do
  case $kind in
    moved-name)
      way=$(private_mount)
      [ -n "$way" ] || {
        echo "SKIPPED failovers: moved-name: no private /etc/hosts here: $(tail -n 1 "$work/why")"
        continue
      }
      ;;
    sentinel)
      way=
      scripts/need.sh redis-sentinel 2> "$work/why" || {
        echo "SKIPPED failovers: sentinel: $(tail -n 1 "$work/why")"
        continue
      }
      ;;
  esac
  # Both kinds are tried, whatever the first one shows.
  # Without its folder on the path of modules: a file there has the name of one that Python brings.
  python3 -I scripts/failovers.py "$kind" "$programs/feed-server" "$failovers" "$rate" "$work" "$out" "$way" &
  player=$!
  wait "$player" || status=1
  player=
done
exit "$status"
