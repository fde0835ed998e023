"""Out of file descriptors: who waits, who is refused and by what name, and that
all is well again by itself."""

import contextlib
import os
import re
import socket
import subprocess
import threading

import grpc
from harness import (BIN, ControlPlane, DataPlane, IntegrationTest, Process, chat_request, control_pb2,
                     control_pb2_grpc, details_of, documents, gateway_pb2_grpc, route_yaml, stream, upstream_yaml,
                     wait_for)
from raw_http2 import Connection

LIMIT = 100
CHAT = "/sluice.v1.Gateway/Chat"


def limited(args):
    """A command that runs a program with few descriptors, soft and hard."""
    return ["sh", "-c", f"ulimit -n {LIMIT}; exec \"$@\"", "sh", *args]


class Silent:
    """TCP connections that send nothing."""

    def __init__(self, port, count):
        self.sockets = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                self.sockets.append(socket.create_connection(("127.0.0.1", port), 5))

    def close(self):
        for each in self.sockets:
            each.close()
        self.sockets = []


class Descriptors(IntegrationTest):
    def limit_programs(self):
        """Programs that are started from here on have few descriptors."""
        started = Process.__init__

        def start(process, args, *rest, **named):
            few = isinstance(process, (ControlPlane, DataPlane))
            started(process, limited(args) if few else args, *rest, **named)

        Process.__init__ = start
        self.addCleanup(setattr, Process, "__init__", started)

    def silent(self, port, count=120):
        silent = Silent(port, count)
        self.addCleanup(silent.close)
        return silent

    def serve(self, *args, upstream="", simulator_args=()):
        self.limit_programs()
        self.alpha = self.simulator("alpha", "--answer", "numbered", *simulator_args)
        self.server = self.data_plane(
            documents(upstream_yaml("alpha", self.alpha.url, extra=upstream), route_yaml(["alpha"])), None, *args)
        wait_for("a first answer", lambda: self.call().error is None)

    def call(self, timeout=20, request=None, credentials=None):
        """One call, over a connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        if credentials is None:
            channel = grpc.insecure_channel(self.server.address, options=options)
        else:
            channel = grpc.secure_channel(self.server.address, credentials,
                                          options + [("grpc.ssl_target_name_override", "localhost")])
        with channel:
            return stream(gateway_pb2_grpc.GatewayStub(channel), request or chat_request(), timeout=timeout)

    def budget(self, server):
        return {share: int(server.metric("sluice_descriptors_limit", share=share))
                for share in ("all", "callers", "upstreams", "metrics", "reserve")}

    def test_the_budget_is_one_line_of_the_log_and_adds_up(self):
        self.serve()
        budget = self.budget(self.server)
        self.assertEqual(budget["all"], LIMIT)
        self.assertEqual(sum(budget.values()), 2 * LIMIT)
        lines = re.findall(r"descriptors: 100 may be open: .*", self.server.stderr())
        self.assertEqual(lines, [f"descriptors: 100 may be open: {budget['callers']} for callers, {budget['upstreams']} "
                                 f"for upstream connections, {budget['metrics']} for metrics, {budget['reserve']} in "
                                 "reserve"])
        # What it holds with nobody there fits into what is kept for it.
        own = len(os.listdir(f"/proc/{self.server.pid}/fd"))
        self.assertLess(own, budget["reserve"])

    def test_calls_go_through_while_idle_connections_come_and_after_they_left(self):
        self.serve()
        silent = self.silent(self.server.port)
        self.ok(self.call())
        self.assertGreater(self.server.metric("sluice_connections_refused_total", cause="silent"), 0)
        silent.close()
        self.ok(self.call())
        self.assertEqual(self.breakers(), [])

    def breakers(self):
        return [name for name, value in self.server.metrics().items() if name.startswith("sluice_breaker_state") and value and 'state="closed"' not in name]

    def test_silent_connections_are_closed_after_the_time_that_is_stated(self):
        self.serve("--handshake-timeout", "200ms")
        silent = self.silent(self.server.port, 3)
        for each in silent.sockets:
            each.settimeout(10)
            self.assertEqual(each.recv(1), b"")
        self.assertEqual(self.server.metric("sluice_connections_refused_total", cause="silent"), 3)

    def test_half_a_greeting_is_ended_too(self):
        self.serve("--handshake-timeout", "200ms")
        half = socket.create_connection(("127.0.0.1", self.server.port), 5)
        self.addCleanup(half.close)
        half.sendall(b"PRI * HTTP/2.0")
        half.settimeout(10)
        while half.recv(4096):
            pass
        wait_for("its place", lambda: self.server.metric("sluice_descriptors_in_use", share="callers") == 0)

    def test_rounds_of_calls_with_connections_of_their_own(self):
        self.serve()
        for _ in range(4):
            answers = [None] * 30
            threads = [threading.Thread(target=lambda i=i: answers.__setitem__(i, self.call())) for i in range(30)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for answer in answers:
                self.ok(answer)
        self.assertEqual(self.breakers(), [])

    def test_connections_over_the_budget_wait_and_are_served_when_others_go(self):
        self.serve("--max-connections", "3")
        wait_for("room", lambda: self.server.metric("sluice_descriptors_in_use", share="callers") == 0)
        kept = [Connection(self.server.port) for _ in range(3)]
        for each in kept:
            self.addCleanup(each.close)
            self.assertTrue(each.ping())
        answers = []
        waits = threading.Thread(target=lambda: answers.append(self.call()))
        waits.start()
        wait_for("the line", lambda: "descriptors: 3 of 3 for callers in use; new callers wait" in self.server.stderr())
        self.assertEqual(self.server.metric("sluice_descriptors_short", share="callers"), 1)
        self.assertTrue(all(each.ping() for each in kept))
        self.assertEqual(answers, [])
        kept[0].close()
        waits.join()
        self.ok(answers[0])
        wait_for("the end", lambda: re.search(r"descriptors: well again after .* callers were refused", self.server.stderr()))
        self.assertEqual(self.server.metric("sluice_descriptors_short", share="callers"), 0)

    def test_upstream_connections_over_the_budget_are_a_limit_of_ours(self):
        self.serve("--max-connections", "34",
                   upstream="circuit_breaker: {min_calls: 1}")
        share = self.budget(self.server)["upstreams"]
        stub = self.server.stub()
        running = []
        for _ in range(share):
            call = stub.StreamChat(chat_request("[[alpha slow:200]]"), timeout=60)
            next(call)
            running.append(call)
        self.assertEqual(self.server.metric("sluice_descriptors_in_use", share="upstreams"), share)
        refused = stream(stub, chat_request(), timeout=10)
        self.assertEqual(refused.code, grpc.StatusCode.RESOURCE_EXHAUSTED, refused.error)
        self.assertIn("no file descriptor is left for a connection to", refused.error.details())
        self.assertGreater(details_of(refused.error)["RetryInfo"].retry_delay.seconds, 0)
        self.assertGreater(self.server.metric("sluice_connections_refused_total", share="upstreams"), 0)
        self.assertEqual(self.breakers(), [])
        for call in running:
            call.cancel()
        self.ok(self.call())
        wait_for("the end of all", self.server.idle)

    def test_idle_upstream_connections_give_way_to_other_upstreams(self):
        self.limit_programs()
        alpha, beta = self.upstreams("alpha", "beta")
        self.server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), upstream_yaml("beta", beta.url),
                                                route_yaml(["alpha"], name="a"), route_yaml(["beta"], name="b")), None,
                                      "--max-connections", "34")
        stub = self.server.stub()
        share = self.budget(self.server)["upstreams"]
        running = []
        for _ in range(share):
            running.append(stub.StreamChat(chat_request(model="a"), timeout=60))
        for call in running:
            list(call)
        self.ok(self.call(request=chat_request(model="b")))
        calls = [stub.StreamChat(chat_request("[[beta slow:100]]", model="b"), timeout=60) for _ in range(share)]
        for call in calls:
            next(call)
        for call in calls:
            call.cancel()
        wait_for("the end of all", self.server.idle)

    def test_metrics_answer_while_callers_are_short(self):
        self.serve("--max-connections", "2")
        kept = [Connection(self.server.port) for _ in range(2)]
        for each in kept:
            self.addCleanup(each.close)
        self.silent(self.server.port, 50)
        for _ in range(5):
            self.assertEqual(self.server.metric("sluice_descriptors_limit", share="callers"), 2)

    def test_with_tls(self):
        cert, key = os.path.join(self.folder, "cert.pem"), os.path.join(self.folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        with open(cert, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        self.limit_programs()
        alpha, = self.upstreams("alpha")
        self.server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"])), None,
                                      "--tls-cert", cert, "--tls-key", key, "--handshake-timeout", "300ms")
        self.ok(self.call(credentials=credentials))
        silent = self.silent(self.server.port)
        self.ok(self.call(credentials=credentials))
        silent.close()
        # The beginning of a handshake that never goes on.
        stalled = socket.create_connection(("127.0.0.1", self.server.port), 5)
        self.addCleanup(stalled.close)
        stalled.sendall(b"\x16\x03\x01\x02\x00\x01")
        stalled.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(stalled.recv(1), b"")
        self.ok(self.call(credentials=credentials))

    def test_the_control_plane_answers_while_idle_connections_come_and_after_they_left(self):
        self.limit_programs()
        control = self.control_plane()
        silent = self.silent(control.port)
        self.control_answers(control)
        silent.close()
        for _ in range(60):
            self.control_answers(control)
        self.assertEqual(control.metric("sluice_descriptors_limit", share="all"), LIMIT)
        self.assertLess(len(os.listdir(f"/proc/{control.pid}/fd")),
                        control.metric("sluice_descriptors_limit", share="reserve") +
                        control.metric("sluice_descriptors_in_use", share="callers") + 2)

    def control_answers(self, control):
        with grpc.insecure_channel(control.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            control_pb2_grpc.AdminStub(channel).List(control_pb2.ListRequest(), timeout=20)

    def test_status_tells_what_a_node_is_short_of(self):
        self.limit_programs()
        alpha, = self.upstreams("alpha")
        stub = self.gateway(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"]), args=("--max-connections", "2"))
        self.ok(stream(stub, chat_request()))
        kept = Connection(self.server.port)
        self.addCleanup(kept.close)
        self.assertTrue(kept.ping())
        self.silent(self.server.port, 1)

        def told():
            nodes = self.control.admin().ListNodes(control_pb2.ListNodesRequest(), timeout=10).nodes
            return [line for node in nodes for line in node.health.shortages]

        lines = wait_for("the shortage", told, seconds=30)
        self.assertEqual(lines, ["descriptors: 2 of 2 for callers in use; new callers wait"])

    def test_the_soft_limit_is_raised_to_the_hard_one(self):
        alpha, = self.upstreams("alpha")
        policy = self.file("p.yaml", documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"])))
        for program, *first in (("sluice-server", "--policy-file", policy, "--state-dir", ""),
                                ("sluice-controlplane", "--create", "--store", os.path.join(self.folder, "few.db"))):
            with self.subTest(program=program):
                process = Process(["sh", "-c", "ulimit -Sn 64; ulimit -Hn 300; exec \"$@\"", "sh",
                                   os.path.join(BIN, program), "--listen", "127.0.0.1:0", "--metrics-listen",
                                   "127.0.0.1:0", *first])
                self.addCleanup(process.stop)
                wait_for("the budget", lambda: "descriptors: 300 may be open: " in process.stderr())

    def test_a_second_service_on_the_port_is_refused_by_name(self):
        alpha, = self.upstreams("alpha")
        policy = documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"]))
        first = self.data_plane(policy)
        done = subprocess.run([os.path.join(BIN, "sluice-server"), "--listen", first.address, "--metrics-listen",
                               "127.0.0.1:0", "--state-dir", "", "--policy-file", self.file("second.yaml", policy)],
                              capture_output=True, text=True, timeout=30, cwd=self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"sluice-server: cannot listen on {first.address}: Address already in use\n", done.stderr)
        self.ok(stream(first.stub(), chat_request()))

    def test_callers_may_come_over_ipv6(self):
        alpha, = self.upstreams("alpha")
        policy = self.file("six.yaml", documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"])))
        server = subprocess.Popen([os.path.join(BIN, "sluice-server"), "--listen", "[::1]:0", "--metrics-listen",
                                   "127.0.0.1:0", "--state-dir", "", "--drain-grace", "0s", "--policy-file", policy],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=self.folder)
        try:
            address = re.match(r"listening on (\[::1\]:\d+),", server.stdout.readline()).group(1)
            with grpc.insecure_channel(f"ipv6:{address}") as channel:
                stub = gateway_pb2_grpc.GatewayStub(channel)
                wait_for("an answer", lambda: stream(stub, chat_request()).error is None)
        finally:
            server.terminate()
            self.assertEqual(server.wait(20), 0)
            server.stdout.close()

    def test_a_limit_that_is_too_low_is_one_line(self):
        for program, first in (("sluice-server", ["--policy-file", self.file("p.yaml", "")]), ("sluice-controlplane", [])):
            with self.subTest(program=program):
                done = subprocess.run(["sh", "-c", "ulimit -n 40; exec \"$@\"", "sh", os.path.join(BIN, program),
                                       "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", *first],
                                      capture_output=True, text=True, timeout=30, cwd=self.folder)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, r"the limit of file descriptors \(ulimit -n\) is 40, too low for this "
                                              r"program; at least \d+ are needed\n$")

    def test_more_connections_than_descriptors_are_told(self):
        done = subprocess.run(limited([os.path.join(BIN, "sluice-server"), "--policy-file", self.file("p.yaml", ""),
                                       "--max-connections", "5000"]), capture_output=True, text=True, timeout=30,
                              cwd=self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("too low for --max-connections 5000; at least", done.stderr)


class Deadlines(IntegrationTest):
    def test_a_call_whose_deadline_is_over_sends_nothing_upstream(self):
        alpha, = self.upstreams("alpha")
        server = self.data_plane(documents(upstream_yaml("alpha", alpha.url), route_yaml(["alpha"])))
        connection = Connection(server.port)
        self.addCleanup(connection.close)
        for timeout in (b"1n", b"1u", b"999u", b"1m"):
            for _ in range(25):
                frames = connection.response(connection.request(CHAT, chat_request(), [(b"grpc-timeout", timeout)]))
                self.assertEqual(len(frames), 1, timeout)  # trailers alone
        self.assertEqual(alpha.stats()["requests"], 0)
        self.assertEqual(server.metric("sluice_attempts_total"), 0)
