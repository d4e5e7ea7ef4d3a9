#!/usr/bin/env bash
# Shows every guard of feed-server at work: what it refuses and what it lets in, asked by curl and by loadgen.
#
# Starts a server of its own on a free port for each guard and ends it by its id. Prints a table of what each was answered; exits 0
# if all of it was as it should be, and 1 if not. Needs curl and python3; takes about a minute.
#
#   scripts/guards.sh [FOLDER OF THE PROGRAMS, default those of `make build`]
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

programs=${1:-$(scripts/programs.sh)}
work=$(mktemp -d)
server=
holder=
status=0

# shellcheck disable=SC2317 # the trap calls it
cleanup() {
  stop
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "error: $*" >&2
  exit 1
}

stop() {
  for pid in $holder $server; do
    kill "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
  done
  server=
  holder=
}

# Starts a server with these flags; its address is in $host and $url.
start() {
  stop
  : > "$work/server"
  "$programs/feed-server" --listen 127.0.0.1:0 "$@" > "$work/server" 2>&1 &
  server=$!
  for _ in $(seq 200); do
    if grep -q "listening on" "$work/server"; then
      url=$(grep -o 'http://[0-9.:]*' "$work/server" | head -n 1)
      host=${url#http://}
      return 0
    fi
    sleep 0.05
  done
  fail "the server did not start: $(tail -n 1 "$work/server")"
}

# curl, bounded; prints the status, and what `Retry-After` says.
ask() {
  local code
  code=$(curl -s --max-time 10 -o "$work/answer" -D "$work/head" -w '%{http_code}' "$@") || true
  echo "$code$(sed -n 's/^retry-after: *\([0-9]*\).*/ (retry after \1 s)/ip' "$work/head" | head -n 1)"
}

# The first status that is not 200 of up to $1 requests over one connection, and what `Retry-After` says there.
ask_often() {
  curl -s --max-time 10 -o /dev/null -w '%{http_code} (retry after %header{retry-after} s)\n' "$url/healthz?[1-$1]" |
    awk '!/^200/ { print; found = 1; exit } END { if (!found) print 200 }'
}

# Opens a WebSocket by hand, sends the frames that printf makes of $1, and prints the code with which the server closes; what curl
# sends as telnet goes out as it is.
ask_ws() {
  {
    printf 'GET /topics/news/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
    printf 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
    # shellcheck disable=SC2059 # the frames are a format
    printf "$1"
    sleep 1
  } | curl -s --max-time 5 "telnet://$host" > "$work/frames" 2> /dev/null || true
  python3 - "$work/frames" << 'END'
import sys

data = open(sys.argv[1], "rb").read()
head, _, data = data.partition(b"\r\n\r\n")
code = "no answer" if not head else "101" if b" 101 " in head else head.split()[1].decode()
while len(data) >= 2:
    size, at = data[1], 2
    if size == 126:
        size, at = int.from_bytes(data[2:4], "big"), 4
    if data[0] == 0x88:
        code = str(int.from_bytes(data[at : at + 2], "big"))
    data = data[at + size :]
print(code)
END
}

# The generator against $url: prints `ran`, or why not as it says it: a status, what became of its publisher, or that nothing arrived.
play() {
  local out=$work/run
  rm -rf "$out"
  if timeout 60 "$programs/loadgen" run --url "$url" --warmup 500ms --settle 200ms --duration 2s --connect-rate 500 \
    --poll-interval 100ms --pin off --max-send-lag 10s --max-loop-lag 10s --max-cpu 64 --out "$out" "$@" > "$work/said" 2>&1; then
    echo ran
  else
    { grep -oE "status-[0-9]+|answered [0-9]{3}|publish-unconnected" "$work/said" || grep -oE "nothing .* arrived" "$work/said" ||
      cat "$work/said"; } | head -n 1
  fi
}

# The target file of the feed with one header field more: name and value.
target_with() {
  sed "s|Authorization = \"Bearer {token}\"|\"$1\" = \"$2\"|" loadgen/targets/feed.toml > "$work/target.toml"
  echo "$work/target.toml"
}

# Waits until curl is answered with status $1, three times in a row.
await() {
  local times=0
  for _ in $(seq 400); do
    case $(ask "$url/healthz") in "$1"*) times=$((times + 1)) ;; *) times=0 ;; esac
    [ "$times" -lt 3 ] || return 0
    sleep 0.02
  done
  fail "the server never answered with $1"
}

