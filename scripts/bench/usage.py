"""What a process and its descendants spent and hold, from /proc: CPU time to the nanosecond where the kernel keeps it."""

import os
from dataclasses import dataclass
from pathlib import Path

TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """One reading of a process tree."""

    user_us: float                            # by the clock tick, ended threads included
    system_us: float
    run_ns: dict[tuple[int, int], int]        # time on a core of each living thread; empty where the kernel does not tell
    rss_bytes: int                            # pages that processes share are counted for each of them


def of_tree(pid):
    """Reads a process and all its descendants."""
    user_us = system_us = rss = 0
    run_ns = {}
    for member in members(pid):
        try:
            stat = fields(member)
            threads = {(member, int(thread.name)): on_core(thread) for thread in Path(f"/proc/{member}/task").iterdir()}
        except (OSError, IndexError):
            continue  # it ended while we looked
        # Numbered as in proc_pid_stat(5), where the state is 3: utime 14, stime 15, rss 24.
        user_us += int(stat[14 - 3]) * TICK_US
        system_us += int(stat[15 - 3]) * TICK_US
        rss += int(stat[24 - 3]) * PAGE
        run_ns.update({thread: ns for thread, ns in threads.items() if ns is not None})
    return Usage(user_us, system_us, run_ns, rss)


def spent(before, after):
    """User and system time between two readings, us.

    The sum is that of the threads, unless some of them ended meanwhile and took their time along; how it is split between user
    and system is known to the tick alone.
    """
    user, system = after.user_us - before.user_us, after.system_us - before.system_us
    if not after.run_ns or not set(before.run_ns) <= set(after.run_ns):
        return user, system
    whole = sum(after.run_ns.values()) - sum(before.run_ns.values())
    whole /= 1000
    if user + system <= 0:
        user, system = after.user_us, after.system_us
    share = user / (user + system) if user + system > 0 else 0.5
    return whole * share, whole * (1 - share)


def members(pid):
    """A process and its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(int(fields(entry)[4 - 3]), []).append(int(entry))
            except (OSError, IndexError):
                continue
    found = [pid]
    for member in found:
        found.extend(children.get(member, []))
    return found


def connections(pid):
    """Open descriptors of a process tree: what more there are than before are connections."""
    count = 0
    for member in members(pid):
        try:
            count += len(os.listdir(f"/proc/{member}/fd"))
        except OSError:
            continue
    return count


def fields(pid):
    """The fields of a process's stat from the state on: what comes before is its name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def on_core(thread):
    """How long a thread was on a core, ns; None where the kernel does not tell."""
    try:
        return int((thread / "schedstat").read_text().split()[0])
    except (OSError, IndexError):
        return None
