#!/usr/bin/env bash
# Sets up, starts and stops the peers: servers in other languages, one a folder in servers/peers, that loadgen can drive.
#
#   scripts/peers.sh list              every peer, whether it is set up, and what it is
#   scripts/peers.sh setup NAME|all    installs what it needs; quick when that is done
#   scripts/peers.sh start NAME        starts it in the background and prints its URL (PORT=8081 asks for a port)
#   scripts/peers.sh stop NAME
#
# What a peer's folder holds says what its setup does, in this order:
#   debian.txt          `PACKAGE: CHECK` a line; a package whose check fails is installed (as root on Debian), or the peer cannot
#                       be had; `?PACKAGE: CHECK` is what it can do without
#   package-lock.json   npm ci
#   requirements.txt    a Python venv
#   build               a script of the peer's own, run in its folder: for what is compiled
# All of it goes to the folder's `.setup`, which git ignores, except Debian packages. Exits 0 when done, 1 when something is
# wrong, 2 on wrong words, 3 when this machine cannot have the peer: the last line then says what to type.
set -euo pipefail
export LC_ALL=C
script=$(realpath "$0")
cd "$(dirname "$script")/../servers/peers"

# Longest wait for another setup of the same peer, s: an install over a slow line.
readonly LOCK_WAIT=600
# Longest wait for a peer to listen and to end, in tenths of a second.
readonly START_WAIT=200
readonly STOP_WAIT=100

fail() {
  echo "error: $*" >&2
  exit 1
}

# This machine cannot have the peer; what is said is the reason, and what to type.
cannot() {
  echo "cannot set up $name: $*; then scripts/peers.sh setup $name" >&2
  exit 3
}

usage() {
  sed -n 's/^#   \(scripts.*\)/\1/p' "$script" >&2
  exit 2
}

names() {
  local file
  for file in */peer.toml; do
    echo "${file%/peer.toml}"
  done
}

need_peer() {
  [ -f "$1/peer.toml" ] || {
    echo "error: there is no peer called \`$1\`; there are: $(names | paste -sd ' ')" >&2
    exit 2
  }
}

# The checksum of what a setup is made from: a step is done again when it differs from the one of the last time.
sum_of() {
  { uname -m && cat "$@"; } | sha256sum | cut -d ' ' -f 1
}

is_done() {
  [ "$(cat "$1" 2> /dev/null)" = "$2" ]
}

# Sources of a peer that is compiled: all but its prose and what setup made.
sources() {
  find "$1" -path "$1/.setup" -prune -o -type f ! -name README.md ! -name peer.toml -print | sort
}

# The packages of a debian.txt that are not there. The second word is the mark of what is asked about: nothing, or `?`.
missing_packages() {
  local package check
  while IFS=: read -r package check; do
    [[ $package =~ ^"$2"[a-z0-9] ]] || continue
    bash -c "$check" > /dev/null 2>&1 < /dev/null || echo "${package#\?}"
  done < "$1" | paste -sd ' '
}

apt_install() {
  # One at a time, for all peers of this tree; other programs that install are waited for as well.
  (
    flock -w "$LOCK_WAIT" 8 || exit 1
    # A package that brings a server would start it, on the port that everybody's is on; it is wanted as a program alone.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    options=(-y --no-install-recommends -o "DPkg::Lock::Timeout=$LOCK_WAIT")
    apt-get install "${options[@]}" "$@" || { apt-get update && apt-get install "${options[@]}" "$@"; }
  ) > "$setup/apt.log" 2>&1 8> .apt.lock
}

