#!/usr/bin/env bash
# What the setups of the generators share: installs what the folder names into its `.setup`, which git ignores.
#
#   install.sh npm|pip [--check]                       package-lock.json, requirements.txt
#   install.sh debian PROGRAM PACKAGE [--check]        a package of the system, as root on Debian
#   install.sh cargo PROGRAM VERSION [--check]         compiled from crates.io, which takes minutes
#
# Run in the generator's folder. With --check nothing is installed: exits 0 if it is there, 1 with a line that says what is missing.
set -euo pipefail

kind=$1
shift
words=()
check=
for word in "$@"; do
  if [ "$word" = --check ]; then check=1; else words+=("$word"); fi
done

fail() {
  echo "$*" >&2
  exit 1
}

# What is installed belongs to this version of the file that names it.
is_installed() {
  cmp -s "$1" .setup/done
}

# Installs by a command whose output is kept; what it was made from is noted when that is done.
install_from() {
  local file=$1
  shift
  is_installed "$file" && return 0
  [ -z "$check" ] || fail "it is not installed"
  "$@" > .setup.log 2>&1 || fail "its setup failed: $(tail -n 1 .setup.log)"
  rm .setup.log
  cp "$file" .setup/done
}

npm_ci() {
  rm -rf .setup && mkdir .setup
  cp package.json package-lock.json .setup/
  (cd .setup && npm ci --no-audit --no-fund --ignore-scripts)
}

pip_install() {
  rm -rf .setup
  python3 -m venv .setup
  .setup/bin/pip install --disable-pip-version-check --no-deps -r requirements.txt
}

case $kind in
  npm)
    command -v node > /dev/null || fail "node is not installed: apt-get install nodejs npm"
    install_from package-lock.json npm_ci
    ;;
  pip) install_from requirements.txt pip_install ;;
  debian)
    if [ -n "$check" ]; then
      command -v "${words[0]}" > /dev/null || fail "it is not installed"
    else
      exec "$(dirname "$0")/../../need.sh" "${words[@]}"
    fi
    ;;
  cargo)
    [ -x ".setup/bin/${words[0]}" ] && exit 0
    [ -z "$check" ] || fail "it is not installed"
    cargo install --locked --root .setup "${words[0]}@${words[1]}" > .setup.log 2>&1 || fail "its setup failed: $(tail -n 1 .setup.log)"
    rm .setup.log
    ;;
  *) fail "install.sh knows npm, pip, debian and cargo, not $kind" ;;
esac
