"""What a short poll costs that brings nothing, beside nginx with a static 204."""

import functools
import time

import generator
import nginx
import server
import usage
from plan import Contender, Round, Row, Section, Target
from rows.deliveries import role

CLIENTS = 2000
INTERVAL_MS = 500
SECONDS = 2
# Most that a poll may cost over nginx's 204, and bytes that a connection may hold.
RATIO = 1.2
RSS = 4096
# Share of polls that may be asked late before the rate is not the one that was meant.
LATE = 0.01


def row(_peers):
    absent = nginx.missing()
    names = ["feed-server", "floor", *([] if absent else ["nginx"])]
    contenders = [Contender(name, role(name), functools.partial(measure, name)) for name in names]
    targets = [
        Target("cpu", "feed-server", RATIO, "nginx", "a static 204"),
        Target("rss", "feed-server", RSS, note="a connection that polls"),
    ]
    title = f"short-poll, empty answers, {CLIENTS:,} kept-alive clients every {INTERVAL_MS} ms"
    section = Section("server-short-poll", title, "server", "request", CLIENTS, "short-poll", contenders, targets)
    return Row("short-poll", [section], missing=[absent] if absent else [])


def measure(name, folder):
    """The reader of the floor asks on time, whoever answers."""
    start = nginx.started(folder) if name == "nginx" else server.started(name, folder)
    with start as started:
        process, _ = started
        idle = usage.of_tree(process.pid)
        with generator.started("floor-reader", "short-poll", CLIENTS, started, folder, interval_ms=INTERVAL_MS) as reader:
            before, began = usage.of_tree(process.pid), time.monotonic()
            time.sleep(SECONDS)
            after, ended = usage.of_tree(process.pid), time.monotonic()
            reader.end()
            said = generator.last_words(reader)
    asked = round((ended - began) * CLIENTS * 1000 / INTERVAL_MS)
    user, system = usage.spent(before, after)
    taken = Round(asked, user, system, user + system, (after.rss_bytes - idle.rss_bytes) / CLIENTS)
    if said is None or said["late_polls"] > LATE * said["polls"] or said["ended"]:
        taken.doubt(f"the polls were not asked on time: {said}")
    return taken
