#!/usr/bin/env bash
# Builds, measures and reports in unusual but ordinary places, and prints a table: a line a place, a cell a chore with its seconds.
#
#   scripts/places.sh [PLACE...]       all places unless some are named
#   scripts/places.sh --list           their names
#
# The chores are `make build`, a short `loadgen run`, and `report` on it; the column `crates built` says how many crates the build compiled:
# where it is 0, what was built elsewhere is reused, which is possible wherever the path of the sources is the same. One place is real to
# its end: a clone in a folder with a space and a letter that is not ASCII, as an ordinary user, under CARGO_TARGET_DIR, from its first
# crate to the end of `make report`. A place that cannot be had here is told as `SKIPPED places::NAME: reason`. Exits 1 if a chore fails.
# Takes some fifteen minutes, most of them that one place's.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

readonly PLACES=(here target-dir-in-environment target-dir-in-configuration locale-C locale-de no-home no-git read-only no-ipv6 ports-in-use user)
readonly CHORES=(build run report)
# Longest that a chore may take, s: four times what a build takes on two cores.
readonly BOUND=1500
# Nobody's number: an ordinary user that every system has.
readonly USER_ID=65534

usage() {
  echo "error: $1; see the head of scripts/places.sh" >&2
  exit 2
}

# One chore, carried out inside a place; what it writes goes to the folder $2.
chore() {
  local out=$2 programs
  export LC_ALL=${WIRELAB_LOCALE:-$LC_ALL}
  case $1 in
    build) make build ;;
    run)
      programs=$(scripts/programs.sh)
      # What is asked is whether it can measure here, not how fast: bounds are wide, and a machine that was too busy is asked again.
      for _ in 1 2 3; do
        rm -rf "$out/run"
        "$programs/loadgen" run --transport ws --clients 10 --rate 4 --settle 0s --warmup 500ms --duration 2s --drain 5s \
          --max-send-lag 10s --max-loop-lag 10s --max-cpu 64 --out "$out/run" && return 0
      done
      return 1
      ;;
    report)
      programs=$(scripts/programs.sh)
      "$programs/report" "$out/run" --out "$out/page" && grep -q '</html>' "$out/page/index.html"
      ;;
    whole-report) WIRELAB_RUNS=$out/runs WIRELAB_REPORT=$out/whole make report && grep -q '</html>' "$out/whole/index.html" ;;
    *) usage "unknown chore $1" ;;
  esac
}

case ${1-} in
  --chore)
    chore "$2" "$3"
    exit
    ;;
  --list)
    printf '%s\n' "${PLACES[@]}"
    exit
    ;;
esac
places=("$@")
[ $# -gt 0 ] || places=("${PLACES[@]}")
for place in "${places[@]}"; do
  [[ " ${PLACES[*]} " == *" $place "* ]] || usage "unknown place $place: expected one of ${PLACES[*]}"
done

work=$(mktemp -d)
holder=
status=0
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
  if [ -n "$holder" ]; then
    kill "$holder" 2> /dev/null || true
    wait "$holder" 2> /dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# Another user goes through it.
chmod 755 "$work"

# A place is the folder `tree` and the words `enter` before a command in it. The functions below fill them in, or say in `reason` why this
# place cannot be had.
can_be_root() {
  [ "$(id -u)" -eq 0 ] || reason="it takes root"
  [ -n "$reason" ] || unshare "$1" true 2> /dev/null || reason="this system gives no namespace of its own (unshare $1)"
  [ -z "$reason" ]
}

# What was built, at another path, once; with a space in it.
copy_built() {
  copied="$work/built elsewhere"
  [ ! -d "$copied" ] || return 0
  mkdir "$copied"
  cp -a "$(scripts/programs.sh --target)/release" "$copied/"
}

enter_here() { :; }

enter_target-dir-in-environment() {
  copy_built
  enter=(env CARGO_TARGET_DIR="$copied")
}

enter_target-dir-in-configuration() {
  copy_built
  local home=${CARGO_HOME:-${HOME-}/.cargo} file
  mkdir -p "$work/cargo-home"
  for file in "$home"/*; do
    case ${file##*/} in config | config.toml) ;; *) ln -sfn "$file" "$work/cargo-home/${file##*/}" ;; esac
  done
  # What the user's own configuration says holds as well.
  { cat "$home/config.toml" 2> /dev/null || true; } | grep -v '^target-dir' > "$work/cargo-home/config.toml" || true
  grep -q '^\[build\]$' "$work/cargo-home/config.toml" || echo '[build]' >> "$work/cargo-home/config.toml"
  sed -i "s|^\[build\]\$|[build]\ntarget-dir = \"$copied\"|" "$work/cargo-home/config.toml"
  enter=(env -u CARGO_TARGET_DIR CARGO_HOME="$work/cargo-home")
}

enter_locale-C() { enter=(env LC_ALL=C LANG=C); }

# A locale with decimal commas. Scripts set one of their own, this one too, so it is given to make and to the programs by name.
enter_locale-de() {
  reason=$(scripts/need.sh locale-gen locales 2>&1 > /dev/null) && reason= || return 0
  mkdir "$work/locales"
  # It tells what it doubts with code 1, and writes the locale all the same.
  localedef -i de_DE -f UTF-8 "$work/locales/de_DE.UTF-8" > "$work/localedef" 2>&1 || true
  [ -e "$work/locales/de_DE.UTF-8/LC_NUMERIC" ] || reason="localedef made no de_DE.UTF-8: $(tail -n 1 "$work/localedef")"
  enter=(env LOCPATH="$work/locales" WIRELAB_LOCALE=de_DE.UTF-8)
}

