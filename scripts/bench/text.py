"""The tables as text: what a unit cost, what that is to the floor, and which targets are met."""

import ratios

COLUMNS = "  {:<30} {:>24} {:>17} {:>22} {:>12} {:>9} {:>9} {:>11} {:>7}"


def of(record):
    """All that was measured."""
    lines = []
    for row in record.rows:
        for section in row.sections:
            if any(contender.rounds for contender in section.contenders):
                lines += of_section(section)
        for growth in row.growths:
            seen = ratios.of_growth(row, growth)
            lines += [f"  {growth.name}: {against(seen, growth.at_most)}" + divided(growth), ""]
    lines += [f"missing: {missing.name}: {missing.reason}; {missing.install}" for missing in record.missing]
    return "\n".join(lines)


def of_section(section):
    lines = [f"{section.name}: {section.title}"]
    head = (f"CPU us/{section.unit}", "user + system", "x floor", "RSS/client", "p50", "p99", "rate/s", "valid")
    lines.append(COLUMNS.format("", *head))
    floor = next((contender for contender in section.contenders if contender.role == "floor"), None)
    lines += [of_contender(contender, floor) for contender in section.contenders if contender.rounds]
    for target in section.targets:
        lines.append(f"  {target.contender} {target.quantity}: {of_target(section, target)}")
    return [*lines, ""]


def of_contender(contender, floor):
    cpu = ratios.values(contender, "cpu")
    to_floor = ratios.spread(ratios.paired(cpu, ratios.values(floor, "cpu"))) if floor else None
    valid = sum(taken.valid for taken in contender.rounds)
    return COLUMNS.format(
        contender.label,
        spread(ratios.spread(cpu)),
        split(contender),
        spread(to_floor),
        quantity(contender, "rss"),
        quantity(contender, "p50"),
        quantity(contender, "p99"),
        quantity(contender, "rate"),
        f"{valid}/{len(contender.rounds)}",
    )


def of_target(section, target):
    """What was reached of it, in its unit."""
    seen = ratios.of_target(section, target)
    unit = None if target.against else target.quantity
    name = f"{target.against}'s " if target.against else ""
    note = f" ({target.note})" if target.note else ""
    return against(seen, target.at_most, unit, name) + note


def against(seen, at_most, unit=None, name=""):
    """A target, what was seen, and the word for it."""
    bound = number(at_most, unit) if unit else f"{at_most:g} x {name}".rstrip()
    if seen is None:
        return f"at most {bound}: not measured"
    word = "met" if ratios.is_met(seen, at_most) else "MISSED"
    return f"at most {bound}: {spread(seen, unit)} {word}"


def divided(growth):
    return f", {growth.divide_by}'s own growth divided out" if growth.divide_by else ""


def split(contender):
    """User and system time a unit, medians."""
    known = [taken for taken in contender.rounds if taken.valid and taken.units and taken.user_us is not None]
    if not known:
        return "-"
    user = ratios.spread(taken.user_us / taken.units for taken in known)[0]
    system = ratios.spread(taken.system_us / taken.units for taken in known)[0]
    return f"{user:.2f} + {system:.2f}"


def quantity(contender, name):
    found = ratios.spread(ratios.values(contender, name))
    return number(found[0], name) if found else "-"


def spread(found, unit=None):
    """Median, lowest and highest."""
    if found is None:
        return "-"
    middle, low, high = (number(value, unit) for value in found)
    return f"{middle} [{low}, {high}]"


def number(value, unit=None):
    """A number in the unit of its quantity; a plain one, or us, with two digits."""
    if unit == "rss":
        return f"{value / 1024:.2f} KiB"
    if unit in ("p50", "p99"):
        return f"{value / 1e6:.1f} ms"
    if unit == "rate":
        return f"{value:,.0f}"
    return f"{value:.2f}"
