"""Reads the runs of cluster_report.sh: a line of the ledger for each, then what must hold.

    cluster_report.py --line FOLDER    the line of one run
    cluster_report.py FOLDER           what holds of all of them, and why runs are invalid; exits 1 if something does not hold
"""

import json
import pathlib
import sys

COLUMNS = "{:<7} {:<15} {:<11} {:>9} {:>9} {:>7} {:>10} {:>5} {:>12} {:>8}  {}"
HEAD = COLUMNS.format(
    "broker", "disturbed by", "transport", "expected", "delivered", "lost", "duplicated", "gaps", "reconnected", "refused", "verdict"
)
STREAMS = ("sse", "ws")
FAULTS = {"none": "nothing", "kill": "a kill -9", "redis": "2 s no Redis"}


def load(folder):
    """A run's folder, as what was done and what was measured."""
    broker, fault, transport = folder.name.split("-", 2)
    return broker, fault, transport, json.loads((folder / "run" / "run.json").read_text())


def line(folder):
    """The ledger of one run, with the head of the table above the first."""
    broker, fault, transport, run = load(folder)
    measured = run["measured"]
    ledger = measured["deliveries"]
    checks = [reason["check"] for reason in run["verdict"]["reasons"]]
    text = COLUMNS.format(
        broker,
        FAULTS[fault],
        transport,
        ledger["expected"],
        ledger["delivered"],
        ledger["lost"],
        ledger["duplicated"],
        ledger["gaps"],
        measured["connections"]["reconnected"],
        measured["published"]["refused"],
        "invalid: " + ", ".join(checks) if checks else "valid",
    )
    first = (broker, fault) == ("redis", "none") and transport == first_transport(folder)
    return f"{HEAD}\n{text}" if first else text


def first_transport(folder):
    folders = sorted(folder.parent.glob("redis-none-*"), key=lambda found: found.stat().st_mtime)
    return folders[0].name.split("-", 2)[2]


def broken(folder):
    """What does not hold of one run."""
    broker, _, transport, run = load(folder)
    ledger = run["measured"]["deliveries"]
    if ledger["expected"] == 0:
        yield f"{folder.name}: nothing was published, so nothing is known"
    elif broker == "redis":
        if ledger["lost"]:
            yield f"{folder.name}: {ledger['lost']} of {ledger['expected']} deliveries are lost, though there is a broker"
        if ledger["duplicated"]:
            yield f"{folder.name}: {ledger['duplicated']} deliveries came twice"
    elif transport in STREAMS and not ledger["lost"]:
        yield f"{folder.name}: a stream lost nothing without a broker, which cannot be"
    elif transport not in STREAMS and not ledger["gaps"]:
        yield f"{folder.name}: a poll met another server's history and was told of no gap"


def without_a_broker(folders):
    """What the undisturbed runs without a broker say."""
    runs = [load(folder) for folder in folders]
    runs = {transport: run["measured"]["deliveries"] for broker, fault, transport, run in runs if (broker, fault) == ("none", "none")}
    lost = [runs[name]["lost"] / runs[name]["expected"] for name in STREAMS if name in runs]
    if lost:
        yield f"without a broker, streams lost {min(lost):.0%} to {max(lost):.0%}: a client hears the server it is connected to, and no other"
    gaps = sum(ledger["gaps"] for name, ledger in runs.items() if name not in STREAMS)
    twice = sum(ledger["duplicated"] for name, ledger in runs.items() if name not in STREAMS)
    if gaps:
        yield f"without a broker, polls that met another server were told of {gaps} gaps, and got {twice} notifications again"


def main(arguments):
    """Prints what is asked for; returns the exit code."""
    if arguments[0] == "--line":
        print(line(pathlib.Path(arguments[1])))
        return 0
    folders = sorted(path for path in pathlib.Path(arguments[0]).iterdir() if (path / "run").is_dir())
    if not folders:
        print(f"error: {arguments[0]} holds no runs of cluster_report.sh", file=sys.stderr)
        return 1
    faults = [fault for folder in folders for fault in broken(folder)]
    for sentence in without_a_broker(folders):
        print(sentence)
    for fault in faults:
        print(f"DOES NOT HOLD {fault}")
    if not faults and any(load(folder)[0] == "redis" for folder in folders):
        print("with a broker, nothing is lost and nothing comes twice, whoever is stopped")
    print(f"runs: {arguments[0]}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