# Opens more streams than the server lets in, $1 or less, until it answers with $2. Who is refused tries again, for the place of one that just
# left is free only now.
hold() {
  seq "$1" | sed "s|.*|url = \"$url/topics/held/sse\"|" > "$work/held"
  await 200
  curl -s -N --parallel --parallel-immediate --parallel-max "$1" --retry 30 --max-time 60 -o /dev/null -K "$work/held" > /dev/null 2>&1 &
  holder=$!
  await "$2"
}

# Ends them.
release() {
  kill "$holder" 2> /dev/null || true
  wait "$holder" 2> /dev/null || true
  holder=
  await 200
}

# What the server has counted under a name, of refusals and of ends.
counted() {
  curl -s --max-time 10 "$url/metrics" | awk -v name="\"$1\"" '/^feed_(refusals|ended)_total/ && index($0, name) { sum += $2 } END { print sum + 0 }'
}

# One line of the table: guard, what curl and loadgen were told when refused, when let in, how often the server counted.
row() {
  printf '%-24s %-22s %-52s %-12s %-8s %s\n' "$@"
}

# A row of what curl and loadgen ($3, if it says something else than $2) were answered, with anything unexpected marked.
judge() {
  local guard=$1 expected=$2 said=${3:-$2}
  case "$curl_refused" in "$expected"*) ;; *) curl_refused="$curl_refused (NOT $expected)" status=1 ;; esac
  case "$play_refused" in *"$said"*) ;; *) play_refused="$play_refused (NOT $said)" status=1 ;; esac
  case "$curl_admitted" in 200 | 201 | 101) ;; *) curl_admitted="$curl_admitted (NOT LET IN)" status=1 ;; esac
  [ "$play_admitted" = ran ] || { play_admitted="$play_admitted (DID NOT RUN)" status=1; }
  [ "$count" -gt 0 ] || status=1
  row "$guard" "$curl_refused" "$play_refused" "$curl_admitted" "$play_admitted" "$count"
}

for program in loadgen feed-server; do
  [ -x "$programs/$program" ] || fail "$programs/$program is missing: build it with \`make build\`"
done
command -v python3 > /dev/null || fail "python3, which mints the tokens, is not installed"
scripts/need.sh curl

row guard "refused: curl" "refused: loadgen" "let in: curl" loadgen counted

start --allow-origin https://app.test
curl_refused=$(ask -H "Origin: https://evil.test" "$url/topics/news/short-poll")
play_refused=$(play --transport ws --rate 4 --clients 5 --target "$(target_with Origin https://evil.test)")
curl_admitted=$(ask -H "Origin: https://app.test" "$url/topics/news/short-poll")
play_admitted=$(play --transport ws --rate 4 --clients 5 --target "$(target_with Origin https://app.test)")
count=$(counted origin)
judge origin 403

scripts/token.py --new-keys "$work/keys.json"
token=$(scripts/token.py --keys "$work/keys.json" --read '*' --write '*')
narrow=$(scripts/token.py --keys "$work/keys.json" --read other --write other)
start --jwt-keys "$work/keys.json"
curl_refused=$(ask "$url/topics/news/short-poll")
play_refused=$(play --transport sse --rate 4 --clients 5)
curl_admitted=$(ask -H "Authorization: Bearer $token" "$url/topics/news/short-poll")
play_admitted=$(WIRELAB_TOKEN=$token play --transport sse --rate 4 --clients 5)
count=$(counted token)
judge token 401

