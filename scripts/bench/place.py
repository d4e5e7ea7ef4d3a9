"""Where things are: the tree, the programs, the peers."""

import subprocess
from pathlib import Path

from plan import Missing

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "servers" / "peers"
GENERATORS = Path(__file__).resolve().parent / "generators"
# Where cargo builds, unless another folder is named.
PROGRAMS = Path(subprocess.check_output(["scripts/programs.sh"], cwd=ROOT, text=True).rstrip("\n"))
PROGRAMS = (ROOT / PROGRAMS).resolve()
# Longest that setting up a peer may take, s.
SETUP_WAIT_S = 600


def program(name):
    """The path of one of our programs."""
    return PROGRAMS / name


def target(peer):
    """How loadgen speaks to a server: the words that say so."""
    return [] if peer == "feed-server" else ["--target", str(PEERS / peer / "peer.toml")]


def missing_peer(name):
    """Sets a peer up; None when that is done, else why it is missing."""
    words = ["scripts/peers.sh", "setup", name]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=SETUP_WAIT_S)
    if done.returncode == 0:
        return None
    reason = (done.stderr.strip().splitlines() or ["its setup failed"])[-1]
    return Missing(name, reason, " ".join(words))


def missing_generator(name):
    """None when a generator is installed, else why it is missing. Nothing is installed here."""
    setup = GENERATORS / name / "setup"
    done = subprocess.run([setup, "--check"], capture_output=True, text=True, timeout=SETUP_WAIT_S)
    if done.returncode == 0:
        return None
    reason = (done.stderr.strip().splitlines() or ["it is not installed"])[-1]
    return Missing(name, reason, str(setup.relative_to(ROOT)))
