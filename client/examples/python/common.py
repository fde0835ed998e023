"""What the programs beside this file share: where the gateway is, and how they end."""
import os
import sys

import grpc

from sluice.v1 import gateway_pb2, gateway_pb2_grpc

SERVER = os.environ.get("SLUICE_SERVER", "127.0.0.1:8443")
MODEL = os.environ.get("SLUICE_MODEL", "chat")
# A deadline covers retries and failover too, and reaches the upstream. Never go without.
DEADLINE_SECONDS = 60


def question(default="Why is the sky blue?", skip=0):
    """The program's arguments, after the first `skip`."""
    return " ".join(sys.argv[1 + skip:]) or default


def user(text):
    return gateway_pb2.Message(role=gateway_pb2.ROLE_USER, text=text)


def ask(text, **fields):
    """A request of one question."""
    return gateway_pb2.ChatRequest(model=MODEL, messages=[user(text)], **fields)


def connect():
    """A stub without TLS; tls.py has one with."""
    return gateway_pb2_grpc.GatewayStub(grpc.insecure_channel(SERVER))


def show(text):
    print(text, end="", flush=True)


def print_end(end, text):
    outcome = gateway_pb2.Outcome.Name(end.outcome).removeprefix("OUTCOME_").lower()
    print(f"end: {outcome}, served by {end.served_by}, {len(end.attempts)} attempts, {len(text)} characters")
    if end.outcome == gateway_pb2.OUTCOME_FALLBACK:
        print(f"a fallback, because: {end.error.message}")


def run(main):
    """Runs a program; its failure is one line and exit status 1."""
    try:
        main()
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
