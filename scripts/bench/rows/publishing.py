"""What a publication costs that nobody hears, and how many a second one core takes."""

import functools
import json
import shutil

import server
import usage
from child import GENERATOR_CORE, Child
from place import ROOT
from plan import Contender, Failed, Missing, Round, Row, Section, Target
from rows.deliveries import role

CONNECTIONS = 64
SECONDS = 3
# Publications a second that one core must take, and the time that each may then cost, us.
ASKED = 20_000
SCRIPT = ROOT / "scripts" / "bench" / "publish.lua"


def row(_peers):
    title = f"publishing without subscribers, {CONNECTIONS} kept-alive connections, as fast as one core answers"
    contenders = [Contender(name, role(name), functools.partial(measure, name)) for name in ("feed-server", "floor")]
    note = f"{ASKED:,} a second on one core"
    section = Section(
        "server-publish", title, "server", "publish", 0, "http", contenders, [Target("cpu", "feed-server", 1e6 / ASKED, note=note)]
    )
    if shutil.which("wrk") is None:
        return Row("publishing", [], missing=[Missing("publishing", "wrk, which publishes, is not installed", "apt-get install wrk")])
    return Row("publishing", [section])


def measure(name, folder):
    """Every client publishes again as soon as it is answered, so the server's core is full."""
    with server.started(name, folder) as (process, url):
        words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", SCRIPT, url]
        before = usage.of_tree(process.pid)
        with Child(words, folder, GENERATOR_CORE) as wrk:
            wrk.finish(10 * SECONDS)
            said = wrk.stdout.read_text()
        after = usage.of_tree(process.pid)
    if '{"requests"' not in said:
        raise Failed(f"wrk did not say what it did: {said[-200:]}")
    done = json.loads(said[said.index('{"requests"') :].splitlines()[0])
    user, system = usage.spent(before, after)
    taken = Round(done["requests"], user, system, user + system, rate_per_s=done["requests"] / done["duration_us"] * 1e6)
    if done["failed"]:
        taken.doubt(f"{done['failed']} of {done['requests']} publications failed")
    return taken
