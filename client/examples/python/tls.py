"""Speaks TLS: SLUICE_CA=ca.pem python tls.py [QUESTION]"""
import os

import grpc

from collector import collect
from common import DEADLINE_SECONDS, SERVER, ask, print_end, question, run, show
from sluice.v1 import gateway_pb2_grpc


def main():
    roots = None  # The system's.
    if "SLUICE_CA" in os.environ:
        with open(os.environ["SLUICE_CA"], "rb") as file:
            roots = file.read()
    credentials = grpc.ssl_channel_credentials(root_certificates=roots)
    with grpc.secure_channel(SERVER, credentials) as channel:
        stub = gateway_pb2_grpc.GatewayStub(channel)
        answer = collect(stub.StreamChat(ask(question()), timeout=DEADLINE_SECONDS), show)
    print()
    print_end(answer.end, answer.text())


run(main)
