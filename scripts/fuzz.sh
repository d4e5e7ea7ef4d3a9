#!/usr/bin/env bash
# Fuzzes what reads bytes of strangers: SSE, WebSocket frames, envelopes, cursors, conditions, HTTP on both sides, chunks.
#
# The targets are in scripts/fuzz/targets, in the shape of cargo-fuzz. They are built with the stable toolchain: libFuzzer needs the
# compiler's coverage instruments, which stable has, and no sanitizer, which it has not; the code under test holds no `unsafe`. Each run
# begins with hand-made seeds (scripts/fuzz/seeds/TARGET; a first byte of `0` asks for no cuts) and the corpus that is kept
# (scripts/fuzz/corpus/TARGET), and puts what it finds new into `fuzz/TARGET` where cargo builds. A finding stops
# it with exit code 1, its input is in `fuzz/findings` there. With --keep, the corpus of every target that was run is then made anew
# from both, as small as libFuzzer can without losing coverage, up to 100 files and 12 KiB each. Prints executions and coverage, a line a target.
#
#   scripts/fuzz.sh [--keep] [SECONDS A TARGET, default 60] [TARGET..., default all]
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

keep=0
if [ "${1-}" = --keep ]; then
  keep=1
  shift
fi
seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || {
  echo "error: expected seconds, not $seconds" >&2
  exit 2
}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for file in scripts/fuzz/targets/*.rs; do
    targets+=("$(basename "$file" .rs)")
  done
fi
host=$(rustc -vV | sed -n 's/^host: //p')
built=$(scripts/programs.sh --target)
work=$built/fuzz
# Largest input, bytes: twice a frame with a long length, or a head with its body.
longest=512
# What is kept of one target, bytes and files: eight of them stay below 100 KiB.
room=12288
most=100

# The same versions as in the product, and the fuzzer's own.
cp Cargo.lock scripts/fuzz/Cargo.lock
# With a target triple, build scripts are built without the instruments. Cargo-fuzz sets the same.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing" \
  cargo build --manifest-path scripts/fuzz/Cargo.toml --release --target "$host" --target-dir "$built/fuzzing"
mkdir -p "$work/findings"

# Copies some of the files, of all sizes alike, until there is no more room.
copy_some() {
  local used=0 size file every
  every=$(($(find "$1" -type f | wc -l) / most + 1))
  while read -r size file; do
    used=$((used + size))
    [ "$used" -le "$room" ] || break
    cp "$1/$file" "$2/"
  done < <(cd "$1" && find . -type f -printf '%s %f\n' | sort -n | awk "NR % $every == 0")
}

status=0
printf '%-12s %9s %14s %10s %9s\n' target seconds executions coverage inputs
for target in "${targets[@]}"; do
  program=$built/fuzzing/$host/release/$target
  [ -x "$program" ] || {
    echo "error: no target $target: expected one of $(basename -s .rs scripts/fuzz/targets/*.rs | tr '\n' ' ')" >&2
    exit 2
  }
  mkdir -p "$work/$target" "scripts/fuzz/corpus/$target"
  if ! "$program" -max_total_time="$seconds" -max_len=$longest -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$work/findings/$target-" "$work/$target" "scripts/fuzz/corpus/$target" "scripts/fuzz/seeds/$target" > "$work/$target.log" 2>&1; then
    echo "FINDING in $target: $(grep -m 1 -E "panicked at|ERROR: libFuzzer" -A 1 "$work/$target.log" | tr '\n' ' ')"
    echo "  all of it: $work/$target.log"
    status=1
    continue
  fi
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log")
  coverage=$(grep -o 'cov: [0-9]*' "$work/$target.log" | tail -n 1 | cut -d ' ' -f 2)
  printf '%-12s %9s %14s %10s %9s\n' "$target" "$seconds" "$executions" "$coverage" "$(find "$work/$target" -type f | wc -l)"
  if [ "$keep" -eq 1 ]; then
    rm -rf "$work/small" "$work/kept"
    mkdir -p "$work/small" "$work/kept"
    "$program" -merge=1 -max_len=$longest "$work/small" "scripts/fuzz/corpus/$target" "$work/$target" >> "$work/$target.log" 2>&1
    copy_some "$work/small" "$work/kept"
    rm -rf "scripts/fuzz/corpus/$target"
    mv "$work/kept" "scripts/fuzz/corpus/$target"
  fi
done
exit "$status"
