#!/usr/bin/env bash
# Holds the bytes that loadgen counts against a packet capture of the same runs.
#
# Every transport is run for a moment by 20 clients while tcpdump listens on the server's port. Bytes of the streams must
# agree exactly, bytes on the wire (IP packets whole) within 1 %. Exits 0 if all agree and 1 if not. Where nothing can be
# captured it prints `SKIPPED wirecheck: <reason>` and exits 0; with --require that is 1.
#
#   scripts/wirecheck.sh [--require] [FOLDER OF THE PROGRAMS, default those of `make build`]
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

require=0
if [ "${1-}" = --require ]; then
  require=1
  shift
fi
programs=${1:-$(scripts/programs.sh)}
work=$(mktemp -d)
server=
capture=

# shellcheck disable=SC2317 # the trap calls it
cleanup() {
  for pid in $server $capture; do
    kill "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
  done
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "error: $*" >&2
  exit 1
}

skip() {
  echo "SKIPPED wirecheck: $*"
  exit "$require"
}

# Waits up to 10 s until a file has a line with this text.
await() {
  for _ in $(seq 200); do
    if grep -q "$2" "$1" 2> /dev/null; then
      return 0
    fi
    sleep 0.05
  done
  return 1
}

install_tcpdump() {
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
    skip "tcpdump is not installed: install it with the system's package manager, for example \`apt-get install tcpdump\`"
  fi
  echo "installing tcpdump" >&2
  { apt-get -oDPkg::Lock::Timeout=300 install -y tcpdump || { apt-get update && apt-get -oDPkg::Lock::Timeout=300 install -y tcpdump; }; } > "$work/apt" 2>&1 ||
    skip "tcpdump cannot be installed: $(tail -n 1 "$work/apt")"
}

# Starts a capture of the server's port on the loopback interface. Headers are all that is looked at: 128 bytes hold them.
start_capture() {
  said=$1.said
  tcpdump -i lo -n -s 128 -B 65536 --immediate-mode -U -w "$1" "tcp port $port" 2> "$said" &
  capture=$!
  await "$said" "listening on" ||
    skip "no capture is permitted here (it takes root or CAP_NET_RAW): $(tail -n 1 "$said")"
}

stop_capture() {
  # What has been captured is on its way to the file still.
  sleep 0.5
  kill -INT "$capture"
  wait "$capture" || true
  capture=
  grep -q "^0 packets dropped by kernel" "$said" || fail "the capture has holes: $(tail -n 1 "$said")"
}

# True of a run that ended with 3 because the machine was busy, and for nothing else: one bound on time is beyond any flag. Else the exit code.
is_late() {
  local words='import json, sys; reasons = json.load(open(sys.argv[1]))["verdict"]["reasons"]
sys.exit(any(reason["check"] not in ("send-lag", "loop-lag") for reason in reasons))'
  { [ "$1" -eq 3 ] && python3 -c "$words" "$2"; } || return "$1"
}

for program in loadgen feed-server; do
  [ -x "$programs/$program" ] || fail "$programs/$program is missing: build it with \`make build\`"
done
command -v python3 > /dev/null || skip "python3, which reads the capture, is not installed"
[ -e /sys/class/net/lo ] || skip "this system has no loopback interface called lo"
command -v tcpdump > /dev/null || install_tcpdump

"$programs/feed-server" --listen 127.0.0.1:0 > "$work/server" 2>&1 &
server=$!
await "$work/server" "listening on" || fail "the server did not start: $(tail -n 1 "$work/server")"
url=$(grep -o 'http://[0-9.:]*' "$work/server" | head -n 1)
port=${url##*:}

status=0
header=$(printf '%-17s %-7s %-9s %12s %12s %9s' run layer direction loadgen capture difference)
for run in "short-poll reuse" "short-poll fresh" "long-poll reuse" "long-poll fresh" "sse reuse" "ws reuse"; do
  read -r transport connection <<< "$run"
  name=$transport-$connection
  start_capture "$work/$name.pcap"
  # Bounds of a valid run are about time, and this is about bytes: a busy machine may be late.
  "$programs/loadgen" run --transport "$transport" --connection "$connection" --url "$url" --clients 20 --rate 20 \
    --duration 2s --warmup 500ms --settle 0s --poll-interval 200ms --max-send-lag 10s --max-loop-lag 10s --max-cpu 64 \
    --out "$work/$name" > "$work/table" 2>&1 || is_late $? "$work/$name/run.json" ||
    fail "the run of $name ended with $?: $(cat "$work/table")"
  stop_capture
  [ -z "$header" ] || echo "$header"
  header=
  python3 scripts/wirecheck.py "$work/$name/run.json" "$work/$name.pcap" "$port" || status=1
done
if [ "$status" -eq 0 ]; then
  echo "all agree: streams to the byte, the wire within 1 %"
else
  echo "DISAGREEMENT: see the lines above"
fi
exit "$status"
