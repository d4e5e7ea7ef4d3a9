"""Leads the bench: what is asked for, round by round, into a record, and its table at the end."""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import time

import place
import table
import text
from child import SERVER_CORE
from record import Record
from schedule import Schedule, say

# Exit codes: some measurement is invalid or failed, and Ctrl-C or SIGTERM ended it.
INVALID = 3
INTERRUPTED = 130


def main():
    asked = arguments()
    record = Record(asked.out)
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    # Who publishes and looks on does so beside the server; the generator's core is its own.
    os.sched_setaffinity(0, SERVER_CORE)
    try:
        rows, record.missing = table.rows(asked.rows)
        for row in rows:
            record.missing += row.missing
            record.rows.append(row)
        for missing in record.missing:
            say(f"missing: {missing.name}: {missing.reason}; {missing.install}")
        budgets = {row.name: table.BUDGET[row.name] for row in rows}
        Schedule(record, budgets, table.MOST_S, asked.rounds).run(rows)
    except KeyboardInterrupt:
        record.interrupted = True
        say("interrupted: what was measured until now is kept")
    record.save()
    print(text.of(record))
    draw(record.folder)
    print(f"record: {record.folder}")
    return INTERRUPTED if record.interrupted else 0 if is_valid(record) else INVALID


def interrupt(*_):
    """Ends the bench in order, once: what was started is ended first, and a second Ctrl-C does not disturb that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def arguments():
    names = list(table.BUDGET)
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__)
    parser.add_argument("--quick", dest="rounds", action="store_const", const=1, help="one round of everything")
    parser.add_argument("--rounds", type=int, metavar="N", help="at most so many rounds; default: what the table says")
    parser.add_argument("--rows", default=",".join(names), metavar="NAMES", help=f"only these, separated by commas: {', '.join(names)}")
    stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    default = place.ROOT / "wirelab-bench" / stamp
    parser.add_argument("--out", type=pathlib.Path, default=default, metavar="DIR", help="folder of the record; it must not exist")
    asked = parser.parse_args()
    asked.rows = asked.rows.split(",")
    if unknown := set(asked.rows) - set(names):
        parser.error(f"there is no row called {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    if asked.out.exists():
        parser.error(f"{asked.out} exists; a record has a folder of its own")
    asked.out = asked.out.resolve()
    return asked


def draw(folder):
    """Has the report made of the record, where the program is there."""
    report = place.program("report")
    if report.exists():
        done = subprocess.run([report, "bench", folder], capture_output=True, text=True)
        print(done.stdout.strip() if done.returncode == 0 else f"no report: `report bench` said: {(done.stderr.strip().splitlines() or ['?'])[0]}")


def is_valid(record):
    """Whether each contender has a valid round in each section."""
    contenders = [c for row in record.rows for section in row.sections for c in section.contenders if c.rounds]
    return all(any(taken.valid for taken in contender.rounds) for contender in contenders)


if __name__ == "__main__":
    sys.exit(main())
