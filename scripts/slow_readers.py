"""What slow readers cost others and the server: the rounds that slow_readers.sh played, as two tables."""

import csv
import json
import statistics
import sys
from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20
PAGE = 4096
# What feed-server takes from the history for one reader (README, "Clients that vanish, or do not read"), and `--send-buffer` with as
# much again of bookkeeping, which the kernel holds and no process is charged with.
TAKEN = 256 * KIB
KERNEL = 2 * 128 * KIB


class Round:
    """One run: the latency of those who read, and the most memory that was seen."""

    def __init__(self, folder: Path) -> None:
        run = json.loads((folder / "run.json").read_text())
        self.measured = run["measured"]
        recovery = self.measured.get("recovery") or {}
        readers = recovery["bystanders"] if recovery else {"latency": self.measured["latency"]}
        self.latency = readers["latency"]
        self.struck = recovery.get("struck")
        self.lost = self.measured["deliveries"]["lost"]
        self.valid = not run["verdict"]["reasons"]
        with (folder / "series.csv").open() as file:
            told = [row["server_rss_bytes"] for row in csv.DictReader(file) if row["phase"] in ("measure", "drain")]
        self.rss = max((int(bytes_) for bytes_ in told if bytes_), default=None)
        seen = [[int(word) for word in line.split()] for line in Path(f"{folder}.pages").read_text().splitlines()]
        self.kernel = max(pages for pages, _ in seen) * PAGE if seen else None
        free = [kib * KIB for _, kib in seen]
        # The largest fall from an instant to a later one.
        self.taken = max(max(free[:at]) - now for at, now in enumerate(free) if at) if len(free) > 1 else None


def spread(values: list[float | None], unit: float) -> str:
    """Median, smallest and largest."""
    if not values or None in values:
        return "not measured"
    return f"{statistics.median(values) / unit:,.1f} [{min(values) / unit:,.1f}, {max(values) / unit:,.1f}]"


def main(folder: Path) -> int:
    stalled, calm = ([Round(path.parent) for path in sorted(folder.glob(f"round-*-{kind}/run.json"))] for kind in ("stalled", "calm"))
    struck = stalled[0].struck["clients"]
    print(f"latency of those who read, ms: median of {len(stalled)} rounds [smallest, largest]")
    for what, rounds in [(f"{struck:,} clients stalled: the others", stalled), ("nobody stalled: everybody", calm)]:
        p50, p99 = ([run.latency[name] for run in rounds] for name in ("p50_ns", "p99_ns"))
        print(f"{what:42} p50 {spread(p50, 1e6):24} p99 {spread(p99, 1e6)}")
    ratios = [a.latency["p99_ns"] / b.latency["p99_ns"] for a, b in zip(stalled, calm)]
    print(f"{'p99, stalled over calm, round by round':42} {spread(ratios, 1.0)}")
    late = [run.struck["latency"]["p99_ns"] for run in stalled]
    print(f"{'(the stalled themselves)':42} p99 {spread(late, 1e6)}")

    print("\nmost memory in a round, MiB")
    print(f"{'server, resident, stalled':42} {spread([run.rss for run in stalled], MIB)}")
    print(f"{'server, resident, calm':42} {spread([run.rss for run in calm], MIB)}")
    bound = None
    if None not in [run.rss for run in calm]:
        bound = statistics.median(run.rss for run in calm) + struck * TAKEN
        print(f"{'  its bound':42} {bound / MIB:,.1f}: as calm, and 256 KiB for each of {struck:,}")
    print(f"{'kernel, all TCP of the machine, stalled':42} {spread([run.kernel for run in stalled], MIB)}")
    print(f"{'kernel, all TCP of the machine, calm':42} {spread([run.kernel for run in calm], MIB)}")
    print(f"{'free memory of the machine fell by, stalled':42} {spread([run.taken for run in stalled], MIB)}")
    print(f"{'free memory of the machine fell by, calm':42} {spread([run.taken for run in calm], MIB)}")
    print(
        f"{'  the server`s side is bound to'.replace('`', chr(39)):42} {struck * KERNEL / MIB:,.1f} more: --send-buffer and as much again of "
        "bookkeeping for each; what the clients' own\n  sockets have received and not read is in the figures above, too"
    )
    lost = sum(run.lost for run in stalled + calm)
    invalid = sum(not run.valid for run in stalled + calm)
    exceeded = bound is not None and any(run.rss is not None and run.rss > bound for run in stalled)
    print(f"\nlost {lost:,}; {invalid} of {len(stalled + calm)} runs invalid; the server's bound {'EXCEEDED' if exceeded else 'kept'}")
    return int(lost > 0 or exceeded)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