can_apt() {
  [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null
}

set_up_debian() {
  local missing optional
  missing=$(missing_packages "$name/debian.txt" '')
  if [ -n "$missing" ]; then
    can_apt || cannot "it needs the packages $missing: sudo apt-get install $missing"
    echo "$name: installing $missing" >&2
    # shellcheck disable=SC2086 # one word a package
    apt_install $missing || cannot "apt-get install $missing failed: $(grep -m 1 '^E:' "$setup/apt.log" || tail -n 1 "$setup/apt.log")"
    missing=$(missing_packages "$name/debian.txt" '')
    [ -z "$missing" ] || cannot "what $missing installs here is not what it needs; see servers/peers/$name/debian.txt"
  fi
  optional=$(missing_packages "$name/debian.txt" '?')
  # Tried once: what cannot be installed here is not worth a wait at every start.
  if [ -n "$optional" ] && [ ! -f "$setup/optional.tried" ]; then
    # shellcheck disable=SC2086 # one word a package
    can_apt && apt_install $optional || echo "$name can do more with the packages $optional: sudo apt-get install $optional" >&2
    touch "$setup/optional.tried"
  fi
}

set_up_npm() {
  local sum
  sum=$(sum_of "$name/package.json" "$name/package-lock.json")
  is_done "$setup/npm.done" "$sum" && return 0
  echo "$name: npm ci" >&2
  rm -rf "$setup/npm.done" "$setup/node_modules"
  cp "$name/package.json" "$name/package-lock.json" "$setup/"
  (cd "$setup" && npm ci --no-audit --no-fund --ignore-scripts) > "$setup/npm.log" 2>&1 ||
    cannot "npm ci failed: $(grep -m 1 'npm error' "$setup/npm.log" || tail -n 1 "$setup/npm.log")"
  # Where Node looks for the packages of a program.
  ln -sfn .setup/node_modules "$name/node_modules"
  echo "$sum" > "$setup/npm.done"
}

set_up_python() {
  local sum
  sum=$(sum_of "$name/requirements.txt")
  # The venv refers to the interpreter it was made with, which may have gone since.
  is_done "$setup/venv.done" "$sum" && "$setup/venv/bin/python" -c '' 2> /dev/null && return 0
  echo "$name: pip install -r requirements.txt" >&2
  rm -rf "$setup/venv.done" "$setup/venv"
  { python3 -m venv "$setup/venv" &&
    "$setup/venv/bin/pip" install --disable-pip-version-check --no-deps -r "$name/requirements.txt"; } > "$setup/pip.log" 2>&1 ||
    cannot "pip install failed: $(grep -m 1 '^ERROR' "$setup/pip.log" || tail -n 1 "$setup/pip.log")"
  echo "$sum" > "$setup/venv.done"
}

set_up_build() {
  local sum
  # shellcheck disable=SC2046 # a peer's files have no blanks in their names
  sum=$(sum_of $(sources "$name"))
  is_done "$setup/build.done" "$sum" && return 0
  echo "$name: building" >&2
  rm -f "$setup/build.done"
  (cd "$name" && ./build) > "$setup/build.log" 2>&1 || cannot "its build failed, see servers/peers/$setup/build.log: $(tail -n 1 "$setup/build.log")"
  echo "$sum" > "$setup/build.done"
}

# In a shell of its own, which holds the lock while it lives.
set_up() (
  name=$1
  setup=$name/.setup
  mkdir -p "$setup"
  exec 9> "$setup/lock"
  flock -w "$LOCK_WAIT" 9 || fail "another setup of $name has held its lock for $LOCK_WAIT s"
  [ ! -f "$name/debian.txt" ] || set_up_debian
  [ ! -f "$name/package-lock.json" ] || set_up_npm
  [ ! -f "$name/requirements.txt" ] || set_up_python
  [ ! -f "$name/build" ] || set_up_build
  touch "$setup/done"
)

set_up_all() {
  local peer status=0
  for peer in $(names); do
    set_up "$peer" || status=$?
  done
  return "$status"
}

list() {
  local peer state
  for peer in $(names); do
    state="not set up"
    [ ! -f "$peer/.setup/done" ] || state="set up"
    [ -z "$(running "$peer")" ] || state="running"
    printf '%-18s %-11s %s\n' "$peer" "$state" "$(sed -n 's/^about = "\(.*\)"$/\1/p' "$peer/peer.toml")"
  done
}

# The process of a peer that `start` left running, if it is there still.
running() {
  local pid
  pid=$(cat "$1/.setup/pid" 2> /dev/null) || return 0
  # A number that was taken over by another program is none of ours.
  [ "$(readlink "/proc/$pid/cwd" 2> /dev/null)" = "$PWD/$1" ] && echo "$pid"
  return 0
}

# Ends a peer that `start` left running; fails if it has to be killed for that.
end() {
  local peer=$1 pid status=0
  pid=$(running "$peer")
  [ -z "$pid" ] || kill "$pid" 2> /dev/null || true
  for _ in $(seq "$STOP_WAIT"); do
    [ -n "$(running "$peer")" ] || break
    sleep 0.1
  done
  if [ -n "$(running "$peer")" ]; then
    kill -KILL "$pid" 2> /dev/null || true
    status=1
  fi
  rm -f "$peer/.setup/pid"
  return "$status"
}

start() {
  local peer=$1 pid output=$1/.setup/output
  set_up "$peer"
  # Held until this script ends, and not by the peer: of two that start it, the second finds it running.
  exec 7> "$peer/.setup/start.lock"
  flock -w "$LOCK_WAIT" 7 || fail "another start of $peer has held its lock for $LOCK_WAIT s"
  [ -z "$(running "$peer")" ] || fail "$peer is running; scripts/peers.sh stop $peer"
  # A peer ends with its standard input. A FIFO that it holds open for both never ends.
  [ -p "$peer/.setup/stdin" ] || mkfifo "$peer/.setup/stdin"
  : > "$output"
  (cd "$peer" && exec setsid ./run <> .setup/stdin > .setup/output 2>&1 7>&-) &
  pid=$!
  echo "$pid" > "$peer/.setup/pid"
  for _ in $(seq "$START_WAIT"); do
    if grep -q 'listening on http' "$output"; then
      grep -m 1 -o 'http://[^ ]*' "$output"
      return 0
    fi
    if ! kill -0 "$pid" 2> /dev/null; then
      rm -f "$peer/.setup/pid"
      fail "$peer ended at once: $(tail -n 3 "$output")"
    fi
    sleep 0.1
  done
  end "$peer" || true
  fail "$peer did not listen within $((START_WAIT / 10)) s: $(tail -n 3 "$output")"
}

stop() {
  [ -n "$(running "$1")" ] || fail "$1 is not running"
  end "$1" || fail "$1 did not end within $((STOP_WAIT / 10)) s and was killed"
}

case "$#:${1-} ${2-}" in
  "1:list ") list ;;
  "2:setup all") set_up_all ;;
  "2:setup "* | "2:start "* | "2:stop "*)
    need_peer "$2"
    case $1 in
      setup) set_up "$2" ;;
      start) start "$2" ;;
      stop) stop "$2" ;;
    esac
    ;;
  *) usage ;;
esac
