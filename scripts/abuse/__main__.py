"""Measures clients with and without strangers, and says what the strangers cost them; see scripts/abuse.sh."""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time

from foes import play
from victim import Victim

TRANSPORTS = ["ws", "sse", "long-poll"]
# The clients that nobody may harm, and what they are sent: enough that a 99th percentile is one of 20,000 deliveries a minute.
LOAD = ["--clients", "200", "--rate", "10", "--payload", "200", "--warmup", "1s", "--settle", "1s"]
# Bounds of a valid run are about the generator's own time, and this is about the server: a busy machine may be late.
WIDE = ["--max-send-lag", "10s", "--max-loop-lag", "10s", "--max-cpu", "64"]
RATIO_MAX = 2.0
# Resident memory by which the server may grow, MiB: 800 strangers at a time, hyper's 16 KiB and as much of theirs that waits, and
# what an allocator keeps.
GROWTH_MAX = 64
# How long the server may take to let go of the last of them, seconds.
SETTLE = 15


def measure(programs, victim, core, transport, seconds, folder):
    """Latency and books of one run of loadgen, as they stand in its run.json."""
    command = [f"{programs}/loadgen", "run", "--transport", transport, "--url", victim.url, *LOAD, *WIDE]
    command += ["--duration", f"{seconds}s", "--out", folder]
    pin = (lambda: os.sched_setaffinity(0, {core})) if core is not None else None
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, preexec_fn=pin)
    if done.returncode not in (0, 3):
        raise SystemExit(f"error: the run over {transport} ended with {done.returncode}: {done.stdout}{done.stderr}")
    with open(f"{folder}/run.json", encoding="utf-8") as file:
        measured = json.load(file)["measured"]
    return measured["latency"]["p50_ns"] / 1e6, measured["latency"]["p99_ns"] / 1e6, measured["deliveries"]


def under_attack(arguments, victim, work):
    """The same, while strangers are at work; and what they counted."""
    said, heard = multiprocessing.Pipe(False)[::-1]
    # Longer than the run, which has a warm-up and a farewell; bounded all the same.
    foes = multiprocessing.Process(target=play, args=(victim.address, arguments.opens, arguments.seconds / 3 + 4, said))
    foes.start()
    try:
        outcome = work()
        if not heard.poll(60):
            raise SystemExit("error: the strangers did not come to their end")
        return outcome, heard.recv()
    finally:
        foes.terminate()
        foes.join()


def at_rest(victim):
    """What the server holds after its first clients: the least within a second, for their farewells take a moment."""
    readings = []
    for _ in range(10):
        time.sleep(0.1)
        readings.append(victim.now())
    return min(resident for resident, _ in readings), min(descriptors for _, descriptors in readings)


def settled(victim, before):
    """What the server holds once they are gone; waits for its descriptors, at most SETTLE seconds."""
    until = time.monotonic() + SETTLE
    while victim.now()[1] > before[1] and time.monotonic() < until:
        time.sleep(0.1)
    return victim.now()


def main():
    parser = argparse.ArgumentParser(prog="scripts/abuse.sh")
    parser.add_argument("--seconds", type=int, default=120, help="seconds with strangers, over all transports; at most 600")
    parser.add_argument("--opens", type=int, default=2000, help="strangers who come each second")
    parser.add_argument("programs", nargs="?", default=os.environ.get("WIRELAB_PROGRAMS"))
    arguments = parser.parse_args()
    if not 6 <= arguments.seconds <= 600:
        parser.error("expected 6 to 600 seconds")
    cores = sorted(os.sched_getaffinity(0))
    server_core, client_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    victim = Victim(f"{arguments.programs}/feed-server", server_core)
    seconds, faults, counts = arguments.seconds // 3, [], {}
    before = None
    print(f"{'transport':10} {'strangers':9} {'p50 ms':>8} {'p99 ms':>8} {'ratio':>6} {'expected':>9} {'lost':>5} {'duplicated':>10}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            for transport in TRANSPORTS:
                quiet = measure(arguments.programs, victim, client_core, transport, seconds, f"{folder}/{transport}-quiet")
                before = before or at_rest(victim)
                harmed, said = under_attack(
                    arguments,
                    victim,
                    lambda: measure(arguments.programs, victim, client_core, transport, seconds, f"{folder}/{transport}"),
                )
                for kind, number in said.items():
                    counts[kind] = counts.get(kind, 0) + number
                for strangers, (p50, p99, books) in [("none", quiet), (str(said["came"]), harmed)]:
                    ratio = p99 / quiet[1]
                    print(
                        f"{transport:10} {strangers:>9} {p50:8.2f} {p99:8.2f} {ratio:6.2f} {books['expected']:9} {books['lost']:5} "
                        f"{books['duplicated']:10}",
                        flush=True,
                    )
                    if books["lost"] or books["duplicated"]:
                        faults.append(f"{transport}: {books['lost']} lost, {books['duplicated']} duplicated")
                    if ratio > RATIO_MAX:
                        faults.append(f"{transport}: p99 is {ratio:.2f} times the quiet one, where {RATIO_MAX} is the bound")
        after = settled(victim, before)
    finally:
        code = victim.stop()
    print()
    for kind in sorted(counts):
        print(f"  {counts[kind]:9} {kind}")
    print(f"\n{'server':14} {'before':>9} {'peak':>9} {'after':>9}")
    for name, *row in zip(["RSS, MiB", "descriptors"], before, victim.peak, after):
        print(f"{name:14} {row[0]:9.1f} {row[1]:9.1f} {row[2]:9.1f}")
    if victim.peak[0] > before[0] + GROWTH_MAX:
        faults.append(f"memory grew by {victim.peak[0] - before[0]:.0f} MiB, where {GROWTH_MAX} is the bound")
    if after[1] > before[1]:
        faults.append(f"{after[1]} descriptors are open, where there were {before[1]}")
    if code != 0:
        faults.append(f"the server ended with {code}")
    for fault in faults:
        print(f"MISSED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
