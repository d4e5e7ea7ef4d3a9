"""What is measured: rows of sections, sections of contenders, and what is asked of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable


class Failed(Exception):
    """A contender could not be measured; the text says why, for people."""


@dataclass
class Round:
    """What one contender spent in one round. What could not be measured is None, never zero."""

    units: int | None = None                  # deliveries, requests, publishes or messages in the window
    user_us: float | None = None              # CPU time in the window, us, all processes of the contender together
    system_us: float | None = None
    cpu_us: float | None = None               # both together; known in some cases where they cannot be told apart
    rss_per_client_bytes: float | None = None
    p50_ns: int | None = None                 # delivery latency
    p99_ns: int | None = None
    rate_per_s: float | None = None           # units a second, where the rate is a result and not what was asked for
    valid: bool = True
    reasons: list[str] = field(default_factory=list)
    run: str | None = None                    # the raw data, relative to the record

    def doubt(self, reason):
        """Says why this round may not be believed."""
        self.valid = False
        self.reasons.append(reason)


@dataclass
class Contender:
    """One of those that a section compares. Its name and variant occur once in a section."""

    name: str
    role: str                                 # ours, floor or peer
    measure: Callable[[Path], Round]          # is given a folder of its own for this round
    variant: str | None = None
    rounds: list[Round] = field(default_factory=list)

    @property
    def label(self):
        return f"{self.name} {self.variant}" if self.variant else self.name


@dataclass
class Target:
    """What a contender must reach: a ratio to another one, or, against nobody, us a unit (cpu), bytes (rss) or ns (p99)."""

    quantity: str                             # cpu, rss or p99
    contender: str
    at_most: float
    against: str | None = None
    note: str = ""


@dataclass
class Section:
    """One table: contenders that follow each other in every round."""

    name: str
    title: str
    side: str                                 # server or generator: whose cost it is
    unit: str                                 # delivery, request, publish or message
    clients: int
    transport: str                            # http where nothing is delivered
    contenders: list[Contender]
    targets: list[Target] = field(default_factory=list)


@dataclass
class Growth:
    """What a unit costs in one section over what it costs in another of the same row, paired by round."""

    name: str                                 # in words
    less: str                                 # the section whose cost is 1
    more: str                                 # the section that is held against it
    contender: str
    at_most: float
    divide_by: str | None = None              # a contender whose own growth is divided out


@dataclass
class Missing:
    """Somebody who is not measured, why not, and what to type."""

    name: str
    reason: str
    install: str


@dataclass
class Row:
    """Sections that are measured together, round by round."""

    name: str
    sections: list[Section]
    growths: list[Growth] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
