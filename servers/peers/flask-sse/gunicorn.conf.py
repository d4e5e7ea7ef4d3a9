"""How gunicorn runs the server: one process in which every stream is a greenlet."""

import os
import signal
import threading

bind = f"127.0.0.1:{os.environ.get('PORT', '0')}"
# Messages and queues are in the memory of one process: a second one would be a second chat.
workers = 1
# A stream and a held poll occupy a worker's slot for as long as they last. A thread each (gthread, or waitress) is a stack and a
# turn at the interpreter's lock each; a greenlet is some KiB.
worker_class = "gevent"
# Beyond these, clients wait in the backlog.
worker_connections = 20_000
backlog = 4096
# Longer than a client waits between two short polls, s.
keepalive = 75
# Streams do not end by themselves: how long they may go on once the server stops, s.
graceful_timeout = 1
# gunicorn kills a worker that does not report for so long, s: an event loop that is busy with thousands of clients is not stuck.
timeout = 120
# Nobody steers it while it runs: no socket in the home folder.
control_socket_disable = True
# What goes well is not worth a line.
loglevel = "warning"


def post_worker_init(worker):
    """Says where the server listens, once there is someone to answer."""
    port = worker.sockets[0].getsockname()[1]
    print(f"flask-sse listening on http://127.0.0.1:{port}", flush=True)


def when_ready(server):
    """Ends the server when whoever started it has gone: its standard input ends then."""
    threading.Thread(target=stop_at_stdin_end, args=[os.getpid()], daemon=True).start()


def stop_at_stdin_end(pid):
    while os.read(0, 4096):
        pass
    os.kill(pid, signal.SIGTERM)
