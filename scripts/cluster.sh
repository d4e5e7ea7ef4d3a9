#!/usr/bin/env bash
# Several feed-servers behind one broker and one nginx, all on loopback and on free ports, until Ctrl-C or the end of a command.
#
#   scripts/cluster.sh [--servers N] [--broker redis|none] [--ip-hash] [--run "COMMAND"] [-- FLAGS OF FEED-SERVER]
#
#   --servers N       feed-servers to start; 3 unless given
#   --broker redis    Redis numbers, so that all servers show the same (this unless given)
#   --broker none     each server by itself: what happens without a broker
#   --ip-hash         nginx sends all connections of one address to the same server
#   --run "COMMAND"   runs this, then stops everything and exits as it did
#
# COMMAND finds in its environment: WIRELAB_URL (nginx), WIRELAB_SERVER_URLS and WIRELAB_SERVER_PIDS (one each, spaces between),
# WIRELAB_CLUSTER_PID (this script; SIGUSR1 stops Redis for two seconds and starts it again, with what it had).
# Needs the programs of `make build`, or those in $WIRELAB_PROGRAMS. Redis and nginx are installed when this is root.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

programs=$(scripts/programs.sh)
servers=3
broker=redis
balance=
run=
flags=()

usage() {
  echo "error: $1; see the head of scripts/cluster.sh" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --servers) servers=${2-} && shift ;;
    --broker) broker=${2-} && shift ;;
    --ip-hash) balance="ip_hash;" ;;
    --run) run=${2-} && shift ;;
    --)
      shift
      flags=("$@")
      break
      ;;
    *) usage "unknown word $1" ;;
  esac
  shift || usage "the last flag lacks its value"
done
[[ $servers =~ ^[1-9][0-9]?$ ]] || usage "--servers takes a number from 1 to 99"
[[ $broker = redis || $broker = none ]] || usage "--broker takes redis or none"

PATH=$PATH:/usr/sbin:/sbin
scripts/need.sh nginx nginx-light
[ "$broker" = none ] || scripts/need.sh redis-server
[ -x "$programs/feed-server" ] || {
  echo "error: $programs/feed-server is missing: build it with \`make build\`" >&2
  exit 1
}

work=$(mktemp -d)
redis=
nginx=
pids=()
urls=()
command=

# Longest wait for a program to end once it was asked to, in twentieths of a second: 10 s. Then it is killed.
readonly END_WAIT=200

# Whether a process is a child of this script and runs: a number that was reaped may be another program's by now.
is_ours() {
  local stat state parent
  stat=$(cat "/proc/$1/stat" 2> /dev/null) || return 1
  # What follows the name, which may hold anything.
  read -r state parent _ <<< "${stat##*) }"
  [ "$parent" = $$ ] && [ "$state" != Z ]
}

# Ends a child of this script.
# shellcheck disable=SC2317 # the trap calls it
end() {
  is_ours "$1" || return 0
  kill -TERM "$1" 2> /dev/null || true
  for _ in $(seq "$END_WAIT"); do
    is_ours "$1" || break
    sleep 0.05
  done
  if is_ours "$1"; then
    echo "cluster: process $1 did not end within $((END_WAIT / 20)) s and is killed" >&2
    kill -KILL "$1" 2> /dev/null || true
  fi
  wait "$1" 2> /dev/null || true
}

# Ends a child that leads a process group, and all that it started: the number is the group's while one of them lives.
# shellcheck disable=SC2317 # the trap calls it
end_group() {
  is_ours "$1" || return 0
  kill -TERM -- "-$1" 2> /dev/null || true
  for _ in $(seq "$END_WAIT"); do
    kill -0 -- "-$1" 2> /dev/null || return 0
    sleep 0.05
  done
  echo "cluster: the command did not end within $((END_WAIT / 20)) s and is killed" >&2
  kill -KILL -- "-$1" 2> /dev/null || true
  wait "$1" 2> /dev/null || true
}

# shellcheck disable=SC2317 # the trap calls it
cleanup() {
  trap - EXIT INT TERM USR1
  [ -z "$command" ] || end_group "$command"
  # From the outside in, so that nobody misses what it needs to say goodbye.
  for pid in $nginx ${pids[@]+"${pids[@]}"} $redis; do
    end "$pid"
  done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "error: $*" >&2
  exit 1
}

