"""Counted figures against the committed ones."""

import collections
import json
import re

# Of figures that have no entry yet; the first that fits. Threads and ticks make
# some percent of what the server does; the engine alone counts the same each time.
DEFAULT_MARGINS = [
    (r"engine\..*chunk\.allocations", "absolute", 0.1),
    (r"engine\..*\.allocations", "absolute", 1),
    (r"engine\.failed_attempt", "percent", 8),
    (r"engine\.call", "percent", 3),
    (r"engine\..*", "percent", 2),
    (r"server\.chunk\.(allocations|socket_calls)", "absolute", 0.7),
    (r"server\.call\.(allocations|socket_calls)", "absolute", 2),
    (r"server\..*\.ours", "percent", 3),
    (r"server\.call", "percent", 6),
    (r"server\..*", "percent", 12),
]

Verdict = collections.namedtuple("Verdict", "name counted committed margin change grown fell")


def load(path):
    """{name: {"figure": …, "percent" or "absolute": margin}}"""
    try:
        with open(path) as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def save(path, figures):
    with open(path, "w") as file:
        lines = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(figures.items())]
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


def rounded(name, value):
    # Not "-0.0".
    return round(value, 2) + 0.0 if name.endswith(("allocations", "socket_calls")) else round(value)


def default_margin(name):
    return next((kind, margin) for pattern, kind, margin in DEFAULT_MARGINS if re.fullmatch(pattern, name))


def updated(committed, counted):
    """Figures anew, margins as they are; what was not counted stays."""
    result = dict(committed)
    for name, value in counted.items():
        entry = dict(committed.get(name) or [default_margin(name)])
        result[name] = {"figure": rounded(name, value), **{kind: entry[kind] for kind in entry if kind != "figure"}}
    return result


def judge(committed, counted):
    verdicts = []
    for name, value in counted.items():
        entry = committed.get(name)
        if entry is None:
            verdicts.append(Verdict(name, value, None, "", 0, True, False))
            continue
        figure = entry["figure"]
        room = entry["absolute"] if "absolute" in entry else abs(figure) * entry["percent"] / 100
        margin = f"± {entry['absolute']}" if "absolute" in entry else f"± {entry['percent']} %"
        verdicts.append(Verdict(name, value, figure, margin, value - figure, value > figure + room,
                                value < figure - room))
    return verdicts


def number(name, value):
    # Not "-0.00".
    return f"{round(value, 2) + 0.0:,.2f}" if name.endswith(("allocations", "socket_calls")) else f"{value:,.0f}"


def change_of(verdict):
    if verdict.name.endswith(("allocations", "socket_calls")) or not verdict.committed:
        return f"{verdict.change:+.2f}"
    return f"{verdict.change / verdict.committed:+.1%}"


def table(verdicts):
    lines = [f"{'figure':<34}{'counted':>12}{'committed':>12}{'change':>10}{'margin':>10}"]
    for verdict in verdicts:
        if verdict.committed is None:
            lines.append(f"{verdict.name:<34}{number(verdict.name, verdict.counted):>12}{'none':>12}")
            continue
        mark = "  GREW" if verdict.grown else "  fell" if verdict.fell else ""
        lines.append(f"{verdict.name:<34}{number(verdict.name, verdict.counted):>12}"
                     f"{number(verdict.name, verdict.committed):>12}{change_of(verdict):>10}{verdict.margin:>10}{mark}")
    return "\n".join(lines)


UNITS = {"allocations": "allocations", "socket_calls": "socket calls", "ours": "instructions of our own"}


def words(name):
    """'engine.chunk.allocations' → 'allocations a chunk (engine)'."""
    where, what, *rest = name.split(".")
    return f"{UNITS[rest[0]] if rest else 'instructions'} a {what.replace('_', ' ')} ({where})"


def base_of(name):
    """'engine.chunk.allocations' → 'engine.chunk'."""
    return ".".join(name.split(".")[:2])


def report(verdicts, paths):
    """What to do about what is not as committed; empty where all is. `paths`:
    {figure: callgrind's file}."""
    lines = []
    for verdict in verdicts:
        if verdict.committed is None:
            lines.append(f"{verdict.name} is not in tests/cost/figures.json: tests/cost/run --update writes it")
        elif verdict.grown:
            figure = base_of(verdict.name)
            lines.append(f"{verdict.name} GREW: {number(verdict.name, verdict.counted)} {words(verdict.name)}, where "
                         f"{number(verdict.name, verdict.committed)} are committed: {change_of(verdict)}, margin "
                         f"{verdict.margin}")
            lines.append(f"  where: tests/cost/run --only {figure.split('.')[0]} --profile {figure}, before and after; "
                         f"or callgrind_annotate --inclusive=yes {paths[figure]}")
        elif verdict.fell:
            lines.append(f"{verdict.name} fell: {number(verdict.name, verdict.counted)} {words(verdict.name)}, where "
                         f"{number(verdict.name, verdict.committed)} are committed. Lower the figure, so that it is kept: "
                         "tests/cost/run --update")
    if any(verdict.grown for verdict in verdicts):
        lines.append("If it is worth that, tests/cost/run --update commits the new figures; say why in the commit.")
    return "".join(line + "\n" for line in lines)
