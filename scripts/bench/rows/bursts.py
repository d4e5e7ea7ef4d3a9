"""100 notifications at once to 1,000 clients: what a delivery costs when several fit into a write."""

import functools
import time

import generator
import server
import usage
from plan import Contender, Failed, Round, Row, Section, Target
from publisher import Publisher
from rows.deliveries import role

CLIENTS = 1000
BURST = 100
BURSTS = 4
# How long a server may take for a burst, s, and between two looks at whether it has.
REST_WAIT_S = 10
LOOK_AGAIN_S = 0.05
# What a process that rests may spend between two looks, us: its timers.
REST_US = 500


def row(_peers):
    contenders = [Contender(name, role(name), functools.partial(measure, name)) for name in ("feed-server", "floor")]
    targets = [Target("cpu", "feed-server", 1.0, "floor", "well below one write each")]
    title = f"ws, {BURST} notifications at once to {CLIENTS:,} clients"
    return Row("bursts", [Section("server-burst", title, "server", "delivery", CLIENTS, "ws", contenders, targets)])


def measure(name, folder):
    """The reader of the floor takes what comes."""
    units = BURSTS * BURST * CLIENTS
    with server.started(name, folder) as started, Publisher(started[1]) as publisher:
        process, _ = started
        with generator.started("floor-reader", "ws", CLIENTS, started, folder) as reader:
            publisher.publish([generator.TOPIC])
            await_rest(process, reader)
            before = usage.of_tree(process.pid)
            for _ in range(BURSTS):
                publisher.publish([generator.TOPIC] * BURST)
                await_rest(process, reader)
            after = usage.of_tree(process.pid)
            reader.end()
            heard = generator.messages(reader)
    user, system = usage.spent(before, after)
    taken = Round(units, user, system, user + system)
    # Before the bursts comes one notification, and a feed greets each client with its cursor.
    if heard is None or not units <= heard <= units + 2 * CLIENTS:
        taken.doubt(f"the reader heard {heard} messages, and {units} deliveries were published")
    return taken


def await_rest(*processes):
    """Waits until they spend next to nothing any more: all has been written and read."""
    until = time.monotonic() + REST_WAIT_S
    before = [usage.of_tree(process.pid) for process in processes]
    while time.monotonic() < until:
        time.sleep(LOOK_AGAIN_S)
        after = [usage.of_tree(process.pid) for process in processes]
        if all(sum(usage.spent(*pair)) < REST_US for pair in zip(before, after)):
            return
        before = after
    raise Failed(f"the server did not come to rest within {REST_WAIT_S} s of a burst")