# A port of loopback that nobody listens on, below those that the kernel gives out.
free_port() {
  for _ in $(seq 100); do
    port=$((10000 + RANDOM % 20000))
    if ! (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
      return 0
    fi
  done
  fail "no free port was found"
}

# Waits up to 10 s until somebody listens on a port.
await_port() {
  for _ in $(seq 200); do
    if (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; then
      return 0
    fi
    sleep 0.05
  done
  fail "nobody listens on port $1 after 10 s: $(tail -n 3 "$2")"
}

start_redis() {
  redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$work" --save "" --appendonly yes > "$work/redis.log" 2>&1 &
  redis=$!
  await_port "$redis_port" "$work/redis.log"
}

# shellcheck disable=SC2317 # the trap calls it
restart_redis() {
  [ -n "$redis" ] || return 0
  end "$redis"
  echo "cluster: Redis is stopped" >&2
  sleep 2
  start_redis
  echo "cluster: Redis is back" >&2
}

start_server() {
  local said=$work/server-$1.log
  "$programs/feed-server" --listen 127.0.0.1:0 ${where[@]+"${where[@]}"} ${flags[@]+"${flags[@]}"} > "$said" 2>&1 &
  pids+=($!)
  for _ in $(seq 200); do
    if grep -q "listening on" "$said"; then
      urls+=("$(grep -o 'http://[0-9.:]*' "$said" | head -n 1)")
      return 0
    fi
    is_ours "${pids[-1]}" || break
    sleep 0.05
  done
  fail "server $1 did not start: $(tail -n 1 "$said")"
}

write_nginx_conf() {
  # Every client takes two of nginx's connections: its own, and one to a server.
  local files
  files=$(ulimit -Hn)
  [ "$files" != unlimited ] && [ "$files" -le 65536 ] || files=65536
  local user=
  [ "$(id -u)" -ne 0 ] || user="user root;"
  cat > "$work/nginx.conf" << END
$user
daemon off;
pid "$work/nginx.pid";
error_log "$work/nginx.log" warn;
worker_processes auto;
worker_rlimit_nofile $files;
events { worker_connections $files; }
http {
  access_log off;
  client_body_temp_path "$work/body";
  proxy_temp_path "$work/proxy";
  fastcgi_temp_path "$work/fastcgi";
  uwsgi_temp_path "$work/uwsgi";
  scgi_temp_path "$work/scgi";
  # A publisher pipelines on one connection for as long as it likes.
  keepalive_requests 1000000;
  keepalive_timeout 75s;
  map \$http_upgrade \$connection_to_server {
    default upgrade;
    "" "";
  }
  upstream feed {
    $balance
$(printf '    server %s max_fails=1 fail_timeout=2s;\n' "${urls[@]#http://}")
    # Idle connections that are kept for requests to come; streams do not count.
    keepalive 256;
  }
  server {
    listen 127.0.0.1:$nginx_port backlog=4096;
    location / {
      proxy_pass http://feed;
      proxy_http_version 1.1;
      proxy_set_header Host \$http_host;
      proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
      # For WebSocket; empty otherwise, so that connections to the servers are kept.
      proxy_set_header Upgrade \$http_upgrade;
      proxy_set_header Connection \$connection_to_server;
      # An event is passed on when it comes, and a stream or a held poll may be silent for long.
      proxy_buffering off;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
      # A server that is gone is noticed at once; a publication is never sent twice.
      proxy_connect_timeout 2s;
      proxy_next_upstream error timeout;
      client_max_body_size 16m;
      client_body_buffer_size 64k;
    }
    # Each request would be answered by another server: numbers of one are asked for at that one.
    location ~ ^/(stats|metrics)\$ {
      default_type application/json;
      return 404 '{"error":"this is a balancer: ask the servers themselves"}';
    }
  }
}
END
}

where=()
if [ "$broker" = redis ]; then
  free_port && redis_port=$port
  start_redis
  where=(--broker "redis://127.0.0.1:$redis_port")
fi
for number in $(seq "$servers"); do
  start_server "$number"
done
free_port && nginx_port=$port
write_nginx_conf
nginx -c "$work/nginx.conf" -e "$work/nginx.log" &
nginx=$!
await_port "$nginx_port" "$work/nginx.log"
trap restart_redis USR1

url=http://127.0.0.1:$nginx_port
{
  echo "cluster: $servers servers behind nginx at $url"
  printf 'cluster:   %s\n' "${urls[@]}"
  [ "$broker" = none ] || echo "cluster: broker redis://127.0.0.1:$redis_port"
} >&2

if [ -z "$run" ]; then
  echo "cluster: Ctrl-C ends it" >&2
  # A signal ends `wait`; only Redis coming back goes on.
  while true; do
    wait "$nginx" || true
    is_ours "$nginx" || fail "nginx ended: $(tail -n 3 "$work/nginx.log")"
  done
fi
export WIRELAB_URL=$url WIRELAB_SERVER_URLS="${urls[*]}" WIRELAB_SERVER_PIDS="${pids[*]}" WIRELAB_CLUSTER_PID=$$
# In a process group of its own, so that it can be ended with all that it starts.
setsid bash -c "$run" &
command=$!
while true; do
  status=0
  wait "$command" || status=$?
  # 138: SIGUSR1 came, and was seen to.
  { [ "$status" -eq 138 ] && is_ours "$command"; } || break
done
[ "$status" -ne 138 ] || wait "$command" || status=$?
command=
exit "$status"
