"""Medians over rounds, and ratios of contenders that are paired by round."""

from statistics import median


def of(taken, quantity):
    """One quantity of a round: cpu in us a unit, rss in bytes, p99 in ns; None where it is invalid or was not measured."""
    if not taken.valid:
        return None
    if quantity == "cpu":
        return taken.cpu_us / taken.units if taken.units and taken.cpu_us is not None else None
    return {"rss": taken.rss_per_client_bytes, "p50": taken.p50_ns, "p99": taken.p99_ns, "rate": taken.rate_per_s}[quantity]


def values(contender, quantity):
    """A quantity of every round, in order."""
    return [of(taken, quantity) for taken in contender.rounds]


def paired(ours, theirs):
    """Ratios of those rounds in which both were measured. The rounds of each stand in order, a failed one as None."""
    return [mine / other for mine, other in zip(ours, theirs) if mine is not None and other]


def spread(numbers):
    """Median, lowest and highest of what was measured; None if nothing was."""
    known = [number for number in numbers if number is not None]
    return (median(known), min(known), max(known)) if known else None


def find(section, name):
    """The contender of a name; None when it is missing."""
    return next((contender for contender in section.contenders if contender.name == name), None)


def of_target(section, target):
    """What is held against a target: median, lowest and highest; None when one of the two was not measured."""
    ours = find(section, target.contender)
    theirs = find(section, target.against) if target.against else None
    if ours is None or (target.against and theirs is None):
        return None
    numbers = values(ours, target.quantity)
    return spread(paired(numbers, values(theirs, target.quantity)) if theirs else numbers)


def of_growth(row, growth):
    """What is held against a growth: median, lowest and highest; None when something was not measured."""
    many, few = (next((section for section in row.sections if section.name == name), None) for name in (growth.more, growth.less))
    grown = grown_by(many, few, growth.contender)
    if growth.divide_by:
        grown = paired(grown, grown_by(many, few, growth.divide_by))
    return spread(grown)


def grown_by(many, few, name):
    """The growth of one contender, by round."""
    pair = [find(section, name) if section else None for section in (many, few)]
    if None in pair:
        return []
    many, few = (values(contender, "cpu") for contender in pair)
    return [m / f if m is not None and f else None for m, f in zip(many, few)]


def is_met(seen, at_most):
    """Whether a median is within its target; None when it was not measured."""
    return None if seen is None else seen[0] <= at_most
