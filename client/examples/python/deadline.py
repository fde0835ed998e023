"""Gives an answer a bound on time: python deadline.py SECONDS [QUESTION]

The deadline travels with the call: the gateway plans its retries within it and ends
the upstream's work when it is over.
"""
import sys

from collector import collect
from common import ask, connect, print_end, question, run, show


def main():
    if len(sys.argv) < 2:
        raise ValueError("usage: deadline.py SECONDS [QUESTION]")
    answer = collect(connect().StreamChat(ask(question(skip=1)), timeout=float(sys.argv[1])), show)
    print()
    print_end(answer.end, answer.text())


run(main)
