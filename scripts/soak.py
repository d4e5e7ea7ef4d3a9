"""Memory and open files of a long run: first against last minute."""

import csv
import json
import statistics
import sys
from pathlib import Path

MINUTE = 60.0
MIB = 1 << 20


def minutes(rows: list[dict[str, str]], column: str) -> tuple[float, float] | None:
    """Medians of the first and of the last minute; None where a second was not told."""
    start, end = float(rows[0]["at_s"]), float(rows[-1]["at_s"])
    first = [row[column] for row in rows if float(row["at_s"]) < start + MINUTE]
    last = [row[column] for row in rows if float(row["at_s"]) > end - MINUTE]
    if "" in first or "" in last:
        return None
    return statistics.median(map(float, first)), statistics.median(map(float, last))


def main(folder: Path) -> int:
    with (folder / "series.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["phase"] == "measure"]
    measured = json.loads((folder / "run.json").read_text())["measured"]
    left_open = False
    print(f"{'':32}{'first minute':>14}{'last minute':>14}{'change':>10}")
    for what, column, unit, name in [
        ("server, resident memory", "server_rss_bytes", MIB, "MiB"),
        ("server, open files", "server_descriptors", 1, ""),
        ("generator, resident memory", "generator_rss_bytes", MIB, "MiB"),
        ("generator, open files", "generator_descriptors", 1, ""),
    ]:
        told = minutes(rows, column)
        if told is None:
            print(f"{what:32}  not measured")
            continue
        first, last = told
        # Clients that are just coming back make the number of open files waver by a share of a second's churn.
        left_open |= unit == 1 and last > first * 1.05 + 50
        print(f"{what:32}{first / unit:>10,.1f} {name:3}{last / unit:>10,.1f} {name:3}{(last / first - 1) * 100:>8.1f} %")
    books = measured["deliveries"]
    connections = measured["connections"]
    print(
        f"deliveries {books['delivered']:,} of {books['expected']:,}, lost {books['lost']:,}, duplicated {books['duplicated']:,}; "
        f"connections opened {connections['opened']:,}"
    )
    return int(left_open or books["lost"] > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
