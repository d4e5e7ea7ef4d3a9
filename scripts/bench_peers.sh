#!/usr/bin/env bash
# Compares every peer, on every transport that it offers, with feed-server under the same load, and writes one report.
#
# Sets the peers up first. One that this machine cannot have is named as missing, with what to type, and the others are
# measured. The runs are interleaved, three rounds of six seconds unless told otherwise: about twelve seconds a run, so with all
# peers some fifteen minutes. Needs the programs of `make build` (or others: WIRELAB_PROGRAMS names their folder). Words given to this
# script go on to `loadgen compare`. The report goes to `wirelab-peers`, or to the folder that WIRELAB_PEERS names.
#
#   scripts/bench_peers.sh --clients 5000 --rounds 5
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

programs=$(scripts/programs.sh)
out=${WIRELAB_PEERS:-wirelab-peers}
runs=${WIRELAB_RUNS:-wirelab-runs}/$(date -u +%Y-%m-%dT%H-%M-%SZ)-peers

# The transports of a target file, in its order.
transports_of() {
  sed -n 's/^\[transports\.\([a-z-]*\)\]$/\1/p' "$1"
}

for program in loadgen feed-server report; do
  [ -x "$programs/$program" ] || {
    echo "error: $programs/$program is missing: build it with \`make build\`" >&2
    exit 1
  }
done

contenders=()
offered=()
missing=()
for file in servers/peers/*/peer.toml; do
  folder=${file%/peer.toml}
  peer=${folder##*/}
  if ! reason=$(scripts/peers.sh setup "$peer" 2>&1); then
    missing+=("$peer: $(tail -n 1 <<< "$reason")")
    continue
  fi
  for transport in $(transports_of "$file"); do
    contenders+=("$transport@$file")
    offered+=("$transport")
  done
done

tell_missing() {
  local line
  for line in "${missing[@]}"; do
    echo "missing: $line"
  done
}
tell_missing
if [ ${#contenders[@]} -eq 0 ]; then
  echo "error: there is no peer to compare with" >&2
  exit 1
fi
# Our own server, on each transport that some peer offers.
mapfile -t own < <(printf '%s\n' "${offered[@]}" | sort -u)
all=$(printf '%s\n' "${own[@]}" "${contenders[@]}" | paste -sd ,)

# What is asked for takes the place of a default.
words=(--transports "$all" --out "$runs")
[[ " $* " =~ " --rounds"[\ =] ]] || words+=(--rounds 3)
[[ " $* " =~ " --duration"[\ =] ]] || words+=(--duration 6s)
status=0
"$programs/loadgen" compare "${words[@]}" "$@" || status=$?
# 3: some run is invalid. The report is written all the same, and says so first.
if [ "$status" -ne 0 ] && [ "$status" -ne 3 ]; then
  exit "$status"
fi
"$programs/report" "$runs" --out "$out" > /dev/null
echo
tell_missing
echo "report: $(realpath "$out")/index.html"
echo "runs:   $(realpath "$runs")"
