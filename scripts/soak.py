"""Memory and open files of a long run, minute by minute: first against last, and what of the growth has a bound."""

import csv
import json
import statistics
import sys
from pathlib import Path

MINUTE = 60.0
KIB, MIB = 1 << 10, 1 << 20
# What the generator keeps of a run until its end, bytes a second: a row of series.csv, and ten of recovery.csv.
ROWS_PER_S = 2 * KIB
# Notifications that feed-server retains in each topic unless told otherwise (--history).
HISTORY = 4096
# What each costs besides its payload, as JSON and once more in the form of the transport, bytes: measured with 200 B over WebSocket.
ENVELOPE = 290


def minutes(rows: list[dict[str, str]], column: str) -> list[float] | None:
    """Medians of each whole minute; None where a second was not told, or there is no whole minute."""
    start, end = float(rows[0]["at_s"]), float(rows[-1]["at_s"])
    medians = []
    for minute in range(int((end - start + 1.0) // MINUTE)):
        values = [row[column] for row in rows if 0 <= float(row["at_s"]) - start - minute * MINUTE < MINUTE]
        if "" in values:
            return None
        medians.append(statistics.median(map(float, values)))
    return medians or None


def main(folder: Path) -> int:
    with (folder / "series.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["phase"] == "measure"]
    run = json.loads((folder / "run.json").read_text())
    asked, measured = run["asked"], run["measured"]
    left_open = False
    print("median of each minute, and the last against the first")
    for what, column, unit, name in [
        ("server, resident memory, MiB", "server_rss_bytes", MIB, "MiB"),
        ("server, open files", "server_descriptors", 1, ""),
        ("generator, resident memory, MiB", "generator_rss_bytes", MIB, "MiB"),
        ("generator, open files", "generator_descriptors", 1, ""),
    ]:
        told = minutes(rows, column)
        if told is None:
            print(f"{what:32} not measured in every second, or for less than a minute")
            continue
        first, last = told[0], told[-1]
        # Clients that are just coming back make the number of open files waver by a share of a second's churn.
        left_open |= unit == 1 and last > first * 1.05 + 50
        steps = " ".join(f"{value / unit:,.1f}" if unit > 1 else f"{value:,.0f}" for value in told)
        change = f"{(last / first - 1) * 100:+.1f} %" + (f", {(last - first) / KIB:+,.0f} KiB" if unit > 1 else "")
        print(f"{what:32} {steps}  ({change})")
    explain(asked, float(rows[-1]["at_s"]) - float(rows[0]["at_s"]))
    books = measured["deliveries"]
    connections = measured["connections"]
    print(
        f"deliveries {books['delivered']:,} of {books['expected']:,}, lost {books['lost']:,}, duplicated {books['duplicated']:,}; "
        f"connections opened {connections['opened']:,}"
    )
    return int(left_open or books["lost"] > 0)


def explain(asked: dict, length_s: float) -> None:
    """Says what grows by design, and where that ends."""
    each = 2 * (asked["payload_bytes"] + ENVELOPE)
    retained = min(asked["rate_per_s"] * length_s, HISTORY)
    print(
        f"grows by design: the generator's rows, {ROWS_PER_S / KIB:.0f} KiB a second at most, {ROWS_PER_S * length_s / KIB:,.0f} KiB in all;\n"
        f"the server's history, about {each / KIB:.1f} KiB a notification, {retained * each / KIB:,.0f} KiB so far, up to "
        f"{HISTORY * each / MIB:.1f} MiB a topic at --history {HISTORY}"
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
