#!/usr/bin/env bash
# Runs all tests that `scripts/test.sh` has built, whatever fails, and sums up: the time of each test program, each skipped and each failed
# test by name, and as the last line `N passed, N failed, N skipped`.
#
#   scripts/suite.sh [--log DIR] [--jobs N] [--programs FILE] [--bound SECONDS]
#
# Test programs run N at a time (3 unless told otherwise: most of them wait most of the time), those that measure the machine itself
# alone, at the end. A program's output goes to DIR/NAME.out and DIR/NAME.err, where DIR is suite/<time> where cargo builds unless told otherwise;
# the summary is there as well, in `summary`. A test that cannot be had here appends `name: reason` to the file that $WIRELAB_SKIPS
# names, and counts as skipped, not as passed. --programs runs others than the tests: a line NAME, FOLDER, PROGRAM and, if it takes one, its word,
# with tabs between; what ends before --bound, a quarter of an hour unless told otherwise, is not ended by this script. Exits 1 if a test failed or a program ended without saying how many passed.
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

suite=$(scripts/programs.sh --target)/suite || exit 1
programs=$suite/programs
log=$suite/$(date -u +%Y-%m-%dT%H-%M-%SZ)
jobs=3
others=
seconds=900
# They bind themselves to cores, count CPU time, or hold times against bounds: another program beside them would be in their figures.
alone='^(known_server|starved|held_up|verdict|descriptors|floor|counted)$'

usage() {
  echo "error: $1; see the head of scripts/suite.sh" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --log) log=${2-} ;;
    --jobs) jobs=${2-} ;;
    --programs) others=${2-} ;;
    --bound) seconds=${2-} ;;
    *) usage "unknown word $1" ;;
  esac
  shift 2 || usage "the last flag lacks its value"
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || usage "--jobs $jobs: expected a number from 1 on"
[[ $seconds =~ ^[1-9][0-9]*$ ]] || usage "--bound $seconds: expected seconds"
programs=${others:-$programs}
[ -s "$programs" ] || {
  echo "error: $programs is missing: scripts/test.sh builds the tests and writes it" >&2
  exit 1
}
mkdir -p "$log"
log=$(cd "$log" && pwd)
export WIRELAB_SKIPS=$log/skips
: > "$WIRELAB_SKIPS"

# A program that does not end is ended after many times what any of them takes, where that can be had.
bound=()
if command -v timeout > /dev/null; then bound=(timeout --kill-after=10 "$seconds"); fi

# Runs one program where cargo would, and notes its name, exit code and time.
run() {
  local name=$1 folder=$2 began=$EPOCHREALTIME code
  shift 2
  (cd "$folder" && CARGO_MANIFEST_DIR=$folder exec ${bound[@]+"${bound[@]}"} "$@") > "$log/$name.out" 2> "$log/$name.err" < /dev/null
  code=$?
  # Lines this short are written whole, whoever writes beside.
  printf '%s %s %s\n' "$name" "$code" "$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $began }")" >> "$log/programs"
  [ "$code" = 0 ] || echo "FAILED $name, see $log/$name.out" >&2
}

: > "$log/programs"
began=$SECONDS
# The longest come first, so that none of them is left over at the end: `programs` is in the order of their last times.
running=0
while IFS=$'\t' read -r name folder program word; do
  [[ $name =~ $alone ]] && continue
  [ "$running" -lt "$jobs" ] || { wait -n; running=$((running - 1)); }
  run "$name" "$folder" "$program" ${word:+"$word"} &
  running=$((running + 1))
done < "$programs"
wait
while IFS=$'\t' read -r name folder program word; do
  if [[ $name =~ $alone ]]; then run "$name" "$folder" "$program" ${word:+"$word"}; fi
done < "$programs"
if [ -z "$others" ] && [ ! -e "$suite/no-doctests" ]; then
  run doctests "$PWD" cargo test --workspace --locked --doc --no-fail-fast
fi
took=$((SECONDS - began))

{
  echo "seconds of each test program:"
  sort -k3,3nr "$log/programs" | awk '{ printf "  %7.1f  %s%s\n", $3, $1, $2 ? "  (exit code " $2 ")" : "" }'
  for file in "$log"/*.out; do
    name=$(basename "$file" .out)
    awk -v name="$name" '
      # The harness writes a line in two steps, and a test that it does not capture may write in between.
      /^test .* \.\.\. / {
        split($0, words, " "); test = words[2]
        if ($0 ~ / \.\.\. ok/) print "ok", name "::" test
        if ($0 ~ / \.\.\. FAILED/) print "failed", name "::" test
        if ($0 ~ / \.\.\. ignored/) print "ignored", name "::" test
      }
      # A program without that harness tells each case in a line of its own.
      !/^test / && / \.\.\. ok/ { sub(/ \.\.\. ok.*/, ""); gsub(/ /, "-"); print "ok", name "::" $0 }
    ' "$file"
  done > "$log/tests"
  # What a program failed of that it does not name is the program itself.
  while read -r name code _; do
    if [ "$code" != 0 ] && ! grep -q "^failed $name\b" "$log/tests"; then
      echo "failed $name: the program ended with $code" >> "$log/tests"
    fi
  done < "$log/programs"
  sort -u "$WIRELAB_SKIPS" | sed 's/^/SKIPPED /'
  sed -n 's/^ignored \(.*\)/SKIPPED \1: ignored/p' "$log/tests"
  sed -n 's/^failed /FAILED /p' "$log/tests"
  awk '
    FILENAME ~ /skips$/ { if (!seen[$0]++) { skipped++; sub(/:? .*/, ""); whole[$0] = 1 }; next }
    $1 == "ok" { count = split($2, path, "::"); if (path[count] in whole) next; passed++ }
    $1 == "failed" { failed++ }
    $1 == "ignored" { skipped++ }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }
  ' "$WIRELAB_SKIPS" "$log/tests" > "$log/total"
  echo "$took s, logs in $log"
  cat "$log/total"
} > "$log/summary"
cat "$log/summary"
! grep -q '^failed ' "$log/tests"
