"""Streams an answer: python stream.py [QUESTION]"""
from collector import collect
from common import DEADLINE_SECONDS, ask, connect, print_end, question, run, show
from sluice.v1 import gateway_pb2


def main():
    # A cut stream may begin anew; without this it fails.
    request = ask(question(), stream_options=gateway_pb2.StreamOptions(allow_restart=True))
    answer = collect(connect().StreamChat(request, timeout=DEADLINE_SECONDS), show)
    print()
    print_end(answer.end, answer.text())


run(main)
