"""Reads what callgrind writes, and subtracts one run from another."""

import collections
import os
import re

ALLOCATIONS = {"malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign"}
SOCKET_CALLS = {"send", "sendmsg", "sendto", "recv", "recvmsg", "recvfrom", "read", "readv", "write", "writev",
                "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "poll", "ppoll"}

# "(12) name" where it is first told, "(12)" from then on.
NAME = re.compile(r"\((\d+)\)(?: (.*))?$")


class Profile:
    """Per function (object, name): instructions of its own, with all that it
    called, and how often it was called."""

    def __init__(self):
        self.path = None  # of the file
        self.own = collections.Counter()
        self.inclusive = collections.Counter()
        self.called = collections.Counter()

    @property
    def total(self):
        return sum(self.own.values())

    def of_object(self, name):
        return sum(cost for (where, _), cost in self.own.items() if where == name)

    def objects(self):
        costs = collections.Counter()
        for (where, _), cost in self.own.items():
            costs[where] += cost
        return costs

    def calls_of(self, names):
        return sum(count for (_, name), count in self.called.items() if name in names)

    def times(self, factor):
        result = Profile()
        for mine, its in zip(self._counters(), result._counters()):
            its.update({key: value * factor for key, value in mine.items()})
        return result

    def less(self, other):
        result = Profile()
        for mine, its, out in zip(self._counters(), other._counters(), result._counters()):
            out.update(mine)
            out.subtract(its)
        return result

    def _counters(self):
        return self.own, self.inclusive, self.called


class _Reader:
    def __init__(self):
        self.profile = Profile()
        self.objects, self.functions = {}, {}
        self.object = self.called_object = self.function = self.callee = None

    def name(self, table, text):
        number, name = NAME.match(text).groups()
        if name is not None:
            table[number] = name
        return table[number]

    def line(self, key, text):
        if key == "ob":
            self.object = self.called_object = os.path.basename(self.name(self.objects, text))
        elif key == "cob":
            self.called_object = os.path.basename(self.name(self.objects, text))
        elif key == "fn":
            # Callgrind tells levels of a recursion apart; a reader does not.
            self.function = (self.object, self.name(self.functions, text).split("'")[0])
        elif key == "cfn":
            self.callee = (self.called_object, self.name(self.functions, text).split("'")[0])

    def call(self, count, cost):
        self.profile.called[self.callee] += count
        # What a function calls of itself stands in it already.
        if self.callee != self.function:
            self.profile.inclusive[self.function] += cost
        self.called_object = self.object

    def cost(self, cost):
        self.profile.own[self.function] += cost
        self.profile.inclusive[self.function] += cost


def read(path):
    reader = _Reader()
    reader.profile.path = path
    count = None
    with open(path, errors="replace") as file:
        for line in file:
            line = line.rstrip("\n")
            if line[:1].isdigit() or line[:1] in "+-*":
                # A line without a figure costs nothing.
                cost = int(line.partition(" ")[2] or 0)
                if count is None and reader.function is not None:
                    reader.cost(cost)
                elif count is not None:
                    reader.call(count, cost)
                    count = None
            elif line.startswith("calls="):
                count = int(line[6:].split(" ")[0])
            elif "=" in line:
                reader.line(*line.split("=", 1))
    return reader.profile


def parts(base):
    """The files that a run with --dump-before wrote, in the order of their ends."""
    folder, name = os.path.split(base)
    numbers = sorted(int(file[len(name) + 1:]) for file in os.listdir(folder)
                     if file.startswith(name + ".") and file[len(name) + 1:].isdigit())
    return [f"{base}.{number}" for number in numbers]


def top(profile, which, count):
    """The `count` dearest functions, as lines: cost, share, calls, name."""
    total = profile.total or 1
    costs = getattr(profile, which)
    lines = []
    for (where, name), cost in costs.most_common(count):
        lines.append(f"{cost:>12,.1f} {cost / total:>6.1%} {profile.called[(where, name)]:>8.2f} calls  "
                     f"{shortened(name)}  [{where}]")
    return lines


def shortened(name):
    """Without the arguments of templates and of the function."""
    name = name.replace("(anonymous namespace)::", "")
    bare, depth = [], 0
    for i, letter in enumerate(name):
        if letter == "<" and not name[:i].endswith("operator"):
            depth += 1
        elif letter == ">" and depth:
            depth -= 1
        elif not depth:
            bare.append(letter)
    return "".join(bare).split("(")[0][:90] or name[:90]
