"""A client's own retryPolicy (gRFC A6) against the gateway's refusals."""

import json
import os
import shutil
import subprocess
import unittest

import grpc
from harness import (BUILD, PEERS, ROOT, IntegrationTest, chat_request, documents, gateway_pb2_grpc, route_yaml, run,
                     stream, upstream_yaml)

HERE = os.path.dirname(os.path.abspath(__file__))
ONE_ATTEMPT = "retry: {max_attempts: 1}\nqueue: {max_length: 0}"
# Far below any pushback, so that only that can be what was waited for.
POLICY = {"maxAttempts": 4, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1}


def service_config(code):
    return json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": {**POLICY, "retryableStatusCodes": [code]}}]})


class ClientRetries(IntegrationTest):
    def setUp(self):
        super().setUp()
        self.alpha, = self.upstreams("alpha", args=("--chunks", "3"))
        self.server = self.data_plane(documents(upstream_yaml("alpha", self.alpha.url),
                                                route_yaml(["alpha"], extra=ONE_ATTEMPT)))

    def python(self, code, request):
        channel = grpc.insecure_channel(self.server.address, options=[("grpc.service_config", service_config(code))])
        self.addCleanup(channel.close)
        return stream(gateway_pb2_grpc.GatewayStub(channel), request)

    def calls(self):
        return sum(value for name, value in self.server.metrics().items()
                   if name.startswith("gen_ai_client_operation_duration_seconds_count"))

    def waited_ms(self):
        first, second = self.alpha.requests()
        return second["at_ms"] - first["at_ms"]

    def test_python_retries_after_the_pushback(self):
        self.alpha.script(faults=["status:429:retry-after-ms=700"], once=True)
        self.ok(self.python("RESOURCE_EXHAUSTED", chat_request()), "alpha:0 alpha:1 alpha:2")
        self.assertGreaterEqual(self.waited_ms(), 700)

    def test_python_retries_by_its_own_backoff_where_no_time_is_known(self):
        self.alpha.script(faults=["status:503"], once=True)
        self.ok(self.python("UNAVAILABLE", chat_request()), "alpha:0 alpha:1 alpha:2")
        self.assertEqual(len(self.alpha.requests()), 2)

    def test_python_does_not_repeat_a_request_at_fault(self):
        answer = self.python("NOT_FOUND", chat_request(model="nowhere"))
        self.assertEqual(answer.code, grpc.StatusCode.NOT_FOUND)
        self.assertIn(("grpc-retry-pushback-ms", "-1"), answer.error.trailing_metadata())
        self.assertEqual(self.calls(), 1)

    def test_python_does_not_repeat_what_was_cut_after_content(self):
        answer = self.python("ABORTED", chat_request("[[alpha cut:2]]"))
        self.assertEqual(answer.code, grpc.StatusCode.ABORTED)
        self.assertEqual(len(self.alpha.requests()), 1)

    def node(self, config):
        self.alpha.script(faults=["status:429:retry-after-ms=700"], once=True)
        program = shutil.copy(os.path.join(HERE, "callers", "retry.mjs"), self.folder)
        os.symlink(node_modules(), os.path.join(self.folder, "node_modules"))
        status, out, err = run(os.path.join(PEERS, "node"), program, self.server.address, config,
                               os.path.join(ROOT, "proto"))
        self.assertEqual((status, out), (0, "alpha:0 alpha:1 alpha:2"), err)
        self.assertGreaterEqual(self.waited_ms(), 700)

    def test_node_retries_after_the_pushback(self):
        self.node(service_config("RESOURCE_EXHAUSTED"))

    def test_node_hedges_after_the_pushback(self):
        # After a failure that is not fatal the next would be sent at once.
        policy = {"maxAttempts": 2, "hedgingDelay": "20s", "nonFatalStatusCodes": ["RESOURCE_EXHAUSTED"]}
        self.node(json.dumps({"methodConfig": [{"name": [{}], "hedgingPolicy": policy}]}))

    @unittest.skipUnless(os.environ.get("SLUICE_LONG"), "Go: tests/run --long")
    def test_go_retries_after_the_pushback(self):
        if shutil.which("go") is None:
            self.skipTest("Go is not installed")
        program = os.path.join(BUILD, "tools", "go-retry")
        built = subprocess.run(["go", "build", "-o", program, "."], cwd=os.path.join(HERE, "callers", "go-retry"),
                               capture_output=True, text=True, env={**os.environ, "GOFLAGS": "-mod=mod"})
        if built.returncode != 0 and "dial tcp" in built.stderr:
            self.skipTest(f"Go's modules cannot be had: {built.stderr}")
        self.assertEqual(built.returncode, 0, built.stderr)
        self.alpha.script(faults=["status:429:retry-after-ms=700"], once=True)
        status, out, err = run(program, self.server.address, service_config("RESOURCE_EXHAUSTED"),
                               chat_request().SerializeToString().hex())
        self.assertEqual(status, 0, out + err)
        self.assertGreaterEqual(int(out), 1)
        self.assertGreaterEqual(self.waited_ms(), 700)


def node_modules():
    """Where grpc-js is."""
    return next(path for path in (os.path.join(BUILD, "tools", "examples", "node", "node_modules"),
                                  os.path.join(BUILD, "tools", "npm", "node_modules"))
                if os.path.exists(os.path.join(path, "@grpc", "grpc-js")))