enter_no-home() { enter=(env -u HOME); }

enter_no-git() {
  mkdir "$work/no-git"
  printf '#!/bin/sh\nexit 127\n' > "$work/no-git/git"
  chmod +x "$work/no-git/git"
  enter=(env PATH="$work/no-git:$PATH" GIT_DIR=/nonexistent)
}

enter_read-only() {
  can_be_root -m || return 0
  copy_built
  enter=(env CARGO_TARGET_DIR="$copied" unshare -m bash -c
    'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && cd "$1" && ! touch README.md 2> /dev/null && shift && exec "$@"' enter "$PWD")
}

enter_no-ipv6() {
  can_be_root -n || return 0
  reason=$(scripts/need.sh ip iproute2 2>&1 > /dev/null) && reason= || return 0
  enter=(env PATH="$PATH:/usr/sbin:/sbin" unshare -n bash -c
    'ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 && ! ip -6 address show dev lo | grep -q inet6 && exec "$@"' enter)
}

# The ports of the feed-server and of Redis, if somebody else does not hold them anyhow.
enter_ports-in-use() {
  command -v python3 > /dev/null || {
    reason="python3, which holds the ports, is not installed"
    return 0
  }
  python3 -c '
import signal, socket
held = []
for port in (8080, 6379):
    listener = socket.socket()
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        held.append(listener)
    except OSError:
        pass
signal.pause()' &
  holder=$!
}

# A clone of what is committed. Nothing but the toolchain and the downloaded crates is shared with it.
enter_user() {
  local home=$work/home sysroot registry
  command -v git > /dev/null && git rev-parse HEAD > /dev/null 2>&1 || {
    reason="this tree is no clone: nothing can be cloned from it"
    return 0
  }
  tree="$work/Wirelab höher"
  git clone --quiet --no-hardlinks "$PWD" "$tree"
  mkdir -p "$home/.cargo" "$work/toolchain" "$work/built by a user"
  registry=${CARGO_HOME:-${HOME-}/.cargo}/registry
  [ ! -d "$registry" ] || cp -a "$registry" "$home/.cargo/"
  sysroot=$(rustc --print sysroot)
  enter=(env -i HOME="$home" PATH="$sysroot/bin:/usr/local/bin:/usr/bin:/bin" CARGO_TARGET_DIR="$work/built by a user")
  [ "$(id -u)" -eq 0 ] || return 0
  can_be_root -m || return 0
  command -v setpriv > /dev/null || reason="setpriv (util-linux) is not installed"
  chown -R "$USER_ID:$USER_ID" "$home" "$tree" "$work/built by a user" "$out"
  # Root's toolchain may be where nobody else gets to.
  enter=(unshare -m bash -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' enter "$sysroot" "$work/toolchain"
    setpriv --reuid="$USER_ID" --regid="$USER_ID" --clear-groups --inh-caps=-all
    env -i HOME="$home" PATH="$work/toolchain/bin:/usr/local/bin:/usr/bin:/bin" CARGO_TARGET_DIR="$work/built by a user")
}

# Carries a chore out in the place that was entered; what it took is in `cell`.
try() {
  local chore=$1 began=$SECONDS
  if "${enter[@]}" timeout --kill-after=10 "$BOUND" "$tree/scripts/places.sh" --chore "$chore" "$out" > "$work/$place-$chore.log" 2>&1 < /dev/null; then
    cell="$((SECONDS - began)) s"
  else
    cell=FAILED
    failed+=("$place: $chore: $(tail -n 5 "$work/$place-$chore.log" | tr '\n' ' ')")
    status=1
  fi
}

failed=()
skipped=()
outcomes=()
printf '%-28s  %8s  %8s  %8s  %s\n' place "${CHORES[@]}" "crates built"
for place in "${places[@]}"; do
  tree=$PWD enter=(env) reason='' out=$work/$place-out cells=() before=${#failed[@]}
  mkdir "$out"
  "enter_$place"
  if [ -n "$reason" ]; then
    printf '%-28s  %8s  %8s  %8s\n' "$place" skipped skipped skipped
    skipped+=("places::$place: $reason")
    continue
  fi
  for chore in "${CHORES[@]}"; do
    try "$chore"
    cells+=("$cell")
  done
  built=$(grep -c '^ *Compiling ' "$work/$place-build.log" || true)
  printf '%-28s  %8s  %8s  %8s  %s\n' "$place" "${cells[@]}" "$built"
  if [ -n "$holder" ]; then
    kill "$holder"
    wait "$holder" || true
    holder=
  fi
  if [ "$place" = user ]; then
    try whole-report
    echo "$place: make report to its end: $cell, $(find "$out/runs" -name run.json 2> /dev/null | wc -l) runs, a page of $(wc -c < "$out/whole/index.html" || echo no) bytes"
  fi
  if [ ${#failed[@]} -eq "$before" ]; then outcomes+=("test $place ... ok"); else outcomes+=("test $place ... FAILED"); fi
done
for line in ${skipped[@]+"${skipped[@]}"}; do
  echo "SKIPPED $line"
  [ -z "${WIRELAB_SKIPS-}" ] || echo "$line" >> "$WIRELAB_SKIPS"
done
# For scripts/suite.sh, a case a place.
if [ -n "${WIRELAB_SKIPS-}" ]; then printf '%s\n' "${outcomes[@]}"; fi
for line in ${failed[@]+"${failed[@]}"}; do
  echo "FAILED $line"
done
exit "$status"
