"""Sends and reads metadata: SLUICE_TENANT=name python metadata.py KEY [QUESTION]

The same request under the same idempotency key is answered once: run it twice.
"""
import os
import sys

from collector import collect
from common import DEADLINE_SECONDS, ask, connect, print_end, question, run, show


def call_id(call):
    """In the initial metadata; of a call that failed before content in the trailers.
    It names the call in the gateway's log: keep it with what you log."""
    for key, value in (*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())):
        if key == "sluice-call-id":
            return value
    return ""


def main():
    if len(sys.argv) < 2:
        raise ValueError("usage: metadata.py KEY [QUESTION]")
    metadata = (("idempotency-key", sys.argv[1]), ("sluice-tenant", os.environ.get("SLUICE_TENANT", "examples")))
    call = connect().StreamChat(ask(question(skip=1)), timeout=DEADLINE_SECONDS, metadata=metadata)
    try:
        answer = collect(call, show)
    finally:
        print(f"\ncall id: {call_id(call)}")
    print_end(answer.end, answer.text())


run(main)
