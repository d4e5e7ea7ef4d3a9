#!/usr/bin/env bash
# Slow readers: do those who read notice that a tenth does not, and what does the server keep for those who do not?
#
#   slow_readers.sh [--clients N] [--percent P] [--rate R] [--payload BYTES] [--rounds N] [--transport NAME] [--out DIR]
#
# 2,000 clients over WebSocket, 20 notifications a second of 2,000 bytes, for twelve seconds; with a tenth stalled for eight of them, and
# without, in turn, three rounds unless told otherwise. What is missed then, 320 KB, the kernel's buffers hold; a larger --payload
# fills what the server takes from its history, too. Prints the bystanders' latency against that of a run where nobody stalls, and the
# server's memory beside its bound. Exits 1 when a message was lost, or memory exceeds the bound; latency is told, and not judged.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

clients=2000 percent=10 rate=20 payload=2000 rounds=3 transport=ws out=${WIRELAB_RUNS:-wirelab-runs}/slow-readers-$(date -u +%Y%m%dT%H%M%SZ)
while [ $# -gt 0 ]; do
  case $1 in
    --clients | --percent | --rate | --payload | --rounds | --transport | --out) [ $# -gt 1 ] || { echo "$1 wants a value" >&2; exit 2; } ;;&
    --clients) clients=$2 ;;
    --percent) percent=${2%\%} ;;
    --rate) rate=$2 ;;
    --payload) payload=$2 ;;
    --rounds) rounds=$2 ;;
    --transport) transport=$2 ;;
    --out) out=$2 ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "slow_readers.sh knows --clients, --percent, --rate, --payload, --rounds, --transport and --out, not $1" >&2; exit 2 ;;
  esac
  shift 2
done

cargo build --release --locked --quiet -p feed-server -p loadgen
programs=$(scripts/programs.sh)
mkdir -p "$out"

# What the kernel counts for all TCP sockets of the machine, pages, and what memory it has left, KiB; twice a second for two minutes at most.
watch_kernel() {
  [ -r /proc/net/sockstat ] || return 0
  for _ in $(seq 240); do
    awk '/^TCP:/ { pages = $NF } /^MemFree:/ { free = $2 } END { print pages, free }' /proc/net/sockstat /proc/meminfo
    sleep 0.5
  done
}

play() {
  local name=$1
  shift
  watch_kernel > "$out/$name.pages" &
  local watch=$!
  # An invalid run says so itself, and the table repeats it.
  "$programs/loadgen" run --transport "$transport" --clients "$clients" --rate "$rate" --payload "$payload" --duration 12s --drain 10s \
    --poll-interval 500ms "$@" --out "$out/$name" > "$out/$name.txt" 2>&1 || [ $? -eq 3 ] || { cat "$out/$name.txt" >&2; exit 1; }
  kill "$watch" 2> /dev/null || true
  wait "$watch" 2> /dev/null || true
}

for round in $(seq "$rounds"); do
  play "round-$round-stalled" --fault "stall $percent% for 8s at 2s"
  play "round-$round-calm"
done
python3 scripts/slow_readers.py "$out"
