"""What a short poll costs a generator, from the floor's reader up; a generator that cannot pace itself asks as fast as it is answered."""

import functools
import time
import urllib.request

import generator
import loadgen
import server
import usage
from plan import Contender, Round, Row, Section, Target
from rows.deliveries import CONNECT_RATE

CLIENTS = 1000
INTERVAL_MS = 200
SECONDS = 2
RATIO = 1.3
RSS = 4096
# Those that take a rate for all clients together or for each, and those that have none.
PACED = ["oha", "autocannon", "hey"]
CLOSED = ["wrk"]
# The reader asks what is due within a millisecond together, as loadgen's timers do; it is shown without that, too.
GRID = {"WIRELAB_GRID_MS": 1}
# Share of the asked rate that a paced generator must have kept: hey's workers tick 3 % too fast when they begin together.
KEPT = 0.95


def row(generators, memory):
    contenders = [Contender("loadgen", "ours", functools.partial(measure_own, memory))]
    contenders.append(Contender("floor-reader", "floor", functools.partial(measure, "floor-reader", memory, GRID)))
    contenders.append(Contender("floor-reader", "peer", functools.partial(measure, "floor-reader", memory, {}), "each on time"))
    for name in PACED + CLOSED:
        if name in generators:
            variant = "closed loop" if name in CLOSED else None
            contenders.append(Contender(name, "peer", functools.partial(measure, name, memory, {}), variant))
    targets = [Target("cpu", "loadgen", RATIO, "floor-reader"), Target("rss", "loadgen", RSS, note="a client")]
    rate = CLIENTS * 1000 // INTERVAL_MS
    title = f"asking, {CLIENTS:,} clients, {rate:,} short polls a second that bring nothing"
    section = Section("generator-short-poll-1000", title, "generator", "request", CLIENTS, "short-poll", contenders, targets)
    return Row("generators-asking", [section])


def measure_own(memory, folder):
    return loadgen.of_generator(memory, folder, "short-poll", CLIENTS, load)


def load(clients):
    """What is published is heard by everybody once a second or so: a run of loadgen always publishes."""
    words = ["--clients", clients, "--rate", 1, "--connect-rate", CONNECT_RATE, "--poll-interval", f"{INTERVAL_MS}ms"]
    return [*words, "--settle", "300ms", "--warmup", "1s", "--duration", f"{SECONDS}s"]


def measure(name, memory, more, folder):
    """The feed-server counts the requests, so no generator needs to be believed."""
    with server.started("feed-server", folder / "server") as started:
        process, url = started
        with play(name, CLIENTS, started, folder, more) as player:
            before, began, first = usage.of_tree(player.pid), time.monotonic(), answered(url)
            time.sleep(SECONDS)
            after, ended, last = usage.of_tree(player.pid), time.monotonic(), answered(url)
    user, system = usage.spent(before, after)
    taken = Round(last - first, user, system, user + system, rate_per_s=(last - first) / (ended - began))
    play_one = functools.partial(memory_of_one, name, folder / "alone")
    taken.rss_per_client_bytes = memory.per_client((name, "short-poll"), after.rss_bytes, CLIENTS, play_one)
    asked = CLIENTS * 1000 / INTERVAL_MS
    if name not in CLOSED and not KEPT * asked <= taken.rate_per_s <= asked / KEPT:
        taken.doubt(f"it asked {taken.rate_per_s:,.0f} times a second, and was told {asked:,.0f}")
    return taken


def play(name, clients, started, folder, more):
    return generator.started(name, "short-poll", clients, started, folder, empty_path(started[1]), INTERVAL_MS, **more)


def memory_of_one(name, folder):
    """Resident memory of a generator with a single client that has asked as long as many do, bytes."""
    with server.started("feed-server", folder / "server") as started, play(name, 1, started, folder, {}) as player:
        time.sleep(SECONDS)
        return usage.of_tree(player.pid).rss_bytes


def answered(url):
    return server.stats(url)["connections"]["short-poll"]["answered"]


def empty_path(url):
    """What to ask for to be answered with nothing: what follows the newest notification."""
    path = f"/topics/{generator.TOPIC}/short-poll"
    with urllib.request.urlopen(url + path, timeout=server.ANSWER_WAIT_S) as answer:
        return f"{path}?after={answer.headers['ETag'].strip(chr(34))}"
