#!/usr/bin/env python3
"""Checks what the compiler does not.

1. The pure folders include no gRPC, curl, clock or random header: a decision
   that reads a clock cannot be simulated.
2. No co_await expression contains a lambda or an aggregate temporary: g++ 12
   destroys them twice.

Usage: check_structure.py ROOT | --self-test
"""
import pathlib
import re
import sys

PURE = ("server/resilience", "server/codec", "server/engine")

FORBIDDEN = (
    (re.compile(r"^(grpc|grpcpp|grpc\+\+)/|\.grpc\.pb\.h$"), "gRPC"),
    (re.compile(r"^curl/"), "curl"),
    (re.compile(r"^(chrono|ctime|time\.h|sys/time\.h)$|^absl/time/clock\.h$"), "a clock"),
    (re.compile(r"^random$|^absl/random/"), "a source of chance"),
)
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def strip_comments(text):
    """Blanks comments and literals; keeps lines."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        return "".join(c if c == "\n" else " " for c in match.group(0))

    return pattern.sub(blank, text)


def include_findings(name, text):
    for match in INCLUDE.finditer(text):
        for pattern, what in FORBIDDEN:
            if pattern.search(match.group(1)):
                line = text.count("\n", 0, match.start(1)) + 1
                yield f"{name}:{line}: includes {match.group(1)}: {what} has no place in a pure folder"


def expression_after(code, start):
    """From co_await to the end of its statement or enclosing bracket."""
    depth = 0
    for i in range(start, len(code)):
        c = code[i]
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
            if depth < 0:
                return code[start:i]
        elif c == ";" and depth == 0:
            return code[start:i]
    return code[start:]


def co_await_findings(name, text):
    code = strip_comments(text)
    for match in re.finditer(r"\bco_await\b", code):
        expression = expression_after(code, match.end())
        if "operator" in code[max(0, match.start() - 12):match.start()]:
            continue
        line = code.count("\n", 0, match.start()) + 1
        if re.search(r"(?:^|[(,=\s])\[[^\[\]]*\]\s*[({]", expression):
            yield f"{name}:{line}: a lambda inside a co_await expression; give it a name first"
        elif "{" in expression:
            yield f"{name}:{line}: an aggregate temporary inside a co_await expression; give it a name first"


def check(root):
    findings = []
    for folder in ("server", "controlplane", "client", "tests"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".h", ".cc"):
                continue
            name = path.relative_to(root).as_posix()
            text = path.read_text(encoding="utf-8")
            if name.startswith(PURE):
                findings.extend(include_findings(name, text))
            findings.extend(co_await_findings(name, text))
    return findings


BAD_INCLUDES = ("<grpcpp/grpcpp.h>", '"sluice/v1/gateway.grpc.pb.h"', "<curl/curl.h>", "<chrono>",
                '"absl/time/clock.h"', "<random>")
GOOD_INCLUDES = ('"absl/time/time.h"', '"server/resilience/random.h"', '"sluice/v1/gateway.pb.h"', "<vector>")
BAD_AWAITS = ("co_await Run([x] { return x; });", "co_await Run([&]() { go(); });", "auto v = co_await Send(Message{1, 2});",
              "co_await box.Push({kind, 1});", "foo(co_await Run(\n  [=] { go(); }));")
GOOD_AWAITS = ("co_await inbox.Next();", "sum += co_await a[i];", "Task<> t = F(); co_await std::move(t); if (x) { y(); }",
               "// co_await F({1})", "Awaiter operator co_await() && { return Awaiter{handle_}; }",
               "if (co_await Ready()) { go(); }", "for (const auto m = co_await In();;) { x({1}); }")


def self_test():
    """The checks find what they are for, and nothing else."""
    wrong = [i for i in BAD_INCLUDES if not list(include_findings("x", f"#include {i}\n"))]
    wrong += [i for i in GOOD_INCLUDES if list(include_findings("x", f"#include {i}\n"))]
    wrong += [a for a in BAD_AWAITS if not list(co_await_findings("x", a))]
    wrong += [a for a in GOOD_AWAITS if list(co_await_findings("x", a))]
    return [f"self-test: wrong about {w!r}" for w in wrong]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    findings = self_test() if sys.argv[1] == "--self-test" else check(pathlib.Path(sys.argv[1]))
    print("\n".join(findings) or "ok")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
