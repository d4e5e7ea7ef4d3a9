"""A generator in a folder of its own, started against a server: its `run` is told in variables what to play.

WIRELAB_URL, WIRELAB_TOPIC, WIRELAB_TRANSPORT, WIRELAB_CLIENTS, WIRELAB_SECONDS (how long at most), WIRELAB_INTERVAL_MS (between two
short polls of a client), and WIRELAB_PATH, from which a poll is answered with nothing. It ends by itself or on SIGTERM; one that counts what it
received says so at its end in a line of JSON, `{"messages": 1000}`.
"""

import contextlib
import json
import time

import place
import usage
from child import GENERATOR_CORE, Child

TOPIC = "news"
# Longest wait until all clients are connected, s: Artillery and its like take some seconds to begin.
CONNECT_WAIT_S = 40
# How long the clients then idle before anything is measured, s: the last handshake is answered, and memory is what it is.
SETTLE_S = 0.5
# Between two counts of a server's connections before a generator comes, s.
REST_S = 0.05
# How long a generator is asked to play, s: it is ended earlier.
SECONDS = 60


@contextlib.contextmanager
def started(name, transport, clients, server, folder, path="", interval_ms=1000, **more):
    """A generator with all of its clients connected; `server` is the process and the URL."""
    process, url = server
    before = at_rest(process.pid)
    told = {
        "WIRELAB_URL": url,
        "WIRELAB_TOPIC": TOPIC,
        "WIRELAB_TRANSPORT": transport,
        "WIRELAB_CLIENTS": clients,
        "WIRELAB_SECONDS": SECONDS,
        "WIRELAB_INTERVAL_MS": interval_ms,
        "WIRELAB_PATH": path,
        **more,
    }
    with Child(["./run"], folder, GENERATOR_CORE, place.GENERATORS / name, told) as child:
        are_connected = lambda: usage.connections(process.pid) >= before + clients
        child.wait_until(are_connected, f"{clients} clients were connected", CONNECT_WAIT_S)
        time.sleep(SETTLE_S)
        yield child


def at_rest(pid):
    """Connections of a server once those that have just been closed are gone."""
    before = usage.connections(pid)
    while (after := pause_and_count(pid)) != before:
        before = after
    return before


def pause_and_count(pid):
    time.sleep(REST_S)
    return usage.connections(pid)


def last_words(child):
    """The line of JSON that an ended generator said; None when it said none."""
    for line in reversed(child.stdout.read_text(errors="replace").splitlines()):
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                return json.loads(line)
    return None


def messages(child):
    """What an ended generator says it received; None when it does not count."""
    return (last_words(child) or {}).get("messages")


class Memory:
    """What a client costs: resident memory beyond that of the same generator with one client."""

    def __init__(self):
        self.of_one = {}

    def per_client(self, key, held_bytes, clients, measure_one):
        """`measure_one` is called once for each key."""
        if key not in self.of_one:
            self.of_one[key] = measure_one()
        return (held_bytes - self.of_one[key]) / (clients - 1) if clients > 1 else None
