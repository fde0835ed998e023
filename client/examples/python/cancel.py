"""Ends calls early, in both ways: python cancel.py [QUESTION]

Leaving the loop is not enough. grpcio ends a call whose iterator is left only when
the object is collected, and asyncio's not even then: the model writes on, and
somebody pays. So: call.cancel() wherever the loop may be left.
"""
import grpc

from collector import collect
from common import DEADLINE_SECONDS, ask, connect, print_end, question, run, show


def cancelled_from_outside(stub):
    """As a stop button would: the loop goes on until the status comes."""
    shown = []

    def on_text(text):
        shown.append(text)
        call.cancel()  # From any thread.

    call = stub.StreamChat(ask(question()), timeout=DEADLINE_SECONDS)
    try:
        collect(call, on_text)
    except grpc.RpcError as error:
        print(f'cancelled after "{shown[0]}": {error.code().name}')


def leaves_the_loop(stub):
    call = stub.StreamChat(ask(question()), timeout=DEADLINE_SECONDS)
    try:
        for response in call:
            text = "".join(event.content.text for event in response.events)
            if text:
                print(f'left the loop after "{text}"')
                break
    finally:
        call.cancel()  # Of a call that has ended: nothing.


def main():
    stub = connect()
    cancelled_from_outside(stub)
    leaves_the_loop(stub)
    # Only the calls are over: the channel goes on.
    answer = collect(stub.StreamChat(ask(question()), timeout=DEADLINE_SECONDS), show)
    print()
    print_end(answer.end, answer.text())


run(main)
