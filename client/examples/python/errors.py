"""Decodes why a call failed, with grpcio-status: python errors.py [QUESTION]"""
import sys

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from collector import collect
from common import DEADLINE_SECONDS, ask, connect, print_end, question, run, show
from sluice.v1 import gateway_pb2


def print_detail(detail):
    info, retry, tried = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), gateway_pb2.AttemptList()
    if detail.Unpack(info):
        print(f"reason: {info.reason}")
    elif detail.Unpack(retry):
        # When to try again; without it, do not.
        print(f"retry after: {retry.retry_delay.ToMilliseconds()} ms")
    elif detail.Unpack(tried):
        for attempt in tried.attempts:
            print(f"attempt {attempt.upstream}/{attempt.endpoint}: {attempt.outcome}, {attempt.error_class}, "
                  f"HTTP {attempt.http_status}, {attempt.error_message}")
        print(f"attempts omitted: {tried.omitted}")


def main():
    try:
        answer = collect(connect().StreamChat(ask(question()), timeout=DEADLINE_SECONDS), show)
    except grpc.RpcError as error:
        print(f"status: {error.code().name}")
        print(f"message: {error.details()}")
        status = rpc_status.from_call(error)  # None where the gateway was not reached.
        if status is not None:
            print(f"details: {status.message}")
            for detail in status.details:
                print_detail(detail)
        sys.exit(1)
    print()
    print_end(answer.end, answer.text())


run(main)
