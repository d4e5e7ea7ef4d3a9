"""The record of one bench: a dated folder with bench.json and the raw data of every round."""

import dataclasses
import json
import time

import machine

SCHEMA = 1


class Record:
    """Written again after every round, so that whatever ends the bench leaves what was measured."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self.folder = folder
        self.began = time.monotonic()
        commit, dirty = machine.commit() or ("not known", True)
        self.head = {
            "schema": SCHEMA,
            "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "commit": commit,
            "dirty": dirty,
            "machine": machine.described(),
        }
        self.rows = []
        self.missing = []
        self.interrupted = False

    def folder_of(self, section, contender, number):
        """Where a contender's round keeps its raw data."""
        name = contender.label.replace(" ", "")
        return self.folder / "runs" / section.name / f"{number + 1:02}-{name}"

    def save(self):
        """Writes bench.json, whole or not at all."""
        rows = [row for row in self.rows if row.sections]
        contents = {
            **self.head,
            "took_s": round(time.monotonic() - self.began, 1),
            "interrupted": self.interrupted,
            "missing": [dataclasses.asdict(missing) for missing in self.missing],
            "sections": [as_json(section) for row in rows for section in row.sections if any(c.rounds for c in section.contenders)],
            "growth": [growth_as_json(growth) for row in rows for growth in row.growths],
        }
        new = self.folder / "bench.json.new"
        new.write_text(json.dumps(contents, indent=1) + "\n")
        new.rename(self.folder / "bench.json")


def as_json(section):
    """A section without what measures it."""
    shape = {field.name: getattr(section, field.name) for field in dataclasses.fields(section)}
    shape["contenders"] = [
        {"name": c.name, "role": c.role, "variant": c.variant, "rounds": [round_as_json(taken) for taken in c.rounds]}
        for c in section.contenders
    ]
    shape["targets"] = [dataclasses.asdict(target) for target in section.targets]
    return shape


def round_as_json(taken):
    """A round. One that failed carried nothing, and is not valid; a sum that could not be split says so."""
    shape = dataclasses.asdict(taken)
    is_split = taken.user_us is not None
    shape["is_split"] = is_split
    if not is_split:
        shape |= {"units": taken.units or 0, "user_us": 0.0, "system_us": taken.cpu_us or 0.0}
    return shape


def growth_as_json(growth):
    """A growth, from one section to another."""
    shape = dataclasses.asdict(growth)
    return {"from": shape.pop("less"), "to": shape.pop("more"), **shape}
