"""The HTTP port of both services: scrapes and probes, whatever others do there."""

import contextlib
import os
import queue
import re
import signal
import socket
import urllib.request

from harness import (BIN, IntegrationTest, Process, chat_request, control_pb2, control_pb2_grpc, documents,
                     route_yaml, stream, upstream_yaml, wait_for)

import grpc


class MetricsPort(IntegrationTest):
    def both(self):
        policy = documents(upstream_yaml("alpha", "http://127.0.0.1:9/v1"), route_yaml(["alpha"]))
        return self.data_plane(policy), self.control_plane()

    def test_who_connects_and_says_nothing_keeps_no_scrape_out(self):
        for process in self.both():
            with contextlib.ExitStack() as silent:
                for count in range(100):
                    connection = silent.enter_context(socket.create_connection(("127.0.0.1", process.metrics_port), 5))
                    if count % 2:
                        connection.sendall(b"GET /metr")
                    if count in (1, 99):
                        self.assertEqual(process.get("/metrics")[0], 200, count)
                        self.assertEqual(process.get("/healthz"), (200, "ok\n"), count)

    def test_both_listen_on_ipv6(self):
        policy = self.file("policy.yaml", documents(upstream_yaml("alpha", "http://127.0.0.1:9/v1"),
                                                    route_yaml(["alpha"])))
        for args in (["sluice-server", "--policy-file", policy, "--state-dir", "", "--drain-grace", "0s"],
                     ["sluice-controlplane", "--create", "--store", os.path.join(self.folder, "sluice.db")]):
            process = self.started(Process([os.path.join(BIN, args[0]), "--listen", "127.0.0.1:0", "--metrics-listen",
                                            "[::1]:0", *args[1:]]))
            where = re.search(r"metrics on (\[::1\]:\d+)$", process.first_line.strip()).group(1)
            with urllib.request.urlopen(f"http://{where}/metrics", timeout=5) as response:
                self.assertIn("# TYPE sluice_", response.read().decode())

    def test_a_data_plane_is_ready_from_its_first_policies_to_its_end(self):
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{reserved.getsockname()[1]}"
        server = self.data_plane(None, address, "--drain-grace", "10m")
        self.assertEqual(server.get("/readyz"), (503, "no policies are in force yet\n"))
        self.assertEqual(server.get("/healthz"), (200, "ok\n"))
        control = self.control_plane(listen=address)
        self.applied(control, upstream_yaml("alpha", "http://127.0.0.1:9/v1"), route_yaml(["alpha"]))
        wait_for("policies", lambda: server.get("/readyz") == (200, "ok\n"), 30)
        server.process.send_signal(signal.SIGTERM)
        wait_for("the grace", lambda: server.get("/readyz")[0] == 503)
        self.assertEqual(server.get("/readyz"), (503, "draining: the data plane was asked to stop\n"))
        self.assertEqual(server.get("/healthz"), (200, "ok\n"))
        # A second signal skips the rest of it.
        self.assertEqual(server.stop(), 0)

    def test_a_control_plane_is_ready_until_it_is_asked_to_stop(self):
        control = self.control_plane("--shutdown-grace", "10m")
        self.assertEqual(control.get("/readyz"), (200, "ok\n"))
        # A subscriber that does not leave when it is asked to.
        says = queue.Queue()
        says.put(control_pb2.SubscribeRequest(hello=control_pb2.Hello(node_id="edge-1", schema_version=1)))
        channel = grpc.insecure_channel(control.address)
        self.addCleanup(channel.close)
        hears = control_pb2_grpc.PushStub(channel).Subscribe(iter(says.get, None))
        wait_for("the node", lambda: control.admin().ListNodes(control_pb2.ListNodesRequest()).nodes)
        control.process.send_signal(signal.SIGTERM)
        wait_for("the grace", lambda: control.get("/readyz")[0] == 503)
        self.assertEqual(control.get("/readyz"), (503, "stopping: the control plane was asked to stop\n"))
        self.assertEqual(control.get("/healthz"), (200, "ok\n"))
        says.put(None)
        hears.cancel()
        self.assertEqual(control.fails(20), 0)

    def test_a_port_in_use_is_named_in_one_line(self):
        server, control = self.both()
        for process in (server, control):
            taken = f"127.0.0.1:{process.metrics_port}"
            args = [*process.args]
            args[args.index("--metrics-listen") + 1] = taken
            if "--store" in args:
                args[args.index("--store") + 1] = os.path.join(self.folder, "other.db")
            second = Process(args, ready=False)
            self.assertEqual(second.fails(), 1)
            name = os.path.basename(args[0])
            self.assertEqual(second.stderr().splitlines()[-1],
                             f"{name}: cannot listen on {taken} for metrics: Address already in use")

    def test_series_of_a_deleted_route_go_and_those_of_others_stay(self):
        alpha, beta = self.upstreams("alpha", "beta")
        quick = "pool: {max_idle_time: 100ms}"
        stub = self.gateway(upstream_yaml("alpha", alpha.url), upstream_yaml("beta", beta.url, extra=quick),
                            route_yaml(["alpha"]), route_yaml(["beta"], name="old"), args=("--keep-series", "1s"))
        self.ok(stream(stub, chat_request()))
        self.ok(stream(stub, chat_request(model="old")))

        def of_the_old():
            names = rf'"(old|beta|{re.escape(beta.url[:-3])})"'
            return [sample for sample in self.server.metrics() if re.search(names, sample)]

        kinds = {sample.partition("{")[0] for sample in of_the_old()}
        for kind in ("sluice_calls_total", "gen_ai_client_operation_duration_seconds_bucket", "sluice_breaker_state",
                     "sluice_breaker_refused_total", "sluice_upstream_connects_total", "sluice_queue_length"):
            self.assertIn(kind, kinds)
        self.operator("delete", "route/old")
        self.operator("delete", "upstream/beta")
        # The simulator's tally is of attempts that the metrics forget.
        self.elsewhere = -1
        wait_for("their end", lambda: not of_the_old(), 30)
        self.assertEqual(self.server.metric("sluice_calls_total", route="chat"), 1)
