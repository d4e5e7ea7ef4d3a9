"""What the Autobahn test suite said of one end, as a table by section, held against what is expected of it.

    summary.py [--update] REPORT/index.json EXPECTED.json
"""

import json
import sys
from collections import Counter

SECTIONS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "closing",
    "9": "large messages",
    "10": "automatic fragmentation",
}
GOOD = ("OK", "INFORMATIONAL")


def by_number(case):
    return [int(part) for part in case.split(".")]


def verdict(result):
    """One word where the messages and the end were judged alike, else both."""
    said, ended = result["behavior"], result["behaviorClose"]
    return said if said == ended else f"{said}, then {ended}"


def print_table(agent, verdicts):
    print(f"{agent:32} {'cases':>6} {'OK':>6} {'INFORMATIONAL':>14} {'other':>6}")
    total = Counter()
    for number, name in SECTIONS.items():
        section = Counter(said for case, said in verdicts.items() if case.split(".")[0] == number)
        total += section
        print_row(f"  {number:>2} {name}", section)
    print_row("  all", total)


def print_row(title, counts):
    good = [counts[said] for said in GOOD]
    cases = sum(counts.values())
    print(f"{title:32} {cases:6} {good[0]:6} {good[1]:14} {cases - sum(good):6}")


def differences(verdicts, expected):
    for case in sorted(verdicts.keys() | expected.keys(), key=by_number):
        said, wanted = verdicts.get(case, "not tried"), expected.get(case, "not tried")
        if said != wanted:
            yield f"DIFFERENT: case {case}: {said}, where {wanted} is expected"
        if said not in GOOD:
            yield f"BAD: case {case}: {said}"


def main(arguments):
    update = "--update" in arguments
    report, expectation = [argument for argument in arguments if argument != "--update"]
    with open(report, encoding="utf-8") as file:
        ((agent, results),) = json.load(file).items()
    verdicts = {case: verdict(results[case]) for case in sorted(results, key=by_number)}
    print_table(agent, verdicts)
    if update:
        with open(expectation, "w", encoding="utf-8") as file:
            json.dump(verdicts, file, indent=1)
            file.write("\n")
    with open(expectation, encoding="utf-8") as file:
        found = list(differences(verdicts, json.load(file)))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
