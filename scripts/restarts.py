"""Reads the runs of restarts.sh: a row for each, then what was not as designed.

    restarts.py FOLDER    exits 1 if something was not
"""

import json
import pathlib
import sys

COLUMNS = "{:<10} {:<7} {:>9} {:>7} {:>10} {:>9}   {:<20} {:<20} {}"
HEAD = COLUMNS.format(
    "transport", "broker", "expected", "lost", "duplicated", "gaps told", "killed: 50/95/100 %", "drained: 50/95/100 %", "verdict"
)


def load(folder):
    """The runs of both comparisons, each with where the history was, in the order in which they were measured."""
    for broker in ("memory", "redis"):
        comparison = json.loads((folder / broker / "comparison.json").read_text())
        for run in comparison["runs"]:
            yield broker, json.loads((folder / broker / run["folder"] / "run.json").read_text())


def back(fault):
    """How long after a fault so many were live again; what was not seen is no number."""
    times = (fault.get(name) for name in ("half_live_s", "most_live_s", "all_live_s"))
    return " / ".join("-" if time is None else f"{time:.1f}" for time in times) + " s"


def row(broker, run):
    """The ledger of one run, and its way back."""
    measured = run["measured"]
    ledger, faults = measured["deliveries"], measured["recovery"]["faults"]
    checks = [reason["check"] for reason in run["verdict"]["reasons"]]
    return COLUMNS.format(
        run["asked"]["transport"],
        broker,
        f"{ledger['expected']:,}",
        f"{ledger['lost']:,}",
        f"{ledger['duplicated']:,}",
        f"{ledger['gaps']:,}",
        *(back(fault) for fault in faults),
        "invalid: " + ", ".join(checks) if checks else "valid",
    )


def faults_of(broker, run):
    """What was not as designed."""
    measured, clients = run["measured"], run["asked"]["clients"]
    ledger, recovery = measured["deliveries"], measured["recovery"]
    name = f"{run['asked']['transport']}, {broker}"
    if not ledger["expected"]:
        yield f"{name}: nothing was published, so nothing is known"
    if ledger["duplicated"]:
        yield f"{name}: {ledger['duplicated']:,} deliveries came twice"
    if recovery["live_at_end"] != clients:
        yield f"{name}: {recovery['live_at_end']} of {clients} clients are live at the end"
    if broker == "redis" and ledger["lost"]:
        yield f"{name}: {ledger['lost']:,} deliveries are lost, though the history was not"
    gaps = 0 if broker == "redis" else clients * len(recovery["faults"])
    if ledger["gaps"] != gaps:
        yield f"{name}: {ledger['gaps']:,} gaps were told: expected {gaps:,}"


def main(arguments):
    """Prints the table and what it says; returns the exit code."""
    folder = pathlib.Path(arguments[0])
    runs = list(load(folder))
    print(HEAD)
    for broker, run in runs:
        print(row(broker, run))
    wrong = [fault for broker, run in runs for fault in faults_of(broker, run)]
    for fault in wrong:
        print(f"NOT AS DESIGNED {fault}")
    if not wrong:
        print("as designed: behind Redis nothing lost, nothing twice, no gap; in memory nothing twice, and each client told of each new server")
    print(f"report: {folder / 'report' / 'index.html'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