curl_refused=$(ask -H "Authorization: Bearer $narrow" "$url/topics/news/short-poll")
play_refused=$(WIRELAB_TOKEN=$narrow play --transport long-poll --rate 4 --clients 5)
curl_admitted=$(ask "$url/topics/other/short-poll?access_token=$narrow")
play_admitted=$(WIRELAB_TOKEN=$token play --transport long-poll --rate 4 --clients 5)
count=$(counted grant)
judge grant 403
if grep -qF "$token" "$work/server" "$work/said"; then
  echo "A TOKEN WAS SHOWN"
  status=1
fi

start --connections-per-address 20
play_admitted=$(play --transport ws --rate 4 --clients 5)
play_refused=$(play --transport ws --rate 4 --clients 50)
curl_admitted=$(ask "$url/healthz")
hold 30 429
curl_refused=$(ask "$url/healthz")
release
count=$(counted connections-per-address)
judge connections-per-address 429

start --requests-per-second 1 --requests-burst 60
play_admitted=$(play --transport ws --rate 4 --clients 5)
curl_admitted=$(ask "$url/healthz")
play_refused=$(play --transport short-poll --rate 4 --clients 30)
curl_refused=$(ask_often 100)
sleep 3
count=$(counted requests-per-second)
judge requests-per-second 429

start --messages-per-second 2 --messages-burst 2
curl_admitted=$(ask_ws '\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b')
curl_refused=$(ask_ws '\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b\x81\x81\0\0\0\0c')
play_admitted=$(play --transport ws --rate 4 --clients 5)
cat > "$work/talk.toml" << 'END'
name = "talk"
[publish]
via = "ws"
path = "/topics/{topic}/ws"
message = '{payload}'
[transports.ws]
path = "/topics/{topic}/ws"
END
play_refused=$(play --transport ws --clients 2 --rate 20 --target "$work/talk.toml")
count=$(counted messages-per-second)
judge messages-per-second 1008 publish-unconnected

start --message-max 1000
curl_admitted=$(ask_ws '\x82\x81\0\0\0\0a')
curl_refused=$(ask_ws '\x82\xfe\x07\xd0\0\0\0\0')
play_admitted=$(play --transport ws --rate 4 --clients 5)
play_refused=$(play --transport ws --rate 4 --clients 2 --payload 2000 --target "$work/talk.toml")
count=$(counted sent-too-much)
judge message-max 1009 "nothing "

start --body-max 1000
head -c 2000 /dev/zero | tr '\0' 1 > "$work/body"
curl_refused=$(ask --data-binary "@$work/body" "$url/topics/news")
play_refused=$(play --transport ws --rate 4 --clients 5 --payload 2000)
curl_admitted=$(ask -d 1 "$url/topics/news")
play_admitted=$(play --transport ws --rate 4 --clients 5 --payload 200)
count=$(counted body-max)
judge body-max 413

start --head-max 8192
pad=$(head -c 9000 /dev/zero | tr '\0' x)
curl_refused=$(ask -H "X-Pad: $pad" "$url/topics/news/short-poll")
play_refused=$(play --transport short-poll --rate 4 --clients 5 --target "$(target_with X-Pad "$pad")")
curl_admitted=$(ask -H "X-Pad: x" "$url/topics/news/short-poll")
play_admitted=$(play --transport short-poll --rate 4 --clients 5 --target "$(target_with X-Pad x)")
count=$(counted head-max)
judge head-max 431

start --topics-max 3
play_admitted=$(play --transport sse --rate 4 --clients 6 --topics 2)
curl_admitted=$(ask -d 1 "$url/topics/mine")
curl_refused=$(ask -d 1 "$url/topics/one-more")
play_refused=$(play --transport sse --rate 4 --clients 6 --topics 6)
count=$(counted topics-max)
judge topics-max 503

start --connections-max 20
play_admitted=$(play --transport ws --rate 4 --clients 5)
play_refused=$(play --transport ws --rate 4 --clients 50)
curl_admitted=$(ask "$url/healthz")
hold 30 503
curl_refused=$(ask "$url/healthz")
release
count=$(counted connections-max)
judge connections-max 503

[ "$status" -eq 0 ] && echo "every guard refused and let in as it should" || echo "NOT AS IT SHOULD BE: see the marked lines above"
exit "$status"
