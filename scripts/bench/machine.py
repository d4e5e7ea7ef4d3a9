"""What was measured, and on what: commit and machine."""

import os
import platform
import resource
import subprocess
from pathlib import Path

from place import ROOT


def commit():
    """The commit of the tree, and whether the tree differs from it; None where git does not tell."""
    head = git("rev-parse", "HEAD")
    return None if head is None else (head, git("status", "--porcelain") != "")


def described():
    """The machine, in units that the names say. What it does not tell is None."""
    ports = text("/proc/sys/net/ipv4/ip_local_port_range")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "os": f"{platform.system()} {platform.release()}",
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": memory(),
        "load_1m": os.getloadavg()[0],
        "open_files_soft": soft,
        "open_files_hard": hard,
        "somaxconn": number("/proc/sys/net/core/somaxconn"),
        "local_ports": ports and "-".join(ports.split()),
        "python": platform.python_version(),
    }


def git(*words):
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def field(path, name):
    """A field of a file of `name : value` lines."""
    for line in (text(path) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def memory():
    kib = field("/proc/meminfo", "MemTotal")
    return int(kib.split()[0]) * 1024 if kib else None


def number(path):
    found = text(path)
    return int(found) if found else None


def text(path):
    try:
        return Path(path).read_text()
    except OSError:
        return None
