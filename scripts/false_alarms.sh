#!/usr/bin/env bash
# How often `loadgen diff` calls equal builds a regression, and how often it sees a real one.
#
# Records 60 rounds of one program (six minutes; the machine should do nothing else), unless the folder holds them already. Then draws
# 1,000 comparisons of five rounds against five from them and judges each with the code of `diff`: rounds drawn at random, of both
# sides in turn, of one side after the other, and of the first half against the second; and with one side made 10, 20 and 50 % worse.
#
#   scripts/false_alarms.sh [FOLDER, default wirelab-runs/false-alarms] [FOLDER OF THE PROGRAMS, default those of `make build`]
#
# TRANSPORT=ws, ROUNDS=60 and LOAD change what is recorded; PER_SIDE=5, DRAWS=1000 and TOLERANCE=0.1 what is drawn.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

folder=${1:-${WIRELAB_RUNS:-wirelab-runs}/false-alarms}
programs=${2:-$(scripts/programs.sh)}
read -ra load <<< "${LOAD:---duration 3s --warmup 1s --settle 0.5s --clients 200 --rate 20}"

for program in loadgen feed-server; do
  [ -x "$programs/$program" ] || {
    echo "error: $programs/$program is missing: build it with \`make build\`" >&2
    exit 1
  }
done
if [ ! -f "$folder/comparison.json" ]; then
  # Code 3 is a recording without any valid round, of which the drawing tells.
  "$programs/loadgen" compare --transports "${TRANSPORT:-ws}" --rounds "${ROUNDS:-60}" "${load[@]}" --out "$folder" || [ $? -eq 3 ]
fi
cargo run --quiet --release --locked -p results --example false_alarms -- \
  "$folder" "${PER_SIDE:-5}" "${DRAWS:-1000}" "${TOLERANCE:-0.1}"
