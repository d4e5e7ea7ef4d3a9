"""One run of loadgen, and what it says of the server's cost and of its own."""

import json

import place
from child import ALL_CORES, Child
from plan import Failed, Round

# Longest that a run may take, s: what it was asked for is a fraction of it.
RUN_WAIT_S = 90
# Exit codes of a run that was carried out: valid, and invalid for reasons that stand in run.json.
CARRIED_OUT = (0, 3)


def run(folder, transport, load, cores=ALL_CORES):
    """Carries out one run; `load` are its words. Returns the contents of run.json."""
    out = folder / "run"
    words = [place.program("loadgen"), "run", "--transport", transport, "--out", out, *load]
    with Child(words, folder, cores) as child:
        code = child.finish(RUN_WAIT_S)
        if code not in CARRIED_OUT:
            raise Failed(f"loadgen ended with {code}: {child.said()}")
    return json.loads((out / "run.json").read_text())


def of_server(run):
    """What the server spent."""
    cost = run["measured"]["server"]
    if cost is None:
        raise Failed("loadgen does not know what the server spent")
    return judged(run, with_cpu(Round(rss_per_client_bytes=cost["rss_per_idle_connection_bytes"]), cost))


def of_generator(memory, folder, transport, clients, load):
    """What loadgen itself spends on a run; `load` gives its words for a number of clients. Memory is that beyond one client's, as of any
    generator."""
    measured = run(folder, transport, load(clients))
    cost = measured["measured"]["generator"]

    def play_one():
        return run(folder / "alone", transport, load(1))["measured"]["generator"]["rss_end_bytes"]

    per_client = memory.per_client(("loadgen", transport), cost["rss_end_bytes"], clients, play_one)
    return judged(measured, with_cpu(Round(rss_per_client_bytes=per_client), cost))


def with_cpu(taken, cost):
    """CPU time of one side. Runs that do not tell user and system apart tell their sum, from /proc where it was read."""
    user, system = cost.get("cpu_user_s"), cost.get("cpu_system_s")
    if user is not None and system is not None:
        taken.user_us, taken.system_us = user * 1e6, system * 1e6
        taken.cpu_us = taken.user_us + taken.system_us
    else:
        by_process = cost.get("cpu_by_process_s")
        taken.cpu_us = (cost["cpu_s"] if by_process is None else by_process) * 1e6
    return taken


def judged(run, taken):
    """What both sides share: units, latency, verdict."""
    measured = run["measured"]
    polls = measured["polls"]
    is_counted_by_poll = run["asked"]["transport"] == "short-poll"
    taken.units = polls["answered"] if is_counted_by_poll and polls else measured["bytes"]["deliveries"]
    if measured["latency"]["count"] > 0:
        taken.p50_ns, taken.p99_ns = measured["latency"]["p50_ns"], measured["latency"]["p99_ns"]
    for reason in run["verdict"]["reasons"]:
        taken.doubt(f"{reason['check']}: {reason['seen']}")
    return taken
