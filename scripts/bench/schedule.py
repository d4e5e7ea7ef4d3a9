"""Rounds in their order, within the time that the table gives to each row, and word of how far it is."""

import sys
import time

from plan import Failed, Missing, Round

# Times in a row that a contender may fail before it is left out.
FAILURES = 2
# What starting up and writing things down takes besides the rounds, s.
BESIDE_S = 20


class Schedule:
    """Runs rows one after the other; what one leaves of its time is the next one's."""

    def __init__(self, record, budgets, most_s, rounds):
        self.record = record
        self.budgets = budgets            # row name: (seconds, rounds)
        self.most_rounds = rounds         # fewer than the table says, or None
        self.began = time.monotonic()
        self.most_s = most_s - BESIDE_S   # when no round begins any more
        self.over_s = 0.0                 # what rows before left
        self.left = list(budgets)
        self.step = self.steps = 0        # rounds of contenders: done, and in all

    def run(self, rows):
        self.steps = sum(self.steps_of(row) for row in rows)
        for row in rows:
            self.left.remove(row.name)
            self.run_row(row)

    def steps_of(self, row):
        return self.rounds_of(row.name) * sum(len(section.contenders) for section in row.sections)

    def rounds_of(self, name):
        planned = self.budgets[name][1]
        return min(planned, self.most_rounds or planned)

    def likely_s(self, name):
        """What a row takes at most, or its share of that where fewer rounds were asked for."""
        seconds, planned = self.budgets[name]
        return seconds * self.rounds_of(name) / planned

    def run_row(self, row):
        """As many rounds as are asked for and have time."""
        budget_s, rounds = self.budgets[row.name][0], self.rounds_of(row.name)
        allowed_s = budget_s + self.over_s
        began = time.monotonic()
        longest_s = 0.0
        for number in range(rounds if row.sections else 0):
            spent_s = time.monotonic() - began
            if number > 0 and spent_s + longest_s > allowed_s:
                say(f"{row.name}: {number} of {rounds} rounds, its {allowed_s:.0f} s are over")
                break
            if time.monotonic() - self.began + longest_s > self.most_s:
                if number == 0:
                    self.record.missing.append(Missing(row.name, "no time was left", f"scripts/bench.sh --rows {row.name}"))
                break
            started = time.monotonic()
            self.run_round(row, number, rounds, self.likely_s(row.name) - spent_s)
            longest_s = max(longest_s, time.monotonic() - started)
        self.over_s = max(0.0, allowed_s - (time.monotonic() - began))

    def run_round(self, row, number, rounds, row_left_s):
        """Every contender of every section once."""
        for section in row.sections:
            for contender in section.contenders:
                if has_failed(contender):
                    continue
                more_s = row_left_s + sum(map(self.likely_s, self.left))
                self.step += 1
                far = f"{clock(self.began)} [{self.step:3}/{self.steps}] {left(more_s)} left"
                say(f"{far}  {section.name}, round {number + 1} of {rounds}: {contender.label}")
                contender.rounds.append(self.measure(section, contender, number))
                self.record.save()

    def measure(self, section, contender, number):
        """One round of one contender; a failure is a round without figures."""
        folder = self.record.folder_of(section, contender, number)
        try:
            taken = contender.measure(folder)
        except (Failed, OSError, ValueError, KeyError) as failure:
            taken = Round()
            taken.doubt(f"failed: {failure or type(failure).__name__}")
        if folder.exists():
            taken.run = str(folder.relative_to(self.record.folder))
        for reason in taken.reasons:
            say(f"  {contender.label}: {reason}")
        return taken


def has_failed(contender):
    """Whether it failed so often in a row that it is left out."""
    last = contender.rounds[-FAILURES:]
    return len(last) == FAILURES and all(taken.units is None for taken in last)


def clock(began):
    seconds = int(time.monotonic() - began)
    return f"{seconds // 60:2}:{seconds % 60:02}"


def left(seconds):
    """At most how long it still takes."""
    return f"{max(0, seconds) / 60:4.1f} min"


def say(line):
    print(line, file=sys.stderr, flush=True)
