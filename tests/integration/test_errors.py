"""Every error decodes with each language's standard helper."""

import os
import shutil

import grpc
from harness import (BUILD, PEERS, ROOT, IntegrationTest, Process, chat_request, details_of, documents, route_yaml, run,
                     status_pb2, stream, upstream_yaml)
from test_client_retries import node_modules

CALLERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "callers")
# grpcio and grpcio-status of PyPI: Debian has no grpcio-status.
PYPI_PYTHON = os.path.join(BUILD, "tools", "examples", "python", "bin", "python")
STUBS = os.path.join(BUILD, "tests", "python")


class Errors(IntegrationTest):
    def status_server(self):
        return self.started(Process([os.path.join(BUILD, "tests", "status-server")]))

    def checks(self, *args):
        """Prints how many statuses it has looked at."""
        status, out, err = run(*args, seconds=150)
        self.assertEqual(status, 0, out + err)
        self.assertGreater(int(out), 500)

    def test_python_decodes_every_length(self):
        self.checks(PYPI_PYTHON, os.path.join(CALLERS, "statuses.py"), self.status_server().address, STUBS)

    def test_node_decodes_every_length(self):
        program = shutil.copy(os.path.join(CALLERS, "statuses.mjs"), self.folder)
        os.symlink(node_modules(), os.path.join(self.folder, "node_modules"))
        self.checks(os.path.join(PEERS, "node"), program, self.status_server().address, os.path.join(ROOT, "proto"))

    def test_an_outage_decodes_whatever_upstreams_say(self):
        names = [f"{letter}-of-a-name-as-long-as-they-come" for letter in "abcde"]
        text = "サーバーは過負荷です 100 % " * 20
        simulators = self.upstreams(*names)
        for simulator in simulators:
            simulator.script(faults=[f'status:503:body={{"error":{{"message":"{text}"}}}}'])
        server = self.data_plane(documents(
            upstream_yaml("pool", *(simulator.url for simulator in simulators)),
            route_yaml(["pool"], extra="retry: {max_attempts: 5, backoff: {fixed: {delay: 1ms}}}")))
        error = stream(server.stub(), chat_request()).error
        self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
        status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
        self.assertEqual(status.message, error.details())
        self.assertGreater(len(error.details().encode()), 300)
        attempts = details_of(error)["AttemptList"]
        self.assertEqual(len(attempts.attempts) + attempts.omitted, 5)
        self.assertGreaterEqual(len(attempts.attempts), 2)
        self.assertEqual(dict(error.trailing_metadata())["sluice-call-id"], details_of(error)["ErrorInfo"].metadata["call_id"])
        self.assertEqual(error.initial_metadata() or (), ())
